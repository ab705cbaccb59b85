"""PEFT's rule for patterns, and patterns that mean harm."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from underdrawing.adapters.reading.peft_patterns import compile_pattern, find_exclusion, find_value, is_feedforward
from underdrawing.core.errors import BadWeights

NAME = "down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k"


@pytest.mark.parametrize(
    ("pattern", "matches"),
    [
        ("to_k", True), ("attn2.to_k", True), (NAME, True), ("o_k", False), ("k", False), ("to_k|to_q", True),
        ("^to_k", False), ("^down_blocks.*", True), ("down_blocks", False), ("attn2", False),
        (r".*attn\d\.to_[kv]", True),
    ],
)  # fmt: skip
def test_a_pattern_matches_a_whole_name_or_what_follows_a_dot(pattern: str, matches: bool) -> None:
    assert find_value({pattern: 7}, NAME, 1) == (7 if matches else 1)


@given(st.lists(st.sampled_from(["to_k", "to_q", ".*attn2.*", "attn1.to_k", "^down.*", "mid_block.*"]), unique=True))
def test_the_first_that_matches_counts(patterns: list[str]) -> None:
    due = next((p for p in patterns if re.match(rf"(.*\.)?({p})$", NAME)), None)
    assert find_value({pattern: pattern for pattern in patterns}, NAME, None) == due


@pytest.mark.parametrize(
    ("config", "applied"),
    [
        ({}, True), ({"target_modules": None}, True), ({"target_modules": "all-linear"}, True),
        ({"target_modules": ["to_k"]}, True), ({"target_modules": ["k"]}, False),
        ({"target_modules": ["to_.*"]}, False),
        ({"target_modules": r".*to_k"}, True), ({"target_modules": "to_k"}, False),
        ({"target_modules": ["to_k"], "exclude_modules": ["attn2.to_k"]}, False),
        ({"target_modules": ["to_k"], "exclude_modules": r"down_blocks\.1.*"}, False),
        ({"target_modules": ["to_k"], "exclude_modules": r"down_blocks\.1"}, True),
    ],
)  # fmt: skip
def test_targets_and_exclusions(config: dict[str, object], applied: bool) -> None:
    assert (find_exclusion(config, NAME) is None) == applied


def test_feedforward_modules() -> None:
    assert is_feedforward(None, "a.net.2") is None
    assert is_feedforward(["et.2"], "a.net.2")
    assert is_feedforward(r".*net\.2", "a.net.2")
    assert not is_feedforward("net.2", "a.net.2")


@pytest.mark.parametrize("pattern", ["(a+)+", "(a|aa)*b", "((a*)b)*", "(", "[", "a" * 3000, ".*" * 20, "*"])
def test_broken_and_hostile_patterns_are_refused(pattern: str) -> None:
    with pytest.raises(BadWeights, match="pattern"):
        compile_pattern(pattern)


@given(st.text(alphabet="ab.*+(|)[]\\{}1,^$?", max_size=14))
def test_any_text_is_compiled_or_refused(pattern: str) -> None:
    try:
        found = compile_pattern(rf"(.*\.)?({pattern})$")
    except BadWeights:
        return
    found.match("ab." * 8)
