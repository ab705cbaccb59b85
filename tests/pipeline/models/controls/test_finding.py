from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from underdrawing.core.errors import BadParameter, UnknownName
from underdrawing.core.networks.placement import Placement
from underdrawing.core.tensor_files.safetensors_io import write_safetensors
from underdrawing.pipeline.models import reference_files
from underdrawing.pipeline.models.controls.finding import choose_control, find_controls, find_union_mode, list_words
from underdrawing.pipeline.models.model import Model
from underdrawing.preprocessors import registry

if TYPE_CHECKING:
    from pathlib import Path

    from underdrawing.pipeline.models.model import Family


def write(folder: Path, name: str, family: Family = "sd1") -> Path:
    """As much of a ControlNet as says what it is for."""
    wide = (8, 8) if family != "sd1" else (8, 8, 1, 1)
    table = {
        "controlnet_down_blocks.0.weight": torch.zeros(8, 8, 1, 1),
        "down_blocks.0.attentions.0.proj_in.weight": torch.zeros(wide),
    }
    if family == "sdxl":
        table |= {f"down_blocks.{level}.resnets.0.norm1.weight": torch.zeros(8) for level in range(3)}
        table["add_embedding.linear_1.weight"] = torch.zeros(8, 8)
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    return write_safetensors(folder / name, table)


def make_model(family: Family, name: str = "model", *, reference: bool = False) -> Model:
    return Model(
        name=name, family=family, prediction="epsilon", unet=None, vae=None, text_encoders=(), tokenizers=(),
        alphas=torch.zeros(1), scaling_factor=1.0, placement=Placement(), reference=reference,
    )  # fmt: skip


def test_declared_names_come_first(tmp_path: Path) -> None:
    write(tmp_path, "some_canny.safetensors")
    exact = write(tmp_path, "sub/control_v11p_sd15_canny_fp16.safetensors")
    write(tmp_path, "control_v11p_sd15_softedge.safetensors")
    assert find_controls("canny", "sd1", [tmp_path]) == [exact]
    assert choose_control("canny", make_model("sd1"), [tmp_path]) == exact


def test_words_find_renamed_files_of_the_right_base_model(tmp_path: Path) -> None:
    write(tmp_path, "my_depth.safetensors", "sd1")
    large = write(tmp_path, "diffusers_xl_depth_full.safetensors", "sdxl")
    assert find_controls("depth_dav2", "sdxl", [tmp_path]) == [large]
    assert find_controls("depth_midas", "sd2", [tmp_path]) == []


def test_a_union_stands_in(tmp_path: Path) -> None:
    union = write(tmp_path, "controlnet-union-sdxl-promax.safetensors", "sdxl")
    assert find_controls("pose_openpose", "sdxl", [tmp_path]) == [union]
    assert (find_union_mode("canny"), find_union_mode("pose_openpose"), find_union_mode("shuffle")) == (3, 0, None)


def test_several_are_listed(tmp_path: Path) -> None:
    write(tmp_path, "control_v11p_sd15_canny.safetensors")
    write(tmp_path, "control_sd15_canny.safetensors")
    with pytest.raises(
        BadParameter, match=r"2 ControlNets fit canny and SD1: control_sd15_canny\.safetensors, control_v11p"
    ):
        choose_control("canny", make_model("sd1"), [tmp_path])


def test_none_says_what_was_looked_for_and_where(tmp_path: Path) -> None:
    (tmp_path / "damaged_canny.safetensors").write_bytes(b"x")
    with pytest.raises(
        UnknownName, match="no ControlNet for canny and SDXL was found; looked for control_v11p"
    ) as error:
        choose_control("canny", make_model("sdxl"), [tmp_path])
    assert str(tmp_path) in str(error.value)


def test_the_reference_model_has_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reference_files, "FOLDER", tmp_path)
    depth = write(tmp_path, "control_lora_depth.safetensors")
    (tmp_path / "controlnet_canny").mkdir()
    model = make_model("sd1", "a merge of it", reference=True)
    assert choose_control("depth_zoe", model) == depth
    assert choose_control("canny", model) == tmp_path / "controlnet_canny"
    with pytest.raises(UnknownName, match=r"no ControlNet for shuffle.*it has: canny \(anyline\), depth; or"):
        choose_control("shuffle", model)
    with pytest.raises(UnknownName, match=r"in no folder.*--controlnet-dir .*UNDERDRAWING_HOSTS"):
        choose_control("canny", make_model("sd1", "reference"))  # a file of that name is another model


def test_every_annotator_has_words_or_a_union() -> None:
    bare = [
        annotator.spec.id
        for annotator in registry
        if find_union_mode(annotator.spec.id) is None
        and not any(list_words(name.rpartition("/")[2]) for name in annotator.spec.consumers)
    ]
    assert bare == []


def test_every_word_of_a_name_is_needed(tmp_path: Path) -> None:
    plain, anime = write(tmp_path, "my_lineart.safetensors"), write(tmp_path, "lineart-anime.safetensors")
    pose = write(tmp_path, "my_openpose.safetensors")
    assert find_controls("lineart_anime", "sd1", [tmp_path]) == [anime]
    assert find_controls("lineart", "sd1", [tmp_path]) == [anime, plain]
    assert find_controls("pose_openpose", "sd1", [tmp_path]) == [pose]
    assert find_controls("pose_animal", "sd1", [tmp_path]) == []
