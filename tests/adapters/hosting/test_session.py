from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from underdrawing.adapters.hosting.receipt import HostReceipt
from underdrawing.adapters.hosting.session import HostLoras, Key, TaggedFile, Use, find_unlisted
from underdrawing.core.errors import UnknownName


def find(name: str) -> None:
    if name == "missing":
        raise UnknownName("no LoRA is called 'missing'")


class Params:
    def __init__(self, items: list[str]) -> None:
        self.items, self.positional = items, list(items)


def test_tags_of_the_hosts_own_are_handed_on_as_they_are() -> None:
    session, listed = HostLoras(), list[Use]()
    session.begin([["a", "1", "odd=2"], ["b", "1", "lbw=ALL"], ["missing"], ["c", "no"]], find, steps=4)
    given = session.rewrite([Params([])], listed.append)
    assert [one.items for one in given] == [["a", "1", "odd=2"], ["b", "1.0", "1.0"]]
    assert [one.positional[0] for one in given] == ["a", "b:1:lbw=ALL"]
    assert [use.name for use in listed] == ["b"]
    assert len(session.problems) == 2


def test_one_name_twice_is_kept_twice() -> None:
    uses = HostLoras().begin([["a", "1"], ["a", "0.5"]], find, steps=4)
    assert [use.key for use in uses] == ["a:1", "a:0.5"]


def test_nothing_is_rewritten_where_others_read_tags() -> None:
    uses = HostLoras().begin([["a", "0@0,1@1", "lbw=ALL"]], find, steps=4, whole=False)
    assert uses == [Use("a", "a", ["a", "0@0,1@1", "lbw=ALL"])]


def test_steps_are_those_of_the_user_where_samplers_call_twice() -> None:
    session = HostLoras()
    session.begin([["a", "1", "start=1"]], find, steps=2)
    assert [session.find_strengths(call, 4, 2)["a:1:start=1"] for call in range(5)] == [0.0, 0.0, 1.0, 1.0, 1.0]


def test_receipts_are_shown_once_in_the_log_and_in_every_picture() -> None:
    session, log = HostLoras(), list[str]()
    session.begin([["a"], ["b"]], find, steps=1)
    session.receipts["a"] = HostReceipt("a", dialect="peft", modules=1, total=2, converted=True)
    session.receipts["b"] = HostReceipt("b", modules=2, total=2)
    for _ in range(2):
        comments = list[str]()
        job: Any = SimpleNamespace(extra_generation_params={}, comment=comments.append)
        session.show(job, log.append, infotext=True)
        assert job.extra_generation_params == {"Underdrawing": "a: 1 of 2 modules, converted from peft"}
        assert len(comments) == 1
    assert len(log) == 2
    assert [one["name"] for one in session.to_json()["loras"]] == ["a", "b"]


def test_keys_are_written_as_names() -> None:
    key = Key("a:b", "a:b:1:lbw=ALL")
    assert key.translate(str.maketrans("", "", ":")) == "ab"
    assert key in {"a:b:1:lbw=ALL"}


def test_paths_differ_by_their_tags() -> None:
    one, other = (TaggedFile("x.safetensors", Use("x", key, [])) for key in ("x:1", "x:2"))
    assert Path(one) == Path(other)
    assert len({one, other, TaggedFile("x.safetensors", Use("x", "x:1", []))}) == 2
    assert str([one]) != str([other])


def test_unlisted_files_are_found_by_other_endings_and_cases(tmp_path: Path) -> None:
    (tmp_path / "Mine.bin").write_bytes(b"")
    assert find_unlisted("mine", [tmp_path]).name == "Mine.bin"
    with pytest.raises(UnknownName, match="did you mean Mine"):
        find_unlisted("Mime", [tmp_path])
