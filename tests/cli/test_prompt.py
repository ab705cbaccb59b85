"""``underdrawing prompt explain``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from underdrawing.adapters.prompts.prompt import explain

if TYPE_CHECKING:
    from tests.support.command_line import Run

PROMPT = "a [cat:dog:0.5] (x (y:1.3):1.2) <lora:foo:0.8> embedding:bad, AND b BREAK c :1.2"


def test_json_is_what_explain_says(run: Run) -> None:
    done = run("prompt", "explain", PROMPT, "--json", "--steps", 10)
    assert done.code == 0
    assert json.loads(done.out) == json.loads(json.dumps(explain(PROMPT, 10)))


def test_text_shows_both_hosts(run: Run) -> None:
    out = run("prompt", "explain", PROMPT, "--steps", 10).out
    a1111, _, comfyui = out.partition("ComfyUI\n")
    assert "steps 1-5" in a1111
    assert "steps 6-10" in a1111
    assert '"y" x 1.56' in a1111
    assert "new chunk" in a1111
    assert "weight 1.2" in a1111
    assert "adapter foo: strength 0.8" in a1111
    assert '"y" x 1.3' in comfyui
    assert "embedding bad" in comfyui
    assert "Differences" in comfyui


@pytest.mark.parametrize("prompt", ["", "   ", "\x1b[2J\u202e(a", "((((", "\\", "[a|b]" * 50, "<lora:>", "é" * 5000])
def test_any_text_is_explained(run: Run, prompt: str) -> None:
    done = run("prompt", "explain", "--", prompt)
    assert done.code in (0, 1)
    assert "\x1b" not in done.out
    assert "\u202e" not in done.out
    assert "Traceback" not in done.err


def test_faults_are_shown_and_told_by_the_exit_code(run: Run) -> None:
    done = run("prompt", "explain", "a <lora:x:abc>")
    assert done.code == 1
    assert "'abc' is not a number" in done.out
    assert json.loads(run("prompt", "explain", "a <lora:x:abc>", "--json").out)["errors"]


@pytest.mark.parametrize("args", [(), ("a", "--steps", 0), ("a", "--steps", 10**9), ("a", "--steps", "x")])
def test_wrong_usage(run: Run, args: tuple[object, ...]) -> None:
    assert run("prompt", "explain", *args).code == 2
