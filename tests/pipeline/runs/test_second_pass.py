from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.support.tiny_loras import write_lora

from underdrawing.pipeline.request import Hires, Request
from underdrawing.pipeline.runs.second_pass import find_second_sampler, read_prompts
from underdrawing.pipeline.sampling.names import find_sampler

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("first", "hires", "expected"),
    [
        (("DPM++ 2M", ""), Hires(), ("dpmpp_2m", "karras")),
        (("DPM++ 2M", ""), Hires(sampler="Euler"), ("euler", "uniform")),
        (("DPM++ 2M", "Karras"), Hires(sampler="Euler"), ("euler", "uniform")),
        (("DPM++ 2M", "Simple"), Hires(sampler="Euler"), ("euler", "simple")),
        (("Euler", ""), Hires(sampler="DPM++ 2M", scheduler="Exponential"), ("dpmpp_2m", "exponential")),
        (("Euler", ""), Hires(scheduler="Beta"), ("euler", "beta")),
    ],
)
def test_samplers_of_the_second_pass(first: tuple[str, str], hires: Hires, expected: tuple[str, str]) -> None:
    request = Request(prompt="", sampler=first[0], scheduler=first[1], hires=hires)
    found = find_second_sampler(find_sampler(*first), request)
    assert (found.sampler, found.scheduler) == expected


def test_a_prompt_of_its_own_has_loras_of_its_own(tmp_path: Path) -> None:
    write_lora(tmp_path / "style.safetensors")
    hires = Hires(prompt="a dog <lora:style:0.5>", negative="blurry")
    found = read_prompts(Request(prompt="a cat <lora:style:1>", negative="ugly", hires=hires), [tmp_path])
    assert (found.choose(second=False), found.choose(second=True)) == (("a cat ", "ugly"), ("a dog ", "blurry"))
    first, second = ([use.find_strengths(0, 10, hires=hires) for use in found.uses] for hires in (False, True))
    assert (first, second) == ([(1.0, 1.0), (0.0, 0.0)], [(0.0, 0.0), (0.5, 0.5)])


def test_without_one_both_passes_have_the_first_ones(tmp_path: Path) -> None:
    write_lora(tmp_path / "style.safetensors")
    found = read_prompts(Request(prompt="a cat <lora:style:1>", negative="ugly", hires=Hires()), [tmp_path])
    assert found.choose(second=False) == found.choose(second=True) == ("a cat ", "ugly")
    assert [use.find_strengths(0, 10, hires=True) for use in found.uses] == [(1.0, 1.0)]
