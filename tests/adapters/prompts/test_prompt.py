"""Prompt syntax: the tables of spec/adapters.md 3.2 and 3.3, peers' answers to random prompts, and the tree."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from underdrawing.adapters.prompts.prompt import (
    BREAK,
    Alternate,
    Group,
    Mode,
    Schedule,
    Subprompt,
    explain,
    find_embeddings,
    list_texts,
    parse_emphasis,
    parse_prompt,
    parse_schedule,
    split_subprompts,
)
from underdrawing.core.errors import BadParameter

ROOT = Path(__file__).resolve().parents[3]
CASES: list[dict[str, Any]] = json.loads(
    (ROOT / "tests" / "golden" / "prompt" / "cases.json").read_text(encoding="utf-8")
)


def rounded(text: str, mode: Mode) -> list[tuple[str, float]]:
    return [(part, round(weight, 4)) for part, weight in parse_emphasis(text, mode)]


LESS = round(1 / 1.1, 4)
TABLE = [
    ("(x)", [("x", 1.1)], [("x", 1.1)]),
    ("((x))", [("x", 1.21)], [("x", 1.21)]),
    ("[x]", [("x", LESS)], [("[x]", 1.0)]),
    ("(a (b:1.3) c:1.2)", [("a ", 1.2), ("b", 1.56), (" c", 1.2)], [("a ", 1.2), ("b", 1.3), (" c", 1.2)]),
    ("(x:-1)", [("x", -1.0)], [("x", -1.0)]),
    ("(x: 1.5 )", [("x", 1.5)], [("x", 1.5)]),
    ("(x:)", [("x:", 1.1)], [("x:", 1.1)]),
    ("(:1.2)", [("", 1.0)], [(":1.2", 1.1)]),
    ("(x", [("x", 1.1)], [("(x", 1.0)]),
    ("x)", [("x)", 1.0)], [("x)", 1.0)]),
    (r"\(x\)", [("(x)", 1.0)], [("(x)", 1.0)]),
    (r"\[x\]\\", [("[x]\\", 1.0)], [("\\[x\\]\\\\", 1.0)]),
    ("[x:1.5]", [("x:1.5", LESS)], [("[x:1.5]", 1.0)]),
    ("a BREAK b", [("a", 1.0), ("BREAK", -1.0), ("b", 1.0)], [("a BREAK b", 1.0)]),
    ("(a BREAK b:1.2)", [("a", 1.2), ("BREAK", -1.2), ("b", 1.2)], [("a BREAK b", 1.2)]),
    ("(a:1.2)(b:1.2)", [("ab", 1.2)], [("a", 1.2), ("b", 1.2)]),
]


@pytest.mark.parametrize(("text", "a1111", "comfyui"), TABLE, ids=[row[0] for row in TABLE])
def test_the_measured_table_of_emphasis(
    text: str, a1111: list[tuple[str, float]], comfyui: list[tuple[str, float]]
) -> None:
    assert rounded(text, "a1111") == a1111
    assert rounded(text, "comfyui") == comfyui


def test_a_break_in_brackets_is_a_word() -> None:
    assert BREAK in parse_emphasis("a BREAK b")
    assert BREAK not in parse_emphasis("(a BREAK b:1.2)")
    assert "BREAKING" in parse_emphasis("a BREAKING b")[0].text


SCHEDULES = [
    ("[a:b:0.5]", [(3, "a"), (6, "b")]),
    ("[a:b:5]", [(5, "a"), (6, "b")]),
    ("[a:5]", [(5, ""), (6, "a")]),
    ("[a::5]", [(5, "a"), (6, "")]),
    ("[a:b:1.0]", [(6, "a")]),
    ("[a:b:1]", [(1, "a"), (6, "b")]),
    ("[a:b:99]", [(6, "a")]),
    ("[a:b:0]", [(6, "b")]),
    ("[a:b:0.1]", [(6, "b")]),
    ("[a:b:-3]", [(6, "b")]),
    ("[a|b|c]", [(1, "a"), (2, "b"), (3, "c"), (4, "a"), (5, "b"), (6, "c")]),
    ("[fe|]male", [(1, "female"), (2, "male"), (3, "female"), (4, "male"), (5, "female"), (6, "male")]),
    ("[a:[b:c:4]:2]", [(2, "a"), (4, "b"), (6, "c")]),
    ("[a:b:0.5", [(6, "[a:b:0.5")]),
    ("[a:b]", [(6, "[a:b]")]),
    ("a|b [c:2]", [(6, "a|b [c:2]")]),
    ("[a:b: 3 ]", [(3, "a"), (6, "b")]),
    ("[(a:1.2):3]", [(3, ""), (6, "(a:1.2)")]),
    ("[a (b:c:d) e:3]", [(6, "[a (b:c:d) e:3]")]),
    ("[a:1e999]", [(6, "")]),
    ("", [(6, "")]),
]


@pytest.mark.parametrize(("text", "texts"), SCHEDULES, ids=[row[0] for row in SCHEDULES])
def test_the_measured_table_of_schedules(text: str, texts: list[tuple[int, str]]) -> None:
    assert list_texts(text, 6) == texts


def test_the_second_pass_shifts_numbers() -> None:
    assert list_texts("[a:b:0.5]", 10, hires_steps=4) == [(4, "b")]
    assert list_texts("[a:b:1.5]", 10, hires_steps=4) == [(2, "a"), (4, "b")]
    assert list_texts("[a:b:13]", 10, hires_steps=4) == [(3, "a"), (4, "b")]
    assert list_texts("[a:b:1.5]", 10) == [(10, "a")]
    assert list_texts("[a:b:1.5]", 10, old=True) == [(1, "a"), (10, "b")]


COMPOSED = [
    ("cat :1.2", [("cat", 1.2)]),
    ("a AND b", [("a", 1.0), (" b", 1.0)]),
    ("a:0.5 AND b:-1 AND c :.5", [("a", 0.5), (" b", -1.0), (" c", 0.5)]),
    ("aANDb", [("aANDb", 1.0)]),
    ("(cat:1.2)", [("(cat:1.2)", 1.0)]),
    ("a : : 2. ", [("a :", 2.0)]),
    ("AND", [("", 1.0), ("", 1.0)]),
]


@pytest.mark.parametrize(("text", "parts"), COMPOSED, ids=[row[0] for row in COMPOSED])
def test_composition(text: str, parts: list[tuple[str, float]]) -> None:
    assert split_subprompts(text) == parts


def test_there_are_many_cases_from_the_peers() -> None:
    assert len(CASES) > 500
    assert sum(len(case["schedule"]) > 1 for case in CASES) > 150


@pytest.mark.parametrize("start", range(0, len(CASES), 100))
def test_random_prompts_read_as_the_peers_read_them(start: int) -> None:
    for case in CASES[start : start + 100]:
        text = case["text"]
        read = {
            "schedule": list_texts(text, case["steps"], hires_steps=case["hires"], old=case["old"]),
            "compose": split_subprompts(text),
            "comfyui": parse_emphasis(text, "comfyui"),
            "emphasis": emphasis_or_none(text),
        }
        assert (text, read) == (text, {key: case[key] and [tuple(entry) for entry in case[key]] for key in read})


def emphasis_or_none(text: str) -> list[Any] | None:
    """None where A1111 raises ValueError."""
    try:
        return list(parse_emphasis(text))
    except BadParameter:
        return None


def test_stray_brackets_do_not_make_a_schedule_depend_on_chance() -> None:
    """A1111 with lark 1.1.2 answers these one way or the other, by the hash seed of the process."""
    assert list_texts("[a:x:3](", 6) == [(3, "a("), (6, "x(")]
    assert list_texts("[:x:3]]", 6) == [(3, "]"), (6, "x]")]


def test_the_tree_has_equality() -> None:
    assert parse_prompt("a [b:c:5] AND (d):2") == (
        Subprompt(("a ", Schedule(("b",), ("c",), "5"))),
        Subprompt((" ", Group("()", (("d",),))), 2.0),
    )
    assert parse_schedule("[a|]") == (Alternate((("a",), ())),)
    assert parse_schedule("[a:b: 5 ]") == parse_schedule("[a:b:5]")
    assert parse_schedule("(x:1.2)") == (Group("()", (("x",), ("1.2",))),)
    assert parse_schedule("(]") == ("(]",)


@pytest.mark.parametrize("text", ["(x:1.2.3)", "(x:..)", "(x:+.)", f"(x:{'9' * 400})"])
def test_weights_that_are_no_numbers_are_refused(text: str) -> None:
    with pytest.raises(BadParameter):
        parse_emphasis(text)


@pytest.mark.parametrize("text", ["(x:nan)", "(x:inf)", "(x:-Infinity)", "(x:1e999)"])
def test_comfyui_weights_must_be_finite(text: str) -> None:
    with pytest.raises(BadParameter):
        parse_emphasis(text, "comfyui")


@pytest.mark.parametrize("text", ["(" * 5000 + "x" + ")" * 5000, "[" * 300, "(" * 300 + "x:2" + ")" * 300])
def test_deep_nesting_is_refused(text: str) -> None:
    with pytest.raises(BadParameter, match="nested"):
        parse_emphasis(text)
    with pytest.raises(BadParameter, match="nested"):
        list_texts(text, 5)


def test_no_steps_are_refused() -> None:
    for bad in ((0, None), (5, 0)):
        with pytest.raises(BadParameter):
            list_texts("a", bad[0], hires_steps=bad[1])


def test_long_prompts_are_read() -> None:
    text = "(a:1.1), [b:c:0.5], [d|e] ) ] : " * 600
    assert len(list_texts(text, 2)) == 2
    assert len(parse_emphasis("(a:1.1), (b:1.2) \\) " * 600, "comfyui")) > 1200


prompts = st.lists(
    st.sampled_from([*"()[]:|\\ ab", "0.5", "3", "AND", "BREAK", "<lora:x:1>", "embedding:e", "é", "\n"]), max_size=25
).map("".join)


@given(prompts, st.integers(1, 8))
@settings(max_examples=200, deadline=None)
def test_any_prompt_is_explained(prompt: str, steps: int) -> None:
    told = explain(prompt, steps)
    assert json.loads(json.dumps(told)) == told
    ends = [[entry["until"] for entry in sub["schedule"]] for sub in told["a1111"]["subprompts"]]
    assert all(end == sorted(set(end)) and end[-1] == steps for end in ends)
    assert bool(told["errors"]) == (not ends)


@given(prompts)
@settings(max_examples=200, deadline=None)
def test_comfyui_mode_loses_no_text(prompt: str) -> None:
    """Fragments hold the prompt's letters in order, whatever brackets and weights were taken out."""
    assert [m for f in parse_emphasis(prompt, "comfyui") for m in f.text if m.isalpha()] == [
        m for m in prompt if m.isalpha()
    ]


def test_explain_says_what_differs() -> None:
    told = explain("(a:1.2) [b:c:0.5] [d] <lora:x:0.5:lbw=OUTD:start=0.5> BREAK e AND f :2, embedding:neg", 4)
    assert told["a1111"]["adapters"][0]["read_as"] == "<lora:x:0.5:0.5:start=0.5:lbw=OUTD>"
    assert [sub["weight"] for sub in told["a1111"]["subprompts"]] == [1.0, 1.0]
    assert [entry["until"] for entry in told["a1111"]["subprompts"][0]["schedule"]] == [2, 4]
    assert {"break": True} in told["a1111"]["subprompts"][0]["schedule"][0]["fragments"]
    assert told["comfyui"]["embeddings"] == ["neg"]
    assert len(told["differences"]) == 6
    assert explain("a plain (prompt:1.2)", 4)["differences"] == []


def test_explain_lists_faults() -> None:
    told = explain("<lora:x:abc> (a:1.2.3)", 4)
    assert len(told["errors"]) == 2
    assert "<lora:x:abc>" in told["errors"][0]


def test_embeddings_of_comfyui() -> None:
    text = "embedding:a, xembedding:b embedding:c[d] (embedding:e:1.2)\nembedding:sub/f"
    assert find_embeddings(text) == ["a,", "c", "e", "sub/f"]


def test_prompts_are_read_without_heavy_imports() -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from underdrawing.adapters.prompts import prompt, tags, chunks, encoding, library\n"
        "prompt.explain('(a) [b:2]', 4)\nprint(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(ROOT / ".dev")], capture_output=True, text=True, check=True)
    assert not {"torch", "numpy", "PIL", "cv2"} & set(done.stdout.split())
