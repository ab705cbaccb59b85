"""Who may use the routes of a host that asks its users to log in."""

from __future__ import annotations

import base64
import binascii
import secrets
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

COOKIE = "access-token"
"""Start of the names of Gradio's cookies."""


def is_allowed(accounts: Any, tokens: Container[str], cookies: Mapping[str, str], authorization: str) -> bool:
    """Whether a request comes from a page that is logged in, or names an account by HTTP Basic.

    accounts: nothing, names with passwords, or a function of both. tokens: of pages that are logged in.
    """
    if not accounts:
        return True
    if any(name.startswith(COOKIE) and value in tokens for name, value in cookies.items()):
        return True
    name, password = _read_basic(authorization)
    if callable(accounts):
        return bool(name and accounts(name, password))
    known = accounts.get(name) if isinstance(accounts, dict) else dict(accounts).get(name)
    return known is not None and secrets.compare_digest(str(known).encode(), password.encode())


def _read_basic(authorization: str) -> tuple[str, str]:
    """Name and password of a header; empty ones if it has none."""
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        name, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        return "", ""
    return name, password
