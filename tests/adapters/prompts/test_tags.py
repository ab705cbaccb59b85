"""Tags as A1111 1.10 splits them, hako-mikan's and loractl's arguments, and our errors."""

from __future__ import annotations

import contextlib
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from underdrawing.adapters.prompts.block_weights import parse_blocks
from underdrawing.adapters.prompts.curves import Curve
from underdrawing.adapters.prompts.numbers import Moment
from underdrawing.adapters.prompts.tags import AdapterCall, read_tags, split_tags
from underdrawing.core.errors import BadParameter


def one(tag: str) -> AdapterCall:
    (call,) = read_tags(tag).adapters
    return call


@pytest.mark.parametrize(
    ("prompt", "text"),
    [
        ("a <lora:x:1> b", "a  b"),
        ("<lora:x>", ""),
        ("<lora:>", "<lora:>"),
        ("<lora x:1>", "<lora x:1>"),
        ("a < b:c > d", "a < b:c > d"),
        ("<a:b", "<a:b"),
        ("<lora:<lora:x:1>:1>", ":1>"),
        ("[<lora:x:1>:y:5]", "[:y:5]"),
        ("x<anything:y>z", "xz"),
    ],
)
def test_text_without_tags(prompt: str, text: str) -> None:
    assert split_tags(prompt)[0] == text


@pytest.mark.parametrize(
    ("tag", "te", "unet", "dyn"),
    [
        ("<lora:x>", 1, 1, None),
        ("<lora:x:0.8>", 0.8, 0.8, None),
        ("<lora:x:0.8:0.5>", 0.8, 0.5, None),
        ("<lora:x:0.8:0.5:8>", 0.8, 0.5, 8),
        ("<lora:x:te=0.2>", 0.2, 0.2, None),
        ("<lora:x:unet=0.2>", 1, 0.2, None),
        ("<lora:x:0.8:te=0.1>", 0.1, 0.1, None),
        ("<lora:x:0.8:0.5:te=0.1:unet=-1:dyn=4>", 0.1, -1, 4),
        ("<lora:te=0.3:x:0.9>", 0.3, 0.3, None),
        ("<lyco:x: 0.5 >", 0.5, 0.5, None),
        ("<loractl:x:1e-1>", 0.1, 0.1, None),
    ],
)
def test_strengths(tag: str, te: float, unet: float, dyn: int | None) -> None:
    call = one(tag)
    assert (call.name, call.te, call.unet, call.dyn) == ("x", te, unet, dyn)


def test_an_argument_with_two_equal_signs_is_positional() -> None:
    assert split_tags("<lora:a=b=c:k=v:=w:plain>")[1][0].positional == ("a=b=c", "plain")
    assert split_tags("<lora:a=b=c:k=v:=w:plain>")[1][0].named == (("k", "v"), ("", "w"))


def test_kinds_are_told_apart_and_unknown_ones_are_kept_for_the_report() -> None:
    read = read_tags("<hypernet:h:0.5> <lyco:y> <LoRA:z> <hypernet:i>")
    assert [(h.name, h.strength) for h in read.hypernets] == [("h", 0.5), ("i", 1.0)]
    assert [c.kind for c in read.adapters] == ["lyco"]
    assert [t.text for t in read.unknown] == ["<LoRA:z>"]


def test_a_name_given_twice_is_applied_twice_with_its_own_strengths() -> None:
    assert [(c.name, c.te) for c in read_tags("<lora:x:0.2> <lora:x:0.9>").adapters] == [("x", 0.2), ("x", 0.9)]


def test_what_nothing_reads_is_listed() -> None:
    assert one("<lora:x:1:1:8:more:unett=0.5>").ignored == ("more", "unett=0.5")


@pytest.mark.parametrize(
    "tag",
    [
        "<lora:x:abc>",
        "<lora:x:1:abc>",
        "<lora:x:>",
        "<lora:x:te=>",
        "<lora:x:unet=>",
        "<lora:x:nan>",
        "<lora:x:inf>",
        "<lora:x:1e999>",
        "<lora:x:1:1:1.5>",
        "<lora:x:dyn=0>",
        "<lora:x:dyn=-4>",
        "<lora:te=1>",
        "<lora::1>",
        "<lora:x:1:lbw=1,2,3>",
        "<lora:x:1:lbw=NOSUCH>",
        "<lora:x:1:lbw=R,1,1,1,1,1,1,1,1,1,1,1>",
        "<lora:x:1:lbwe=NOSUCH>",
        "<lora:x:start=soon>",
        "<lora:x:step=5>",
        "<lora:x:step=5-x>",
        "<lora:x:start=10:stop=5>",
        "<lora:x:0.5,1@1>",
        "<lora:x:0@0@0>",
        "<lora:x:hr=nan@1>",
        "<hypernet:h:strong>",
    ],
)
def test_a_fault_names_the_tag(tag: str) -> None:
    with pytest.raises(BadParameter) as caught:
        read_tags(f"a picture {tag} of")
    assert caught.value.where == tag
    assert caught.value.fix


def test_hako_mikan_block_weights_in_each_spelling() -> None:
    row = "0,0,1,0,0,0,0,0,0,0,0,0,0,0,0,0,0"
    named, old, bare = one(f"<lora:x:1:1:lbw={row}>"), one(f"<lora:x:1:{row}>"), one("<lora:x:1:lbw=IN02>")
    assert named.block_weights == old.block_weights == parse_blocks(row)
    assert bare.block_weights is not None
    assert bare.block_weights.sd == parse_blocks(row).sd
    assert (old.te, old.unet) == (1.0, 1.0)
    assert one("<lora:x:0.7:MIDD>").block_weights == parse_blocks("MIDD")
    assert one("<lora:x:0.7:MIDD>").unet == 0.7


def test_own_presets_and_dynamic_values() -> None:
    presets = {"ROUT": "X,1,1,1,1,1,1,1,1,1,1,1,X,X,X,X,X"}
    (call,) = read_tags("<lora:my_lore:0.5:ROUT:0.7>", presets).adapters
    (named,) = read_tags("<lora:my_lore:0.5:lbw=ROUT:x=0.7>", presets).adapters
    assert call.block_weights is not None
    assert call.block_weights.sd[0] == 0.7
    assert call.block_weights == named.block_weights
    assert call.dyn is None


@pytest.mark.parametrize(
    ("tag", "active"),
    [
        ("<lora:x:start=5>", range(6, 11)),
        ("<lora:x:stop=5>", range(1, 6)),
        ("<lora:x:step=2-4>", range(3, 5)),
        ("<lora:x:stop=0.5>", range(1, 6)),
        ("<lora:x:start=0.5>", range(6, 11)),
        ("<lora:x:start=1.0>", range(0)),
        ("<lora:x:start=1>", range(2, 11)),
        ("<lora:x:stop=99>", range(1, 11)),
        ("<lora:x:start=0:stop=0.25>", range(1, 3)),
        ("<lora:x:1:lbw=ALL:stop=3>", range(1, 4)),
    ],
)
def test_step_ranges_count_as_a1111_schedules_do(tag: str, active: range) -> None:
    assert [step for step in range(1, 11) if one(tag).is_active(step, 10)] == list(active)


def test_strengths_are_zero_outside_the_range() -> None:
    assert one("<lora:x:0.5:0.25:stop=1>").strengths(1, 10) == (0.5, 0.25)
    assert one("<lora:x:0.5:0.25:stop=1>").strengths(2, 10) == (0.0, 0.0)


def test_loractl_curves() -> None:
    call = one("<lora:x:0@0,1@0.5>")
    assert [round(call.strengths(step, 9)[1], 6) for step in range(1, 10)] == [0, 0.25, 0.5, 0.75, 1, 1, 1, 1, 1]
    late = one("<lora:x:1:0@5,1@7>")
    assert [late.strengths(step, 9) for step in (1, 6, 7, 8, 9)] == [(1, 0), (1, 0), (1, 0.5), (1, 1), (1, 1)]
    assert one("<lora:x:0.5@3;1@6;1@0>").te == Curve(((1, 0), (0.5, 3), (1, 6)))
    assert one("<lora:x:te=0~0,1~1:unet=1>").te == Curve(((0, 0), (1, 1)))


def test_loractl_second_pass() -> None:
    call = one("<lora:x:0.5:hr=1@0,0@1:hrte=0.3>")
    assert call.strengths(1, 3, hires=True) == (0.3, 1.0)
    assert call.strengths(3, 3, hires=True) == (0.3, 0.0)
    assert call.strengths(3, 3) == (0.5, 0.5)
    assert one("<lora:x:0.5>").strengths(1, 3, hires=True) == (0.5, 0.5)


number = st.floats(-1e6, 1e6, allow_nan=False).map(lambda x: round(x, 4)) | st.integers(-9, 9).map(float)
curve = st.lists(st.tuples(number, number), min_size=1, max_size=4).map(
    lambda p: Curve(tuple(sorted(p, key=lambda x: x[1])))
)
moment = st.builds(Moment, st.integers(0, 99).map(float), st.just(False)) | st.builds(
    Moment, st.floats(0, 1).map(lambda x: round(x, 3)), st.just(True)
)
blocks = st.lists(st.sampled_from([0.0, 1.0, 0.25, -1.5]), min_size=26, max_size=26) | st.lists(
    st.sampled_from([0.0, 1.0, 1e-7]), min_size=12, max_size=12
)
weights = blocks.map(lambda row: parse_blocks(",".join(map(repr, row)))) | st.sampled_from(
    [
        parse_blocks("MIDD"),
        parse_blocks("IN02", "ATTNDEEPON"),
        parse_blocks("", "PROJDEEPOFF"),
        parse_blocks("SDXL-OUTALL"),
    ]
)
calls = st.builds(
    AdapterCall,
    name=st.text("abcXYZ_- .0189()ü/", min_size=1, max_size=12).filter(str.strip),
    te=number | curve,
    unet=number | curve,
    dyn=st.none() | st.integers(1, 999),
    block_weights=st.none() | weights,
    start=st.none() | moment,
    stop=st.none() | st.integers(100, 200).map(lambda n: Moment(float(n), False)),
    hires_te=st.none() | number | curve,
    hires_unet=st.none() | number | curve,
    kind=st.sampled_from(["lora", "lyco", "loractl"]),
)


@given(calls)
@settings(max_examples=150, deadline=None)
def test_a_call_prints_so_that_it_reads_back(call: AdapterCall) -> None:
    assert read_tags(f"a {call} b").adapters == (call,)


@given(st.text("<>lora:hypernt=,.019@-x ", max_size=40))
@settings(max_examples=200, deadline=None)
def test_any_text_is_read_or_refused_by_name(text: str) -> None:
    with contextlib.suppress(BadParameter):
        assert isinstance(read_tags(f"<lora:x:{text}").text, str)


@pytest.mark.parametrize(
    ("tag", "expected"),
    [
        ("start=0.25:stop=1", [False, True, True, True]),
        ("start=0:stop=0.5", [True, True, False, False]),
        ("step=0.5-1", [False, False, True, True]),
        ("start=1:stop=1.0", None),
        ("start=1:stop=3", [False, True, True, False]),
        ("stop=1", [True, False, False, False]),
    ],
)
def test_one_beside_a_fraction_is_all_of_it(tag: str, expected: list[bool] | None) -> None:
    if expected is None:
        with pytest.raises(BadParameter, match="never work"):
            read_tags(f"<lora:a:1:{tag}>")
        return
    (call,) = read_tags(f"<lora:a:1:{tag}>").adapters
    assert [call.is_active(step, 4) for step in range(1, 5)] == expected


@pytest.mark.parametrize("number", ["nan", "inf", "-inf", "1e39", "-1e39", "1e400", "0x1"])
@pytest.mark.parametrize(
    "form",
    [
        "<lora:x:%s>",
        "<lora:x:1:%s>",
        "<lora:x:te=%s>",
        "<lora:x:unet=%s>",
        "<lora:x:hr=%s:1>",
        "<lora:x:0@0,%s@1>",
        "<lora:x:0@0,1@%s>",
        "<lora:x:1:lbw=IN01:x=%s>",
        "<hypernet:x:%s>",
    ],
)
def test_numbers_that_cannot_be_computed_with_are_named(form: str, number: str) -> None:
    with pytest.raises(BadParameter, match=re.escape(number)):
        read_tags(form % number)
