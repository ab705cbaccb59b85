from __future__ import annotations

import pytest

from underdrawing.core.networks.cache import unload
from underdrawing.core.networks.keeping import load_once


def test_the_last_ones_of_a_kind_are_kept_until_unload() -> None:
    loaded: list[int] = []

    def get(key: int, kind: str = "test") -> object:
        return load_once(kind, key, lambda: loaded.append(key) or object(), most=2)

    first = get(1)
    assert get(1) is first
    get(2)
    assert get(1) is first
    get(3)  # 2 was asked for before 1
    assert get(1) is first
    assert get(1, "other") is not first
    assert loaded == [1, 2, 3, 1]
    unload()
    assert get(1) is not first


def test_what_fails_is_not_kept() -> None:
    with pytest.raises(ZeroDivisionError):
        load_once("test", 9, lambda: 1 // 0, most=2)
    assert load_once("test", 9, lambda: 5, most=2) == 5
    unload()
