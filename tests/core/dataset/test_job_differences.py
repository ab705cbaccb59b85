"""Settings that differ, in words."""

from __future__ import annotations

from pathlib import Path

import msgspec
from tests.support.datasets import plan_job

from underdrawing.core.dataset.job_differences import list_differences
from underdrawing.core.dataset.options import FilterParams

JOB = plan_job("in", Path("out"))
CANNY, INVERT = JOB.annotators


def compare(**changes: object) -> list[str]:
    return list(list_differences(JOB.settings(), msgspec.structs.replace(JOB, **changes).settings()))


def test_each_parameter_is_named_with_both_values() -> None:
    fixed = msgspec.structs.replace(CANNY, params={"high_threshold": 150, "low_threshold": 50}, random={}, version=2)
    assert compare(annotators=(fixed, INVERT)) == [
        "canny's version 1 is now 2",
        "canny.high_threshold 200 is now 150",
        "canny.low_threshold uniform(30,120) is now 50",
    ]
    assert compare(annotators=(INVERT,)) == ["annotators canny,invert are now invert"]


def test_weights_filters_and_plain_settings_are_named() -> None:
    other = msgspec.structs.replace(CANNY, weights={"a/b.pth": "1"})
    assert compare(annotators=(other, INVERT)) == ["canny's weights a/b.pth are another file"]
    filters = FilterParams(min_edges=0.001, aspect="1:2")
    assert compare(filters=filters, image="png") == ['aspect "" is now 1:2', 'image "" is now png']
