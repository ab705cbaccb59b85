from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from underdrawing.core.errors import WeightsMissing
from underdrawing.core.weights.choices import add_choices, find_ready_choices
from underdrawing.preprocessors import registry


def find_bundled(weight: Any) -> Path | None:
    return Path(weight.bundled) if weight.bundled else None


@pytest.mark.parametrize(
    ("name", "expected"),
    [("softedge_hed", ["model=bsds500"]), ("hed", []), ("depth_zoe", [])],
)
def test_choices_whose_weights_are_here(name: str, expected: list[str]) -> None:
    match = registry.resolve(name)
    params = match.annotator.params(**match.presets)
    assert find_ready_choices(params, match.annotator.fields(), match.annotator.weights_for, find_bundled) == expected


def test_every_annotator_can_be_asked() -> None:
    for annotator in registry:
        find_ready_choices(annotator.params(), annotator.fields(), annotator.weights_for, find_bundled)


def test_the_error_names_them() -> None:
    error = WeightsMissing("are missing", where="a", fix="fetch them", weights=("a",), found_by_name=True)
    assert add_choices(error, []) is error
    told = add_choices(error, ["model=bsds500"])
    assert "without a download it runs with model=bsds500" in str(told)
    assert (told.fix, told.weights, told.found_by_name) == ("fetch them", ("a",), True)
