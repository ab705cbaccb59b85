"""Environment variables: values, errors, defaults, and what the help pages say of them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from underdrawing.core import settings
from underdrawing.core.errors import BadParameter


@pytest.mark.parametrize(
    ("variable", "text", "value"),
    [
        (settings.DOWNLOAD, None, "ask"),
        (settings.DOWNLOAD, " ", "ask"),
        (settings.DOWNLOAD, " Always ", "always"),
        (settings.OFFLINE, None, False),
        (settings.OFFLINE, "TRUE", True),
        (settings.OFFLINE, "off", False),
        (settings.DROP_IN, None, True),
        (settings.DROP_IN, "0", False),
        (settings.TIMEOUT, None, 30.0),
        (settings.TIMEOUT, "2.5", 2.5),
        (settings.TIMEOUT, "0.0001", 0.1),
        (settings.ENDPOINT, None, ""),
        (settings.ENDPOINT, "https://mirror.example/", "https://mirror.example"),
        (settings.CACHE, None, None),
        (settings.CACHE, "~/cache", Path("~/cache").expanduser()),
        (settings.WEIGHTS, None, []),
        (settings.WEIGHTS, f"a{os.pathsep}{os.pathsep}b", [Path("a"), Path("b")]),
    ],
)
def test_values(
    variable: settings.Variable[Any], text: str | None, value: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    if text is None:
        monkeypatch.delenv(variable.name, raising=False)
    else:
        monkeypatch.setenv(variable.name, text)
    assert variable.read() == value


@pytest.mark.parametrize(
    ("variable", "text", "fix"),
    [
        (settings.DOWNLOAD, "perhaps", "ask, always or never"),
        (settings.OFFLINE, "sure", "1 or 0"),
        (settings.DROP_IN, "maybe", "1 or 0"),
        (settings.TIMEOUT, "soon", "30"),
        (settings.TIMEOUT, "-1", "30"),
        (settings.TIMEOUT, "nan", "30"),
        (settings.TIMEOUT, "inf", "30"),
        (settings.ENDPOINT, "mirror.example", "https://"),
        (settings.ENDPOINT, "http://[x", "https://"),
        (settings.CACHE, "~no-such-user/x", "whole path"),
        (settings.WEIGHTS, "~no-such-user/x", "whole path"),
    ],
)
def test_useless_values_name_the_variable_and_the_fix(
    variable: settings.Variable[Any], text: str, fix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable.name, text)
    with pytest.raises(BadParameter) as error:
        variable.read()
    assert error.value.where == variable.name
    assert fix in error.value.fix
    assert [fault.name for fault in settings.find_faults({variable.name: text})] == [variable.name]


def test_every_variable_of_ours_is_known_and_similar_names_are_not() -> None:
    own = {variable.name: variable.default for variable in settings.VARIABLES}
    assert not list(settings.find_faults(own))
    (fault,) = settings.find_faults({"UNDERDRAWING_DROPIN": "0"})
    assert "UNDERDRAWING_DROP_IN" in fault.fix


def test_proxies_are_checked_in_either_spelling() -> None:
    assert [fault.name for fault in settings.find_faults({"HTTPS_PROXY": "proxy:3128"})] == ["HTTPS_PROXY"]
    assert not list(settings.find_faults({"https_proxy": "http://user:word@proxy:3128"}))


def test_help_pages_describe_every_variable() -> None:
    described = dict(settings.describe_variables())
    assert list(described) == [variable.name for variable in settings.VARIABLES]
    assert described["UNDERDRAWING_DOWNLOAD"].startswith("ask, always or never (default ask). ")
