from __future__ import annotations

from typing import Any

import pytest

from underdrawing.core.errors import BadParameter
from underdrawing.core.params import describe_fields
from underdrawing.pipeline.training.params import SILENT, TrainParams
from underdrawing.pipeline.training.rules import RULES, check_captions, check_options, count_steps, list_given


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"keep_tags": 2}, "--keep-tags 2 has no effect.*--shuffle-tags"),
        ({"mask_weight": 0.5}, "--mask-weight"),
        ({"masks": "beside", "mask_from": "person_mask"}, "not both"),
        ({"prior_prompt": "a dog"}, "--prior"),
        ({"prior_weight": 0.5}, "--prior"),
        ({"prior_count": 3}, "--prior-prompt"),
        ({"prior": "x", "prior_weight": 0.0}, "--prior-weight above 0"),
        ({"steps": 3, "epochs": 2.0}, "--steps or --epochs"),
        ({"repeats": 3}, "--epochs"),
        ({"keep": 3, "state_minutes": 0.0}, "--state-every"),
        ({"preview_prompt": "a dog"}, "--preview-every"),
        ({"dtype": "float16"}, "float32 or bfloat16"),
        ({"rate": 0.0}, "learning rate of 0"),
    ],
)
def test_options_without_effect_are_refused(values: dict[str, Any], words: str) -> None:
    with pytest.raises(BadParameter, match=words):
        check_options(TrainParams(**values), set(values), where="train lora")


def test_options_with_their_effect_are_taken() -> None:
    params = TrainParams(
        shuffle_tags=True, keep_tags=1, masks="beside", mask_weight=0.1, prior="x", epochs=2.0, repeats=4
    )
    check_options(params, set(), where="train lora")
    assert list_given(params, {"seed"}) == tuple(
        field.name
        for field in describe_fields(TrainParams)
        if field.name in {"repeats", "shuffle_tags", "keep_tags", "masks", "mask_weight", "prior", "epochs", "seed"}
    )


def test_the_names_of_parameters_are_theirs() -> None:
    names = {field.name for field in describe_fields(TrainParams)}
    assert names >= SILENT
    assert names >= {name for rule in RULES for name in (rule.option, *rule.any_of, *rule.none_of)}


def test_steps_come_from_epochs() -> None:
    assert count_steps(TrainParams(), 7) == 1000
    assert count_steps(TrainParams(epochs=3.0, accumulate=2), 7) == 10
    assert count_steps(TrainParams(epochs=0.01), 7) == 1
    with pytest.raises(BadParameter, match="warm-up of 5 steps never ends in 4"):
        count_steps(TrainParams(steps=4, warm_up=5), 7)


def test_captions_need_tags_to_shuffle_or_drop() -> None:
    check_captions(TrainParams(shuffle_tags=True), ["a", "a, b"])
    with pytest.raises(BadParameter, match="--shuffle-tags has no effect: captions have at most 1 tags"):
        check_captions(TrainParams(shuffle_tags=True), ["a", "b"])
    with pytest.raises(BadParameter, match="of which 2 stay"):
        check_captions(TrainParams(drop_tags=0.5, keep_tags=2), ["a, b"])


def test_every_parameter_is_read_somewhere() -> None:
    """Those of the loop by the names of its plan."""
    from tests.support.tree import ROOT

    from underdrawing.pipeline.training.loop.loop import Plan

    sources = [path.read_text("utf-8") for path in (ROOT / "pipeline" / "training").rglob("*.py")]
    text = "\n".join(sources)
    names = {field.name for field in describe_fields(TrainParams)}
    assert {name for name in names if f"params.{name}" not in text and name not in Plan.__struct_fields__} == set()
