"""Folders and files as diffusers itself reads them."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest
import torch
from tests.support.checkpoint_models import load_node

from underdrawing.checkpoints.merging import merge

if TYPE_CHECKING:
    from pathlib import Path

PARTS = ("unet", "vae", "text_encoder", "text_encoder_2")


def check_networks(found: Any, wanted: Any) -> None:
    for part in PARTS:
        if (network := getattr(wanted, part, None)) is not None:
            own, other = getattr(found, part).state_dict(), network.state_dict()
            assert set(own) == set(other), part
            assert all(torch.equal(own[key], other[key]) for key in other), part


@pytest.mark.parametrize("family", ["sd2", "sdxl"])
def test_diffusers_reads_what_was_made_of_a_file_and_of_a_folder(family: str, tmp_path: Path) -> None:
    from tests.support.tiny_diffusion import require_diffusers, write_checkpoint, write_folder

    require_diffusers()
    pipeline: Any = import_module("diffusers").DiffusionPipeline
    options: dict[str, Any] = {"prediction": "v_prediction"} if family == "sd2" else {}
    folder = write_folder(tmp_path / "folder", family, **options)
    bare = dict.fromkeys(["tokenizer", "tokenizer_2"] if family == "sdxl" else ["tokenizer"])
    wanted = pipeline.from_pretrained(folder, local_files_only=True, **bare)
    merge(load_node(write_checkpoint(tmp_path / "file.safetensors", family)), tmp_path / "made")
    made = pipeline.from_pretrained(tmp_path / "made", local_files_only=True)
    assert type(made) is type(wanted)
    check_networks(made, wanted)
    merge(load_node(folder), tmp_path / "made.safetensors")
    tokenizers = {name: getattr(made, name) for name in bare}
    options = {"config": str(folder), "local_files_only": True, **tokenizers}
    single = type(wanted).from_single_file(tmp_path / "made.safetensors", **options)
    check_networks(single, wanted)
