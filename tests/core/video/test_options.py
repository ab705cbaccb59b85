from __future__ import annotations

import pytest
from tests.support.clips import DrawnPoses, PlainOutlines, UnsteadyDepth

from underdrawing.core.params import describe_fields
from underdrawing.core.video.options import USES, TemporalOptions, describe_settings, list_idle

SPECS = {"pose": DrawnPoses.spec, "depth": UnsteadyDepth.spec, "lines": PlainOutlines.spec}


def test_every_option_is_for_a_kind() -> None:
    assert set(USES) == {field.name for field in describe_fields(TemporalOptions)} - {"frame_rate"}


@pytest.mark.parametrize(
    ("kind", "own"),
    [
        ("pose", {"fill_gaps", "smoothing", "smoothing_speed"}),
        ("depth", {"depth_alignment", "depth_range", "temporal_median"}),
        ("lines", {"temporal_median"}),
    ],
)
def test_options_of_other_kinds_are_idle(kind: str, own: set[str]) -> None:
    assert set(list_idle([SPECS[kind]], USES)) == set(USES) - own
    assert set(describe_settings(SPECS[kind], TemporalOptions())) == own
    assert list_idle(SPECS.values(), USES) == []
    assert list_idle([SPECS[kind]], ["frame_rate"]) == []
