"""Commands that documents show exist, with these options and choices."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest
from tests.support.tree import ROOT

from underdrawing.cli.app import app
from underdrawing.core.setting_values import join_parameters

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
SHOWN = re.compile(r"^(?:\s*)(underdrawing .*)$|`(underdrawing [a-z][^`]*)`", re.MULTILINE)
STANDS_FOR = {"FILE": "a.safetensors", "ID": "some/thing", "PATH": "folder", "NAME": "canny"}
"""Words in capitals, and what a user would write for them."""


def commands(path: Path) -> list[str]:
    found = (one or other for one, other in SHOWN.findall(path.read_text(encoding="utf-8")))
    return [" ".join(line.split()) for line in found if not re.search(r"GROUP|\.\.\.|…", line)]


CASES = [pytest.param(line, id=f"{path.name}: {line[:60]}") for path in PAGES for line in dict.fromkeys(commands(path))]


@pytest.mark.parametrize("line", CASES)
def test_a_command_of_a_page_is_understood(line: str) -> None:
    words = [STANDS_FOR.get(word, word) for word in shlex.split(line, comments=True)[1:]]
    command, context = app, click.Context(app, info_name="underdrawing")
    while words and isinstance(command, click.Group) and not words[0].startswith("-"):
        name = words.pop(0)
        below = command.get_command(context, name)
        assert below is not None, f"there is no command {name}"
        command, context = below, click.Context(below, context, name)
    words = join_parameters(words, {param.name for param in command.params})
    options, _, _ = command.make_parser(context).parse_args(words)
    known = {param.name: param for param in command.get_params(context)}
    for option, value in options.items():
        kind = known[option].type
        for one in value if isinstance(value, list) else [value]:
            if isinstance(kind, click.Choice) and one is not None:
                kind.convert(one, known[option], context)


def test_commands_are_found() -> None:
    assert len(CASES) > 20
