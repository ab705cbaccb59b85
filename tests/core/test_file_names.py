from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from underdrawing.core.errors import BadParameter
from underdrawing.core.file_names import check_relative_name, check_typed_name, find_name_fault


@pytest.mark.parametrize("name", ["a\0", "\ud800", "a\nb", "\u202egnp.exe", "x" * 256, "a/" + "é" * 128, "a/" * 600])
def test_what_no_file_can_have_is_refused_in_words(name: str) -> None:
    with pytest.raises(BadParameter, match="cannot be the name of a file") as caught:
        check_typed_name(name, "file")
    str(caught.value).encode()
    assert len(str(caught.value)) < 600


@given(st.text(max_size=400))
def test_a_name_without_a_fault_reaches_the_system(name: str) -> None:
    """It can be encoded and holds no zero: what the system says of it is then about files."""
    if not find_name_fault(name):
        assert "\0" not in name
        assert all(len(part.encode()) <= 255 for part in name.split("/"))


@pytest.mark.parametrize(
    "name", ["plain", "a/b", "v1.5", "50% more", "日本語", "Ünïcode (v2) [x]", "com10", "con-cept", "a~b", "x" * 255]
)
def test_ordinary_names_pass(name: str) -> None:
    assert check_relative_name(name) == name
