from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from tests.support.fake_networks import FakeLoras, Weights, draw_factors, spell

from underdrawing.adapters.hosting.a1111 import A1111Loras
from underdrawing.core.errors import UnknownName
from underdrawing.core.hooks import HostHooks


class Hooks(HostHooks):
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def folders(self, kind: str) -> list[Path]:
        return [self.folder]


@pytest.fixture
def loras(tmp_path: Path) -> A1111Loras:
    shared: Any = SimpleNamespace(sd_model=SimpleNamespace(is_sdxl=False))
    return A1111Loras(Hooks(tmp_path), shared, FakeLoras(tmp_path, "a1111").networks, SimpleNamespace())


def test_files_of_any_ending_are_listed(loras: A1111Loras, tmp_path: Path) -> None:
    torch.save(spell(draw_factors(), "diffusers"), tmp_path / "Style.bin")
    loras.find("style")
    assert loras.networks.available_networks["style"].filename.endswith("Style.bin")
    with pytest.raises(UnknownName):
        loras.find("other")


def test_the_hosts_reader_is_back_after_a_file_that_fails(loras: A1111Loras, tmp_path: Path) -> None:
    save_file(spell(draw_factors(), "diffusers"), tmp_path / "x.safetensors")
    reader = loras.networks.sd_models

    def fail(*_: Any) -> None:
        raise AssertionError("no kind accepts it")

    with pytest.raises(AssertionError):
        loras.load_network(fail, "x", SimpleNamespace(filename=str(tmp_path / "x.safetensors")))
    assert loras.networks.sd_models is reader


@pytest.mark.parametrize(
    ("flags", "name"),
    [({}, "unknown"), ({"is_sd1": True}, "sd15"), ({"is_sd2": True}, "sd21"), ({"is_sdxl": True}, "sdxl")],
)
def test_the_loaded_model_is_known(loras: A1111Loras, flags: dict[str, bool], name: str) -> None:
    loras.shared.sd_model = SimpleNamespace(**flags)
    assert loras.model.base_model == name


def show_unet(width: int) -> Any:
    weights = {"input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight": torch.ones(8, width)}
    return SimpleNamespace(model=SimpleNamespace(diffusion_model=Weights(weights)))


@pytest.mark.parametrize(("width", "name"), [(768, "sd15"), (1280, "sdxl_refiner")])
def test_the_loaded_model_is_known_by_its_weights(loras: A1111Loras, width: int, name: str) -> None:
    loras.shared.sd_model = show_unet(width)
    assert loras.model.base_model == name


def test_what_was_read_for_another_model_is_read_again(loras: A1111Loras) -> None:
    """The host keeps networks by their names, whatever is loaded, and reads a file again that is newer."""
    kept, spare = SimpleNamespace(name="x", mtime=9.0), SimpleNamespace(name="y", mtime=9.0)
    loras.networks.loaded_networks, loras.networks.networks_in_memory = [kept], {"y": spare}
    for width, again in ((768, False), (768, False), (2048, True)):
        loras.shared.sd_model = show_unet(width)
        loras.forget_others()
        assert (kept.mtime == spare.mtime == 0) == again
