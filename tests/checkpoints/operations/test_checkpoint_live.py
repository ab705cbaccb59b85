"""A merge in memory is the file that the same merge writes, and its recipe writes that file."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest
import torch
from safetensors.torch import load_file
from tests.support.checkpoint_models import save, tiny
from tests.support.fake_host import Host

from underdrawing.comfy_nodes.operations import nodes
from underdrawing.core.errors import BadWeights

if TYPE_CHECKING:
    from torch import Tensor

FILES = {"ckpt_a": "sub/a.safetensors", "ckpt_b": "b.safetensors", "ckpt_c": "none", "ckpt_d": "none"}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The checkpoints folder of a stub of ComfyUI that hands on the tensors it is to build a model of."""
    host, sd = Host(tmp_path), ModuleType("comfy.sd")
    for name, module in {**host.modules, "comfy.sd": sd}.items():
        monkeypatch.setitem(sys.modules, name, module)

    def build(tensors: dict[str, Tensor], **options: Any) -> tuple[Any, ...] | None:
        known = any(key.startswith("model.diffusion_model.") for key in tensors)
        return (tensors, options["metadata"], options["embedding_directory"]) if known else None

    vars(sd)["load_state_dict_guess_config"] = build
    place = Path(host.folders["checkpoints"][0])
    save(place / "sub" / "a.safetensors", tiny(0))
    save(place / "b.safetensors", tiny(1))
    return place


def run(name: str, **values: Any) -> tuple[Any, ...]:
    return nodes()[name]().run(**{**FILES, **values})["result"]


def test_a_live_merge_is_the_file_that_its_recipe_writes(folder: Path) -> None:
    tensors, metadata, _, recipe = run("UnderdrawingCheckpointLive", method="dare", seed=3, blocks="GRAD_V")
    none = dict.fromkeys(FILES, "none")
    run("UnderdrawingCheckpointMerge", **none, recipe=recipe, filename="saved")
    saved = load_file(folder / "saved.safetensors")
    assert set(saved) == set(tensors)
    for key, tensor in saved.items():
        assert tensor.dtype == tensors[key].dtype
        assert torch.equal(tensor.view(torch.uint8), tensors[key].view(torch.uint8)), key
    assert '"sub/a.safetensors"' in recipe
    assert metadata["underdrawing_recipe"]


def test_inputs_that_changed_and_damage_are_refused(folder: Path) -> None:
    *_, recipe = run("UnderdrawingCheckpointLive")
    save(folder / "b.safetensors", tiny(2))
    with pytest.raises(BadWeights, match="has the sha256"):
        run("UnderdrawingCheckpointLive", **dict.fromkeys(FILES, "none"), recipe=recipe)
    damaged = tiny(3)
    damaged["model.diffusion_model.out.2.weight"][0] = float("inf")
    save(folder / "b.safetensors", damaged)
    with pytest.raises(BadWeights, match="no finite numbers"):
        run("UnderdrawingCheckpointLive")
    save(folder / "b.safetensors", {"x.weight": torch.ones(3)})
    with pytest.raises(BadWeights, match="does not know"):
        run("UnderdrawingCheckpointLive", ckpt_a="b.safetensors", ckpt_b="none", method="no_interpolation")
