"""Values of settings."""

from __future__ import annotations

import pytest

from underdrawing.core.setting_values import InvalidValue, to_megapixels


def test_megapixels_are_numbers_in_bounds() -> None:
    assert to_megapixels("1.5") == 1.5
    for text in ("many", "0", "-1", "nan", "inf", "100000"):
        with pytest.raises(InvalidValue):
            to_megapixels(text)
