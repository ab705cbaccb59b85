from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch
from tests.support.ldm_names import rename_control, rename_t2i
from tests.support.tiny_diffusion import build_controlnet, build_t2i, build_union, make_model, require_diffusers

from underdrawing.core.errors import BadParameter, BadWeights
from underdrawing.core.networks.convolution import quicken_layers
from underdrawing.core.tensor_files.safetensors_io import write_safetensors
from underdrawing.pipeline.models.controls.reading import find_control_family, read_control
from underdrawing.pipeline.models.model import Model

require_diffusers()

if TYPE_CHECKING:
    from pathlib import Path

Table = dict[str, torch.Tensor]


@pytest.fixture(scope="module")
def sd1() -> Model:
    return make_model("sd1")


@pytest.fixture(scope="module")
def sdxl() -> Model:
    return make_model("sdxl")


def assert_same(found: Any, expected: Any) -> None:
    one, other = found.state_dict(), expected.state_dict()
    assert one.keys() == other.keys()
    assert [name for name, value in one.items() if not torch.equal(value, other[name])] == []


def write(path: Path, table: Table) -> Path:
    if path.suffix != ".safetensors":
        torch.save(table, path)
        return path
    return write_safetensors(path, table)


@pytest.mark.parametrize("name", ["control_v11p_sd15_canny.pth", "canny.safetensors"])
def test_the_first_form(tmp_path: Path, sd1: Model, name: str) -> None:
    network = build_controlnet()
    start = "control_model." if name.endswith(".pth") else ""
    table = rename_control(network.state_dict(), sd1.unet.state_dict())
    path = write(tmp_path / name, {start + key: value for key, value in table.items()})
    control = read_control(path, sd1)
    assert (control.form, control.family, control.name, control.notes) == ("controlnet", "sd1", path.stem, ())
    assert_same(control.network, network)


def test_diffusers_files_and_folders(tmp_path: Path, sdxl: Model) -> None:
    network = build_controlnet("sdxl")
    network.save_pretrained(tmp_path / "folder")
    for path in (tmp_path / "folder", write(tmp_path / "xl.safetensors", network.state_dict())):
        control = read_control(path, sdxl)
        assert (control.form, control.family) == ("controlnet", "sdxl")
        assert_same(control.network, network)


@pytest.mark.parametrize(("kinds", "last"), [(6, 5), (8, 7)])
def test_union(tmp_path: Path, sdxl: Model, kinds: int, last: int) -> None:
    network = build_union(kinds=kinds)
    control = read_control(write(tmp_path / "union.safetensors", network.state_dict()), sdxl)
    assert control.form == "union"
    assert max(control.modes.values()) == last
    assert_same(control.network, network)
    assert ("tile" in control.modes) is (kinds == 8)


@pytest.mark.parametrize("kind", ["full_adapter", "light_adapter"])
@pytest.mark.parametrize("channels", [3, 1])
def test_t2i_adapters_of_both_forms(tmp_path: Path, sd1: Model, kind: str, channels: int) -> None:
    network = build_t2i(kind=kind, channels=channels)
    network.save_pretrained(tmp_path / "folder")
    first = rename_t2i(network.state_dict(), 2, light=kind == "light_adapter")
    assert "body.1.block1.weight" in first or "body.0.body.3.block2.bias" in first
    for path in (tmp_path / "folder", write(tmp_path / "a.pth", first)):
        control = read_control(path, sd1)
        assert (control.form, control.family) == ("t2i", "sd1")
        assert control.network.config.adapter_type == kind
        assert_same(control.network, network)


def test_t2i_adapters_of_sdxl(tmp_path: Path, sdxl: Model) -> None:
    network = build_t2i("sdxl", kind="full_adapter_xl")
    control = read_control(write(tmp_path / "a.safetensors", rename_t2i(network.state_dict(), 2)), sdxl)
    assert control.family == "sdxl"
    picture = torch.rand(1, 3, 64, 64)
    own, expected = control.network.state_dict(), network.state_dict()
    assert own.keys() == expected.keys()
    assert all(torch.equal(own[name], value) for name, value in expected.items())
    network = network.to(memory_format=torch.channels_last).requires_grad_(requires_grad=False)
    quicken_layers(network)
    assert all(torch.equal(a, b) for a, b in zip(control.network(picture), network(picture), strict=True))


def test_differences_are_added_to_the_unet(tmp_path: Path, sd1: Model) -> None:
    network, base = build_controlnet(), sd1.unet.state_dict()
    difference = {k: v - base[k] if k in base else v for k, v in network.state_dict().items()}
    table = rename_control(difference, base) | {"difference": torch.zeros(1)}
    control = read_control(write(tmp_path / "a.safetensors", table), sd1)
    for name, value in control.network.state_dict().items():
        torch.testing.assert_close(value, network.state_dict()[name], atol=1e-6, rtol=0)


def test_another_base_model_is_named(tmp_path: Path, sd1: Model, sdxl: Model) -> None:
    path = write(tmp_path / "a.safetensors", build_controlnet("sdxl").state_dict())
    assert find_control_family(path) == "sdxl"
    with pytest.raises(BadParameter, match="is a ControlNet for SDXL, and the model tiny_sd1 is of SD1"):
        read_control(path, sd1)
    adapter = write(tmp_path / "t.safetensors", build_t2i().state_dict())
    with pytest.raises(BadParameter, match="is a T2I-adapter for SD1, and the model tiny_sdxl is of SDXL"):
        read_control(adapter, sdxl)


def test_another_width_is_named(tmp_path: Path, sd1: Model) -> None:
    path = write(tmp_path / "a.safetensors", build_t2i("sd1").state_dict())
    wide = make_model("sd1")
    wide.unet.register_to_config(block_out_channels=(320, 640, 1280, 1280))
    with pytest.raises(BadParameter, match=r"layers of \[32, 32, 64, 64\] channels, tiny_sd1 has \[320"):
        read_control(path, wide)


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"lllite_unet_mid.down.0.weight": torch.zeros(1)}, "ControlNet-LLLite, which is not supported"),
        ({"first_stage_model.encoder.conv_in.weight": torch.zeros(1)}, "is a VAE"),
        ({"style_embedding": torch.zeros(1)}, "style T2I-adapter"),
    ],
)
def test_files_of_other_kinds_are_named(tmp_path: Path, sd1: Model, table: Table, words: str) -> None:
    with pytest.raises(BadWeights, match=words):
        read_control(write(tmp_path / "a.safetensors", table), sd1)


def test_folders_of_other_networks_are_named(tmp_path: Path, sd1: Model) -> None:
    sd1.vae.save_pretrained(tmp_path / "vae")
    with pytest.raises(BadWeights, match="is a AutoencoderKL, a ControlNet is needed"):
        read_control(tmp_path / "vae", sd1)


def test_missing_keys_are_named(tmp_path: Path, sd1: Model) -> None:
    table = rename_control(build_controlnet().state_dict(), sd1.unet.state_dict())
    table.pop("zero_convs.3.0.weight")
    with pytest.raises(BadWeights, match=r"1 keys are missing: controlnet_down_blocks\.3\.weight"):
        read_control(write(tmp_path / "a.safetensors", table), sd1)
