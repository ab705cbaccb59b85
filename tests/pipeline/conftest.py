"""Tiny models in files, for tests of whole runs; written once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with tiny.safetensors (SD1) and control_v11p_sd15_canny, each as one file would have it."""
    from tests.support import tiny_diffusion
    from tests.support.tiny_loras import write_lora

    tiny_diffusion.require_diffusers()
    folder = tmp_path_factory.mktemp("tiny")
    tiny_diffusion.write_checkpoint(folder / "tiny.safetensors")
    tiny_diffusion.build_controlnet().save_pretrained(folder / "control_v11p_sd15_canny")
    write_lora(folder / "style.safetensors")
    return folder
