from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from underdrawing.adapters.hosting.tags import EDITS, edit_tags, list_presets, read_host_tag
from underdrawing.adapters.prompts.tags import read_tags
from underdrawing.core.errors import BadParameter


@pytest.mark.parametrize(
    ("text", "own"),
    [("a", False), ("a:1", False), ("a:0.5:0.25:4", False), ("a:te=1:unet=0", False), ("a:1:foo=3", False),
     ("a:1:lbw=INALL", True), ("a:1:INALL", True), ("a:1:lbwe=ATTNDEEPON", True), ("a:0@0,1@1", True),
     ("a:1:start=3", True), ("a:1:stop=0.5", True), ("a:1:step=2-4", True), ("a:1:hr=0.5", True)],
)  # fmt: skip
def test_only_what_hosts_do_not_read_is_ours(text: str, own: bool) -> None:
    assert read_host_tag("lora", text.split(":")).own is own


def test_hosts_get_numbers_they_can_read() -> None:
    tag = read_host_tag("lora", ["a", "0.5", "0@0,1@1", "3", "start=2"])
    assert tag.list_items(4) == ["a", "0.5", "0.0", "3"]
    assert [tag.find_strengths(step, 4)[1] for step in (1, 2, 4)] == [0.0, 0.0, 1.0]


def test_encoders_have_what_the_first_working_step_has() -> None:
    assert read_host_tag("lora", ["a", "0@0,1@1", "start=2"]).find_strengths(1, 4) == (pytest.approx(2 / 3), 0.0)
    assert read_host_tag("lora", ["a", "0.7", "start=0.5"]).find_strengths(1, 4) == (0.7, 0.0)


def test_the_second_pass_has_strengths_of_its_own() -> None:
    tag = read_host_tag("lora", ["a", "1", "hrte=0.25", "hrunet=0.5"])
    assert tag.find_strengths(1, 4, hires=True) == (0.25, 0.5)
    assert tag.find_strengths(1, 4) == (1.0, 1.0)


@pytest.mark.parametrize("items", [["lbw=INALL"], ["a", "x"], ["a", "1", "lbw=no"], []])
def test_what_cannot_be_read_is_named(items: list[str]) -> None:
    with pytest.raises(BadParameter, match="lora"):
        read_host_tag("lora", items)


def test_presets_are_read_or_reported() -> None:
    assert list_presets("A:1,0; B:0,1\nC:1")[0] == {"A": "1,0", "B": "0,1", "C": "1"}
    assert "is no preset" in list_presets("A")[1][0]


@given(
    st.lists(st.sampled_from(["a", "b:0.5", "c:1:0.25", "d:1:1:4", "e:te=1:lbw=ALL"]), min_size=1, max_size=4),
    st.sampled_from(EDITS),
    st.sampled_from(["0.5", "1.0"]),
)
def test_an_edit_sets_one_thing_in_every_tag(texts: list[str], what: str, value: str) -> None:
    value = "OUTALL" if what == "lbw" else value
    before = "x " + " ".join(f"<lora:{text}>" for text in texts) + " <hypernet:h:1>"
    for old, new in zip(read_tags(before).adapters, read_tags(edit_tags(before, what, value)).adapters, strict=True):
        read = {"weight": new.unet, "lbw": str(new.block_weights), "start": str(new.start), "stop": str(new.stop)}
        assert (new.name, new.dyn) == (old.name, old.dyn)
        assert read[what] == {"weight": float(value) if what == "weight" else 0, "lbw": "lbw=OUTALL"}.get(what, value)
        assert what == "weight" or (new.te, new.unet) == (old.te, old.unet)


def test_a_prompt_without_loras_cannot_be_edited() -> None:
    with pytest.raises(BadParameter, match="names no LoRA"):
        edit_tags("a cat", "weight", "1")
