from __future__ import annotations

from types import SimpleNamespace

import torch

from underdrawing.adapters.applying.weight_writer import Place
from underdrawing.adapters.hosting.comfyui import describe_patches, list_encoder_prefixes, name_patch
from underdrawing.adapters.modules.architectures import UNKNOWN
from underdrawing.adapters.modules.targets import Slot


def test_a_text_encoder_is_another_part_in_another_model() -> None:
    assert list_encoder_prefixes("flux1")["t5xxl.transformer."] == "text_encoder_2"
    assert list_encoder_prefixes("sd3")["t5xxl.transformer."] == "text_encoder_3"
    assert list_encoder_prefixes(UNKNOWN)["clip_g.transformer."] == "text_encoder_2"


def test_rows_of_a_weight_are_named_by_their_place() -> None:
    place = Place(("transformer.layer", "weight"), Slot("a", rows=(4, 8)), [])
    assert name_patch("a", place, torch.zeros(12, 2)) == ("a", (0, 4, 8))
    assert name_patch("a", place._replace(slot=Slot("a")), torch.zeros(12, 2)) == "a"


def test_patches_are_counted_by_whose_they_are() -> None:
    patches = [SimpleNamespace(name="underdrawing"), SimpleNamespace(name="lora"), SimpleNamespace(name="lora")]
    (note,) = describe_patches(patches)
    assert "2 by ComfyUI's" in note
    assert "1 by Underdrawing's" in note
    assert describe_patches([]) == ()
