"""PEFT's rules for the names of modules in its config: patterns of ranks and alphas, targets and exclusions.

As of peft 0.17 to 0.21: a key of `rank_pattern` or `alpha_pattern` is a regular expression that matches a whole name or
what follows a dot, and the first that matches counts; `target_modules` and `exclude_modules` are one expression for the
whole name, or a list of names and ends of names. Names are those inside the part.
"""

from __future__ import annotations

import re
import warnings
from functools import lru_cache
from typing import Any

from ...core.errors import BadWeights

LONGEST, MOST_REPEATS = 2000, 8
_ALL_LINEAR = "all-linear"
_REPEAT = re.compile(r"[*+]|\{\d*,\d*\}")
_ESCAPED = re.compile(r"\\.|\[[^\]]*\]")


@lru_cache(maxsize=20_000)
def compile_pattern(pattern: str) -> re.Pattern[str]:
    """A pattern out of a file. Raises BadWeights for a broken one, and for one that could run for ever."""
    if _is_too_complex(pattern):
        raise BadWeights(f"the metadata's pattern {pattern[:60]!r} is too complex to be tried", fix="write it plainer")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            return re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise BadWeights(f"the metadata's pattern {pattern[:60]!r} is no regular expression: {error}") from error


def _is_too_complex(pattern: str) -> bool:
    """Whether it is long, repeats much, or repeats a group that holds a repeat or a choice: exponential time."""
    plain = _ESCAPED.sub("x", pattern)
    if len(pattern) > LONGEST or len(_REPEAT.findall(plain)) > MOST_REPEATS:
        return True
    opened: list[int] = []
    for place, sign in enumerate(plain):
        if sign == "(":
            opened.append(place)
        elif sign == ")" and opened:
            inside = plain[opened.pop() : place]
            if _REPEAT.match(plain, place + 1) and ("|" in inside or _REPEAT.search(inside)):
                return True
    return False


def find_value(table: Any, name: str, default: Any) -> Any:
    """Value of the first pattern that matches a module's name, else the default."""
    if not isinstance(table, dict):
        return default
    values = (value for pattern, value in table.items() if compile_pattern(rf"(.*\.)?({pattern})$").match(name))
    return next(values, default)


def find_exclusion(config: dict[str, Any], name: str) -> str | None:
    """Why PEFT makes no adapter on a module of that name, although the file has tensors for it; None when it does.

    `layers_to_transform` is not asked: the versions number layers differently, and the file holds the chosen ones.
    """
    if _matches(config.get("exclude_modules"), name):
        return "is among the config's exclude_modules: PEFT does not apply it"
    targets = config.get("target_modules")
    if not targets or (isinstance(targets, str) and targets.lower() == _ALL_LINEAR) or _matches(targets, name):
        return None
    return "is not among the config's target_modules: PEFT does not apply it"


def _matches(patterns: Any, name: str) -> bool:
    if isinstance(patterns, str):
        return bool(patterns) and compile_pattern(patterns).fullmatch(name) is not None
    return isinstance(patterns, list) and any(name == end or name.endswith(f".{end}") for end in patterns)


def is_feedforward(patterns: Any, name: str) -> bool | None:
    """Whether PEFT's IA3 takes a module for feed-forward; None without the entry. A list holds ends without a dot."""
    if isinstance(patterns, str):
        return compile_pattern(patterns).fullmatch(name) is not None
    return any(name.endswith(str(end)) for end in patterns) if isinstance(patterns, list) else None
