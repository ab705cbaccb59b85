"""From a source to shards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.datasets import encode, need, plan_job, read_tree, run_here, write_folder, write_tar

from underdrawing.core.dataset.shards import _choose_keys, _cut_folder, describe_passed, list_shards
from underdrawing.core.errors import BadParameter, FetchFailed

if TYPE_CHECKING:
    from pathlib import Path

NAMES = st.lists(st.from_regex(r"[ab]{1,2}(/[ab])?\.(png|jpg|v2\.png)", fullmatch=True), min_size=1, unique=True)


def test_a_folder_is_cut_by_sorted_names_and_folders_below_are_part_of_the_key(pictures: Path) -> None:
    shards = list_shards(str(pictures), size=3)
    assert [(shard.name, shard.start, shard.stop) for shard in shards] == [
        ("00000", 0, 3),
        ("00001", 3, 6),
        ("00002", 6, 7),
    ]
    assert shards[2].keys == ("sub/p4.v2",)
    assert {shard.digest for shard in list_shards(str(pictures), size=3)} == {shard.digest for shard in shards}


@given(NAMES, st.integers(1, 5))
def test_every_name_is_in_one_shard_under_a_key_of_its_own(names: list[str], size: int) -> None:
    shards = _cut_folder("x", names, size, "x")
    assert [name for shard in shards for name in shard.names] == sorted(names)
    keys = [key for shard in shards for key in shard.keys]
    assert len({key.lower() for key in keys}) == len(names)
    assert keys == _choose_keys(sorted(names))


def test_tars_and_tables_are_shards_of_their_names(tmp_path: Path) -> None:
    for name in ("b.tar", "a.tar.gz", "c.parquet"):
        (tmp_path / name).write_bytes(name.encode())
    (tmp_path / "note.txt").write_bytes(b"")
    found = {shard.name: shard.kind for shard in list_shards(str(tmp_path))}
    assert found == {"a": "webdataset", "b": "webdataset", "c": "parquet"}
    assert [shard.name for shard in list_shards(str(tmp_path / "*.tar"))] == ["b"]
    assert [shard.name for shard in list_shards(str(tmp_path / "b.tar"))] == ["b"]


def test_names_that_repeat_have_their_folders_in_front(tmp_path: Path) -> None:
    for name in ("x", "y"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "0.tar").write_bytes(name.encode())
    assert [shard.name for shard in list_shards(str(tmp_path / "*" / "0.tar"))] == ["x__0", "y__0"]
    (tmp_path / "x" / "0.parquet").write_bytes(b"")
    with pytest.raises(BadParameter, match="several inputs would give the shard 0"):
        list_shards(str(tmp_path / "x"))


def test_a_file_that_is_replaced_has_another_digest(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    path.write_bytes(b"x" * 300_000 + b"end")
    before = list_shards(str(path))[0].digest
    path.write_bytes(b"x" * 300_000 + b"END")
    assert list_shards(str(path))[0].digest != before


@pytest.mark.parametrize("name", ["absent", "empty", "note.txt", "*.png", "memory://nowhere/at/all"])
def test_what_is_no_data_set_is_named(tmp_path: Path, name: str) -> None:
    need("fsspec")
    (tmp_path / "empty").mkdir()
    (tmp_path / "note.txt").write_bytes(b"x")
    source = name if "://" in name else str(tmp_path / name)
    with pytest.raises(BadParameter) as caught:
        list_shards(source)
    assert name in caught.value.where
    assert caught.value.fix


def test_sources_behind_urls_give_the_rows_of_local_ones(tmp_path: Path) -> None:
    need("fsspec")
    import fsspec  # type: ignore[reportMissingTypeStubs]

    folder = write_folder(tmp_path / "in")
    store: Any = fsspec.filesystem("memory")
    store.put(str(folder), "/bucket/in", recursive=True)
    run_here(plan_job(folder, tmp_path / "local"))
    run_here(plan_job("memory://bucket/in", tmp_path / "url"))
    local, url = (read_tree(tmp_path / place) for place in ("local", "url"))
    assert {name: data for name, data in url.items() if name[0] != "."} == {
        name: data for name, data in local.items() if name[0] != "."
    }
    store.put(str(write_tar(tmp_path / "t.tar", {"a.png": encode(1)})), "/bucket/tars/t.tar")
    assert run_here(plan_job("memory://bucket/tars/*.tar", tmp_path / "tars"))["t"].written == 1


def test_a_store_that_fails_is_no_damage_of_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    need("fsspec")
    import fsspec  # type: ignore[reportMissingTypeStubs]

    store: Any = fsspec.filesystem("memory")
    store.pipe_file("/bucket/one/a.png", encode(1))

    def fail(*_: object, **__: object) -> None:
        raise TimeoutError("no answer")

    monkeypatch.setattr(type(store), "cat_file", fail)
    with pytest.raises(FetchFailed, match="no answer"):
        run_here(plan_job("memory://bucket/one", tmp_path / "out"))
    assert not list((tmp_path / "out" / ".underdrawing" / "shards").iterdir())


def test_inputs_that_cannot_be_read_are_shards_like_others(tmp_path: Path) -> None:
    need("lance", "pyarrow")
    (tmp_path / "a.tar").mkdir()
    (tmp_path / "b.lance").mkdir()
    write_tar(tmp_path / "c.tar", {"c.png": encode(1)})
    reports = run_here(plan_job(tmp_path, tmp_path.parent / "unreadable"))
    found = {name: [why for _, why, _ in report.refused] for name, report in reports.items()}
    assert found == {"a": ["damage"], "b": ["damage"], "c": []}
    assert "is a folder" in reports["a"].refused[0][2]


def test_pictures_beside_shards_are_named_and_hidden_files_are_no_shards(tmp_path: Path) -> None:
    for name in ("a.tar", "._a.tar", "x.png", "sub/y.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    assert [shard.name for shard in list_shards(str(tmp_path))] == ["a"]
    assert describe_passed(str(tmp_path)) == (f"1 picture beside the shards of {tmp_path} passed over",)
    (tmp_path / "x.png").unlink()
    assert describe_passed(str(tmp_path)) == ()
    assert describe_passed(str(tmp_path / "sub")) == ()
