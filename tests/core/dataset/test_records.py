"""Records of rows."""

from __future__ import annotations

import pytest

from underdrawing.core.dataset.facts import DepthFacts, MapFacts
from underdrawing.core.dataset.records import RowRecord, decode_record, encode_record
from underdrawing.core.errors import BadImage

WHOLE = RowRecord(
    key="photo",
    index=3,
    width=640,
    height=480,
    params={"canny": {"low_threshold": 50}},
    facts={"canny": MapFacts(64, 48, edges=0.1), "depth": MapFacts(64, 48, depth=DepthFacts(0.5, 2, 0.7))},
)
REFUSED = RowRecord(key="bad", index=4, refused="the picture is cut off", kind="undecodable")


@pytest.mark.parametrize("record", [WHOLE, REFUSED])
def test_records_are_read_as_they_are_written(record: RowRecord) -> None:
    line = encode_record(record)
    assert line.count(b"\n") == 1
    assert decode_record(line, where="x") == record


def test_the_order_of_parameters_does_not_change_the_bytes() -> None:
    one, two = (
        encode_record(RowRecord(key="a", index=0, params={"canny": dict(values)}))
        for values in ((("low", 1), ("high", 2)), (("high", 2), ("low", 1)))
    )
    assert one == two


@pytest.mark.parametrize("line", [b"", b"{", b"[]", b'{"key": 1}', b'{"key": "a"}', b"\xff", b"[" * 9999])
def test_a_damaged_record_is_named_by_its_place(line: bytes) -> None:
    with pytest.raises(BadImage, match=r"rows\.jsonl:7"):
        decode_record(line, where="rows.jsonl:7")
