"""A1111's infotext as text."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from underdrawing.pipeline.infotext.text import (
    LONGEST_LINE,
    Infotext,
    format_fields,
    format_infotext,
    parse_fields,
    parse_infotext,
)

VALUES = st.text(st.characters(blacklist_categories=("Cs", "Cc")), max_size=20).map(str.strip)
LABELS = st.from_regex(r"[A-Za-z][A-Za-z0-9 /-]{0,12}[A-Za-z0-9]", fullmatch=True)
A1111 = """girl with an artist's beret, ((eyeshadow)), [blurry:0.5]
second line, steps: none
Negative prompt: ugly, (((deformed)))
more: of it
Steps: 20, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 7, Seed: 965400086, Size: 512x768, \
Model hash: 45dee52b, Model: some_model, \
ControlNet 0: "Module: canny, Model: control_v11p_sd15_canny [d14c016b], Weight: 1", \
Lora hashes: "a: 1234, b: 5678", Version: v1.10.1"""


def test_a_text_of_a1111_is_split() -> None:
    found = parse_infotext(A1111)
    assert found.prompt == "girl with an artist's beret, ((eyeshadow)), [blurry:0.5]\nsecond line, steps: none"
    assert found.negative == "ugly, (((deformed)))\nmore: of it"
    assert found.fields["ControlNet 0"] == "Module: canny, Model: control_v11p_sd15_canny [d14c016b], Weight: 1"
    assert found.fields["Size"] == "512x768"
    assert list(found.fields)[-1] == "Version"
    assert format_infotext(found) == A1111


@pytest.mark.parametrize("text", ["", "a cat", "a cat\nNegative prompt: dogs", "size: big, colour: red"])
def test_text_without_fields_is_a_prompt(text: str) -> None:
    found = parse_infotext(text)
    assert found.fields == {}
    assert found.prompt == text.partition("\nNegative prompt:")[0]


@given(st.dictionaries(LABELS, VALUES, max_size=6))
@example({"Model": '"quoted"', "Seed": '5" nails', "VAE": "a\\b, c:d"})
def test_fields_come_back(fields: dict[str, str]) -> None:
    assert parse_fields(format_fields(fields)) == fields


@given(VALUES, VALUES)
@example("", "")
@example("steps: 1, a: b, c: d", "")
def test_prompts_come_back(prompt: str, negative: str) -> None:
    fields = {"Steps": "20", "Sampler": "Euler a", "Seed": "1"}
    infotext = Infotext(prompt=prompt, negative=negative, fields=fields)
    assert parse_infotext(format_infotext(infotext)) == infotext


@pytest.mark.parametrize("part", ["x", " ", "ab ", "Steps", '"', 'a:"', "\\", 'a: "\\'])
def test_long_lines_take_no_time_without_end(part: str) -> None:
    """Minutes each, where every letter is looked at once for each of the others."""
    found = parse_infotext("a\n" + part * 100_000)
    assert len(found.prompt) > 100_000 or part.isspace()


def test_values_in_json_and_tuples_are_one_value() -> None:
    fields = parse_fields(
        'Steps: 5, Hashes: {"model": "a", "lora:x": "b"}, Resources: [{"a": 1}, {"b": 2}], Span: (0, 1), A: 1'
    )
    assert fields["Hashes"] == '{"model": "a", "lora:x": "b"}'
    assert (fields["Resources"], fields["Span"], fields["A"]) == ('[{"a": 1}, {"b": 2}]', "(0, 1)", "1")
    assert parse_fields("Name: (a) b, Open: (x, B: 2") == {"Name": "(a) b", "Open": "(x", "B": "2"}


def test_a_line_of_megabytes_is_a_prompt() -> None:
    line = ("a " * LONGEST_LINE) + "Steps: 20, Seed: 1, Size: 8x8"
    assert parse_infotext(line) == Infotext(prompt=line)
