from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from underdrawing.adapters.hosting.wrap import wrap

if TYPE_CHECKING:
    from collections.abc import Callable


def test_a_function_is_wrapped_once_and_as_a_method_too() -> None:
    class Owner:
        def twice(self, number: int) -> int:
            return 2 * number

    def add_one(original: Callable[..., int], owner: Owner, number: int) -> int:
        return original(owner, number) + 1

    for _ in range(2):
        wrap(Owner, "twice", add_one)
    assert Owner().twice(3) == 7


def surround(original: Callable[..., str]) -> str:
    return f"ours({original()})"


def test_what_others_wrapped_since_then_stays() -> None:
    owner: Any = SimpleNamespace(ask=lambda: "host")
    wrap(owner, "ask", surround)
    held = owner.ask
    owner.ask = lambda: f"theirs({held()})"
    wrap(owner, "ask", surround)
    assert owner.ask() == "theirs(ours(host))"
