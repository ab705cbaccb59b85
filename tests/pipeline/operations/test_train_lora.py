from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.support.tiny_diffusion import require_diffusers

from underdrawing.core.errors import BadParameter
from underdrawing.core.hooks import HostHooks
from underdrawing.core.operation import Job, run
from underdrawing.core.operation_registry import operations
from underdrawing.core.params import describe_fields
from underdrawing.pipeline.operations.train_lora import LoraParams, TrainLora
from underdrawing.pipeline.training.params import TrainParams

if TYPE_CHECKING:
    from pathlib import Path


def train(data: Path, output: Path, **values: Any) -> None:
    run(operations()["train.lora"], {"data": data, "output": output}, {"device": "cpu", **values}, Job(HostHooks()))


def test_it_has_the_options_of_all_training_and_of_its_network() -> None:
    names = [field.name for field in describe_fields(LoraParams)]
    common = [field.name for field in describe_fields(TrainParams)]
    assert names[: len(common)] == common
    assert {"rank", "alpha", "dora", "targets", "form", "text_encoder", "text_rate"} <= set(names)
    assert TrainLora().suffix(LoraParams()) == ".safetensors"
    assert TrainLora().suffix(LoraParams(form="peft")) == ""


@pytest.mark.parametrize(
    ("values", "name", "words"),
    [
        ({"text_rate": 1e-5}, "a.safetensors", "--text-rate 1e-05 has no effect here.*--text-encoder"),
        ({"form": "peft"}, "a.safetensors", "PEFT's form is a folder"),
        ({}, "a", "end in .safetensors"),
        ({"factor": 4}, "a.safetensors", "factor: has no effect"),
        ({"keep_tags": 4}, "a.safetensors", "--keep-tags 4 has no effect"),
    ],
)
def test_what_has_no_effect_is_refused_before_anything_is_read(
    tmp_path: Path, values: dict[str, Any], name: str, words: str
) -> None:
    with pytest.raises(BadParameter, match=words):
        train(tmp_path / "nowhere", tmp_path / "out" / name, **values)
    assert not (tmp_path / "out").exists()


def test_a_text_encoder_without_targets_is_an_error(tmp_path: Path, tiny_folder: Path) -> None:
    require_diffusers()
    from tests.support.command_line import picture

    picture(tmp_path / "data" / "a.png", 64, 64)
    with pytest.raises(BadParameter, match="--text-encoder has no effect: none of its layers is among the targets"):
        train(
            tmp_path / "data",
            tmp_path / "a.safetensors",
            checkpoint=str(tiny_folder / "tiny.safetensors"),
            text_encoder=True,
            targets="cross-attn",
            resolution=64,
        )
