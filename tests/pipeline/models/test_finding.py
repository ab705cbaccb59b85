from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from underdrawing.core.errors import BadParameter, BadWeights, UnderdrawingError, UnknownName
from underdrawing.pipeline.models.finding import (
    OPTIONS,
    find_checkpoint,
    find_control,
    find_model,
    find_vae,
    scan_models,
    split_hash,
)
from underdrawing.pipeline.runs.setting import Setting

if TYPE_CHECKING:
    from pathlib import Path

    from underdrawing.pipeline.models.finding import ModelKind


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A1111's and ComfyUI's folders with some models."""
    files = (
        "models/Stable-diffusion/v1-5-pruned.safetensors",
        "models/Stable-diffusion/anime/Foo_v2.ckpt",
        "models/checkpoints/sdxl.safetensors",
        "models/VAE/vae-ft-mse.pt",
        "models/ControlNet/control_v11p_sd15_canny.pth",
        "extensions/sd-webui-controlnet/models/xl_depth.safetensors",
        "models/Stable-diffusion/folder/model_index.json",
        "models/Stable-diffusion/folder/unet/diffusion_pytorch_model.safetensors",
        "models/Lora/style.safetensors",
        "embeddings/bad.pt",
        "models/controlnet/xinsir/config.json",
        "models/controlnet/xinsir/diffusion_pytorch_model.safetensors",
    )
    for name in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    monkeypatch.setenv("UNDERDRAWING_HOSTS", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("v1-5-pruned", "Stable-diffusion/v1-5-pruned.safetensors"),
        ("v1-5-pruned.safetensors", "Stable-diffusion/v1-5-pruned.safetensors"),
        ("v1-5-pruned.safetensors [6ce0161689]", "Stable-diffusion/v1-5-pruned.safetensors"),
        ("V1-5-Pruned [6ce01616]", "Stable-diffusion/v1-5-pruned.safetensors"),
        ("anime/Foo_v2", "Stable-diffusion/anime/Foo_v2.ckpt"),
        ("anime\\Foo_v2.ckpt", "Stable-diffusion/anime/Foo_v2.ckpt"),
        ("Foo_v2", "Stable-diffusion/anime/Foo_v2.ckpt"),
        ("sdxl", "checkpoints/sdxl.safetensors"),
        ("folder", "Stable-diffusion/folder"),
    ],
)
def test_names_as_users_type_them(host: Path, name: str, file: str) -> None:
    assert find_checkpoint(name) == host / "models" / file


def test_loras_and_embeddings_of_hosts_are_looked_at_behind_those_given(host: Path, tmp_path: Path) -> None:
    own = tmp_path / "own"
    setting = Setting(loras=(own,), embeddings=(own,))
    assert setting.lora_folders == [own, host / "models/Lora"]
    assert setting.embedding_folders == [own, host / "embeddings"]


@pytest.mark.parametrize("kind", OPTIONS)
def test_without_folders_the_option_that_names_one_is_said(kind: ModelKind, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("UNDERDRAWING_HOSTS", raising=False)
    assert OPTIONS[kind].startswith("--")
    with pytest.raises(UnknownName) as raised:
        find_model("nothing", kind)
    assert OPTIONS[kind] in raised.value.fix
    assert "UNDERDRAWING_HOSTS" in raised.value.fix


def test_other_kinds_have_folders_of_their_own(host: Path) -> None:
    assert find_vae("vae-ft-mse").name == "vae-ft-mse.pt"
    assert find_control("control_v11p_sd15_canny [d14c016b]").name == "control_v11p_sd15_canny.pth"
    assert find_control("xl_depth").parent.parent.name == "sd-webui-controlnet"
    assert find_control("xinsir") == host / "models/controlnet/xinsir"


def test_an_unknown_name_gets_the_nearest_and_the_folders(host: Path) -> None:
    with pytest.raises(UnknownName, match="no checkpoint is called 'v1-5-prunt'") as caught:
        find_checkpoint("v1-5-prunt")
    assert "did you mean v1-5-pruned" in caught.value.fix
    assert str(host / "models/checkpoints") in caught.value.fix


def test_without_folders_the_next_step_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("UNDERDRAWING_HOSTS", raising=False)
    with pytest.raises(UnknownName, match="UNDERDRAWING_HOSTS"):
        find_checkpoint("anything-at-all")


def test_several_files_of_one_name_are_listed(host: Path) -> None:
    (host / "models/checkpoints/real").mkdir()
    (host / "models/checkpoints/real/Foo_v2.safetensors").touch()
    with pytest.raises(BadParameter, match=r"2 files: 'anime/Foo_v2.ckpt', 'real/Foo_v2.safetensors'"):
        find_checkpoint("foo_v2")


def test_paths_and_folders_given(host: Path, tmp_path: Path) -> None:
    path = host / "models/VAE/vae-ft-mse.pt"
    assert find_vae(str(path)) == path
    assert find_checkpoint(str(host / "models/Stable-diffusion/folder")).name == "folder"
    (tmp_path / "own").mkdir()
    (tmp_path / "own/mine.safetensors").touch()
    assert find_checkpoint("mine", [tmp_path / "own"]).name == "mine.safetensors"
    for missing in (str(tmp_path / "no.safetensors"), "./no.safetensors"):
        with pytest.raises(BadWeights, match="is no file or folder of a model"):
            find_checkpoint(missing)


def test_a_link_in_a_circle_ends(host: Path) -> None:
    (host / "models/checkpoints/again").symlink_to(host / "models/checkpoints")
    assert find_checkpoint("sdxl").name == "sdxl.safetensors"
    assert len(scan_models([host / "models/checkpoints"]).entries) == 1


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=40))
def test_any_text_ends_in_a_named_error(name: str) -> None:
    with pytest.raises(UnderdrawingError):
        find_checkpoint(name)


def test_hashes_are_split_off() -> None:
    assert split_hash("a [6ce0161689]") == ("a", "6ce0161689")
    assert split_hash("a [b]") == ("a [b]", "")
