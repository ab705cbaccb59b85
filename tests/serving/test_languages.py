from __future__ import annotations

import pytest

from underdrawing.core.errors import UnknownName
from underdrawing.serving.languages import list_languages, read_texts


def test_japanese_is_there() -> None:
    assert list_languages() == ["ja"]
    assert read_texts("ja")["Canny edges"] == "Cannyエッジ"


@pytest.mark.parametrize("language", ["en", "", "..", "../texts/ja", "JA"])
def test_other_languages_are_refused(language: str) -> None:
    with pytest.raises(UnknownName, match="choose one of ja"):
        read_texts(language)
