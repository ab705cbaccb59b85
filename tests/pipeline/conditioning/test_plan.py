from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from tests.support import tiny_diffusion
from tests.support.tiny_loras import write_lora

from underdrawing.adapters.prompts.prompt_embeddings import EmbeddingFolder
from underdrawing.core.errors import BadParameter
from underdrawing.core.hooks import HostHooks
from underdrawing.pipeline.conditioning.encoders import build_encoders
from underdrawing.pipeline.conditioning.loras import ModelLoras, read_loras
from underdrawing.pipeline.conditioning.plan import ScheduledPrompt, TextCache, find_place
from underdrawing.pipeline.conditioning.texts import TextReader

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from underdrawing.pipeline.conditioning.loras import LoraUse
    from underdrawing.pipeline.models.model import Model

tiny_diffusion.require_diffusers()


@pytest.fixture(scope="module")
def model() -> Model:
    return tiny_diffusion.make_model("sd1")


def make_cache(model: Model, uses: Sequence[LoraUse] = (), steps: int = 10) -> TextCache:
    reader = TextReader(build_encoders(model), EmbeddingFolder([], {}), "a1111", [].append)
    return TextCache(reader, ModelLoras(model, uses, steps, HostHooks()))


def list_changes(plan: ScheduledPrompt, steps: int) -> list[int]:
    states = [plan.at(step, steps)[0][0].states for step in range(steps)]
    return [step for step in range(1, steps) if not torch.equal(states[step - 1], states[step])]


def test_a_schedule_changes_the_prompt_at_its_step_as_in_a1111(model: Model) -> None:
    cache = make_cache(model)
    assert list_changes(ScheduledPrompt("a [cat:dog:0.5]", cache, "a1111"), 10) == [6]
    assert list_changes(ScheduledPrompt("a [cat:dog:3]", cache, "a1111"), 10) == [4]
    assert list_changes(ScheduledPrompt("a [cat|dog]", cache, "a1111"), 4) == [2, 3]
    assert len(cache) == 2
    assert list_changes(ScheduledPrompt("a [cat:dog:0.5]", cache, "comfyui"), 10) == []


def test_the_second_pass_goes_on_where_the_first_ended(model: Model) -> None:
    plan = ScheduledPrompt("a [cat:dog:1.5]", make_cache(model), "a1111", first_pass=10)
    assert list_changes(plan, 8) == [5]


def test_and_gives_weighted_parts_but_not_in_a_negative_prompt(model: Model) -> None:
    cache = make_cache(model)
    parts = ScheduledPrompt("a cat AND a dog :0.5", cache, "a1111").at(0, 10)[0]
    assert [part.weight for part in parts] == [1.0, 0.5]
    assert len(ScheduledPrompt("a cat AND a dog", cache, "a1111", negative=True).at(0, 10)[0]) == 1


def test_an_empty_text_may_be_all_zeros(model: Model) -> None:
    cache = make_cache(model)
    assert not ScheduledPrompt("", cache, "a1111", zeroed=True).at(0, 10)[0][0].states.any()
    assert ScheduledPrompt("a", cache, "a1111", zeroed=True).at(0, 10)[0][0].states.any()


def test_a_weight_that_is_no_number_is_refused_at_once(model: Model) -> None:
    with pytest.raises(BadParameter):
        ScheduledPrompt("a (cat:1.2.3)", make_cache(model), "a1111")


def test_a_lora_with_a_start_changes_prompt_and_unet_at_its_step(model: Model, tmp_path: Path) -> None:
    write_lora(tmp_path / "style.safetensors")
    prompt = read_loras("a cat <lora:style:1:1:start=5>", [tmp_path])
    cache = make_cache(model, prompt.uses)
    before = {name: value.clone() for name, value in model.unet.state_dict().items()}
    with cache.loras:
        plan = ScheduledPrompt(prompt.text, cache, "a1111")
        states = plan.at(0, 10)[0][0].states
        assert all(torch.equal(value, before[name]) for name, value in model.unet.state_dict().items())
        assert list_changes(plan, 10) == [5]
        assert not all(torch.equal(value, before[name]) for name, value in model.unet.state_dict().items())
    assert all(torch.equal(value, before[name]) for name, value in model.unet.state_dict().items())
    assert torch.equal(ScheduledPrompt("a cat ", make_cache(model), "a1111").at(0, 10)[0][0].states, states)


def test_the_last_text_counts_behind_its_end() -> None:
    assert [find_place([(2, "a"), (4, "b")], step) for step in (0, 2, 3, 9)] == [0, 0, 1, 1]
