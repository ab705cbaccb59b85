from __future__ import annotations

import json

from underdrawing.adapters.hosting.receipt import HostReceipt


def test_only_what_the_host_would_not_have_done_counts() -> None:
    assert not HostReceipt("a", modules=2, total=2).acted
    assert not HostReceipt("a", total=2, converted=True).acted
    assert not HostReceipt("a", tag="a:1:lbw=ALL", problem="is damaged").acted
    assert HostReceipt("a", modules=1, total=2, converted=True).acted
    assert HostReceipt("a", tag="a:1:lbw=ALL").acted


def test_gaps_name_modules_and_keys() -> None:
    gap = HostReceipt("a", base_model="sdxl", modules=1, total=3, unused={"no dialect knows this name": 4}).gap()
    assert gap == "a: 2 of 3 modules do not fit this model (made for sdxl); 4 keys: no dialect knows this name"
    assert HostReceipt("a", modules=3, total=3).gap() == ""
    assert HostReceipt("a", problem="is damaged").gap() == "a: is damaged"


def test_receipts_are_json() -> None:
    table = HostReceipt("a", "/somewhere/a.safetensors", own={"dora": 2}, modules=2, total=2).to_json()
    assert json.loads(json.dumps(table))["line"] == "a: 2 of 2 modules, 2 dora computed"
    assert "path" not in table
