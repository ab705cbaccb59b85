from __future__ import annotations

import base64

import pytest

from underdrawing.serving.login import is_allowed

ACCOUNTS = {"me": "secret"}


def basic(text: str) -> str:
    return f"Basic {base64.b64encode(text.encode()).decode()}"


def test_a_page_without_login_is_open() -> None:
    assert is_allowed(None, {}, {}, "")
    assert is_allowed([], {}, {}, "")


def test_a_page_that_is_logged_in_may_ask() -> None:
    for name in ("access-token", "access-token-unsecure", "access-token-abc"):
        assert is_allowed(ACCOUNTS, {"token": "me"}, {name: "token"}, "")
    assert not is_allowed(ACCOUNTS, {"token": "me"}, {"access-token": "other"}, "")
    assert not is_allowed(ACCOUNTS, {"token": "me"}, {"session": "token"}, "")


def knows(name: str, password: str) -> bool:
    return (name, password) == ("me", "secret")


@pytest.mark.parametrize("accounts", [ACCOUNTS, [("me", "secret")], knows])
def test_programs_name_an_account(accounts: object) -> None:
    assert is_allowed(accounts, {}, {}, basic("me:secret"))
    for header in (
        "",
        "Basic",
        "Basic ???",
        "Bearer x",
        basic("me:"),
        basic(":secret"),
        basic("me"),
        basic("you:secret"),
    ):
        assert not is_allowed(accounts, {}, {}, header), header
