from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from tests.support import tiny_diffusion
from tests.support.tiny_loras import write_lora

from underdrawing.core.errors import BadParameter, BadWeights, UnknownName
from underdrawing.core.hooks import HostHooks
from underdrawing.pipeline.conditioning.loras import ModelLoras, name_text_encoders, read_loras

if TYPE_CHECKING:
    from pathlib import Path

tiny_diffusion.require_diffusers()


def test_tags_are_read_and_others_are_reported(tmp_path: Path) -> None:
    write_lora(tmp_path / "style.safetensors")
    found = read_loras("a <lora:style:0.5:0.8:what=1> cat <other:x>", [tmp_path])
    assert found.text == "a  cat "
    assert [use.call.strengths(1, 1) for use in found.uses] == [(0.5, 0.8)]
    assert len(found.notes) == 2


def test_names_that_no_file_has_and_hypernetworks_are_refused(tmp_path: Path) -> None:
    write_lora(tmp_path / "style.safetensors")
    with pytest.raises(UnknownName, match="did you mean style"):
        read_loras("<lora:styl:1>", [tmp_path])
    with pytest.raises(UnknownName, match=r"in no folder.*--lora-dir \(lora_folders=...\).*UNDERDRAWING_HOSTS"):
        read_loras("<lora:style:1>", [])
    with pytest.raises(BadParameter, match="hypernetworks"):
        read_loras("<hypernet:style:1>", [tmp_path])


def test_tags_without_end_and_names_of_the_package_s_own_loras_are_told(tmp_path: Path) -> None:
    write_lora(tmp_path / "style.safetensors")
    found = read_loras("a cat <lora:style:1> in <lora:style", [tmp_path])
    assert found.notes == ("'<lora:style' has no > at its end: it is read as words",)
    assert read_loras("a < b, <b: <3", [tmp_path]).notes == ()
    with pytest.raises(UnknownName, match=f"looked for in {tmp_path}.*did you mean style"):
        read_loras("<lora:styl:1>", [], [tmp_path])


def test_a_lora_that_is_named_twice_is_reported(tmp_path: Path) -> None:
    """A1111 1.10 has one object for both tags, whose strength the second sets: twice the last one's."""
    write_lora(tmp_path / "style.safetensors")
    found = read_loras("<lora:style:0.3> <lora:style:0.4>", [tmp_path])
    assert len(found.uses) == 2
    assert found.notes == ("LoRA style is named 2 times: the strengths add; A1111 gives the last one to each",)
    assert read_loras("<lora:style:0.3>", [tmp_path]).notes == ()


def test_a_lora_that_fits_nothing_is_refused(tmp_path: Path) -> None:
    write_lora(tmp_path / "style.safetensors", width=48)
    uses = read_loras("<lora:style:1>", [tmp_path]).uses
    with pytest.raises(BadWeights, match="nothing of it fits"):
        ModelLoras(tiny_diffusion.make_model("sd1"), uses, 10, HostHooks())


def test_strengths_of_the_second_pass_are_its_own_and_all_is_taken_off(tmp_path: Path) -> None:
    write_lora(tmp_path / "style.safetensors")
    model = tiny_diffusion.make_model("sd1")
    before = [parameter for module in (model.unet, *model.text_encoders) for parameter in module.parameters()]
    uses = read_loras("<lora:style:1:hr=0>", [tmp_path]).uses
    loras = ModelLoras(model, uses, 10, HostHooks())
    with pytest.raises(KeyboardInterrupt), loras:  # noqa: PT012 - what is left must be what is there in the end
        assert loras.receipt.adapters[0].modules == 2
        assert loras.find_encoder_strengths(0, 10, hires=True) == (0.0,)
        loras.patch_encoders((1.0,))
        loras.patch_unet(0, 10)
        first = model.unet.state_dict()
        loras.patch_unet(0, 10, hires=True)
        assert not all(torch.equal(value, first[name]) for name, value in model.unet.state_dict().items())
        loras.patch_unet(0, 10)
        raise KeyboardInterrupt
    after = [parameter for module in (model.unet, *model.text_encoders) for parameter in module.parameters()]
    assert all(one is other for one, other in zip(before, after, strict=True))


def test_the_refiners_text_encoder_is_the_second() -> None:
    assert list(name_text_encoders(tiny_diffusion.make_model("sdxl_refiner"))) == ["text_encoder_2"]
