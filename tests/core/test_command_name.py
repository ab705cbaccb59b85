from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from underdrawing.core import command_name
from underdrawing.core.errors import BadParameter

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def elsewhere() -> Iterator[None]:
    """A place where another command starts the command line."""
    before = command_name._names[:]
    yield
    command_name._names[:] = before


def test_messages_name_the_command_that_works_here(elsewhere: None) -> None:
    command_name.set_command(["/opt/a python", "/packs/underdrawing"])
    assert command_name.name_command("weights list") == "'/opt/a python' /packs/underdrawing weights list"
    error = BadParameter(
        "see `underdrawing doctor`", where="a", fix="run `underdrawing weights list`, or `underdrawing x`"
    )
    assert str(error).count("`'/opt/a python' /packs/underdrawing ") == 3
    assert "`underdrawing " not in str(error)


def test_text_that_is_no_command_stays(elsewhere: None) -> None:
    command_name.set_command(["other"])
    for text in ("models/underdrawing", "the underdrawing nodes", "`underdrawing`"):
        assert command_name.rewrite_commands(text) == text


def test_without_a_host_nothing_changes() -> None:
    assert BadParameter("x", fix="run `underdrawing doctor`").fix == "run `underdrawing doctor`"
