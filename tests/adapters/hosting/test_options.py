from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from underdrawing.adapters.hosting.options import JAPANESE, OPTIONS, TAGS, add_options, read_option


class Shared:
    def __init__(self, **data: Any) -> None:
        self.labels: dict[str, str] = {}
        self.opts = SimpleNamespace(data=data, add_option=self.labels.__setitem__)

    def OptionInfo(self, default: Any, label: str, section: tuple[str, str]) -> str:
        return label


@pytest.mark.parametrize(
    ("language", "labels"), [("None", {n: label for n, (_, label) in OPTIONS.items()}), ("ja_JP", JAPANESE)]
)
def test_labels_are_in_the_hosts_language(language: str, labels: dict[str, str]) -> None:
    shared = Shared(localization=language)
    add_options(shared)
    assert shared.labels == labels


def test_defaults_hold_before_the_host_has_our_settings() -> None:
    assert read_option(Shared(), TAGS) is True
    assert read_option(Shared(**{TAGS: False}), TAGS) is False
