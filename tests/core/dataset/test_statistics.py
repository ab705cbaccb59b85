"""Statistics of data sets."""

from __future__ import annotations

import json

from underdrawing.core.dataset.facts import DepthFacts, MapFacts
from underdrawing.core.dataset.records import RowRecord
from underdrawing.core.dataset.statistics import Statistics, format_statistics

PEOPLE = MapFacts(8, 8, people=2, keypoints=(1.0, 0.5))


def gather(*records: RowRecord) -> Statistics:
    found = Statistics()
    for record in records:
        found.add(record)
    return found


def row(number: int, low: int = 50, **given: object) -> RowRecord:
    facts = {
        "canny": MapFacts(8, 8, edges=number / 10),
        "depth": MapFacts(8, 8, depth=DepthFacts(0.5, 2.0 + number, 0.25)),
        "pose": PEOPLE if number % 2 else MapFacts(8, 8, people=0, keypoints=()),
    }
    params = {"canny": {"low": low, "safe": bool(number % 2)}, "depth": {"model": "small"}}
    return RowRecord(key=str(number), index=number, width=64, height=32 * (1 + number % 2), facts=facts, params=params)


FULL = (
    *(row(number, 50 + number) for number in range(4)),
    RowRecord(key="x", index=4, refused="cut off", kind="undecodable"),
    RowRecord(
        key="y",
        index=5,
        width=9,
        height=9,
        refused="canny: few",
        kind="edges",
        facts={"canny": MapFacts(8, 8, edges=0.9)},
    ),
    RowRecord(key="z", index=6, refused="why"),
)


def test_an_empty_data_set_is_no_error() -> None:
    found = gather()
    assert found.to_json()["rows"] == 0
    assert format_statistics(found.to_json()) == "0 rows: 0 with maps, 0 refused"
    assert found.list_plots() == []


def test_rows_are_counted_and_refused_ones_count_by_reason_only() -> None:
    data = gather(*FULL).to_json()
    assert (data["rows"], data["written"]) == (7, 4)
    assert data["refused"] == {"edges": 1, "other": 1, "undecodable": 1}
    assert data["maps"]["canny"]["edges"]["max"] == 0.3
    assert data["pictures"]["most_frequent"][0] == {"width": 64, "height": 32, "rows": 2}
    assert data["pictures"]["aspect"] == {
        "count": 4,
        "min": 1.0,
        "lower_quartile": 1.0,
        "median": 1.5,
        "upper_quartile": 2.0,
        "max": 2.0,
        "mean": 1.5,
    }


def test_people_depth_and_parameters_are_gathered_by_annotator() -> None:
    maps = gather(*FULL).to_json()["maps"]
    assert maps["pose"]["people"] == {"0": 2, "2": 2}
    assert maps["pose"]["keypoints"]["count"] == 4
    assert maps["depth"]["depth_high"]["max"] == 5
    assert maps["canny"]["params"]["low"]["median"] == 51.5
    assert maps["canny"]["params"]["safe"] == {"false": 2, "true": 2}
    assert maps["depth"]["params"] == {"model": {"small": 4}}


def test_the_order_of_rows_does_not_change_the_answer() -> None:
    assert json.dumps(gather(*FULL).to_json()) == json.dumps(gather(*reversed(FULL)).to_json())


def test_every_number_stands_in_the_text() -> None:
    text = format_statistics(gather(*FULL).to_json())
    assert text.startswith("7 rows: 4 with maps, 3 refused")
    for part in (
        "refused for undecodable: 1",
        "64 x 32 (2)",
        "0 in 2, 2 in 2",
        "low: 50 to 53",
        "in every row: model small",
    ):
        assert part in text


def test_there_is_a_plot_of_all_that_varies() -> None:
    names = [plot.name for plot in gather(*FULL).list_plots()]
    assert names[:3] == ["size", "aspect", "refused"]
    assert {
        "canny.edges",
        "canny.param.low",
        "canny.param.safe",
        "pose.people",
        "pose.keypoints",
        "depth.depth_high",
    } <= {*names}
    assert "depth.param.model" not in names
    assert len(set(names)) == len(names)
