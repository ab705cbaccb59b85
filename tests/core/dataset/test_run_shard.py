"""Shards from rows to committed files."""

from __future__ import annotations

import gc
import json
import os
import shutil
import sys
import tarfile
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.datasets import (
    CUT_OFF,
    FORMATS,
    PACKAGES,
    encode,
    need,
    plan_job,
    read_tree,
    run_here,
    write_folder,
    write_tar,
)

from underdrawing.core.dataset import run_shard as module
from underdrawing.core.dataset.job import NameTaken
from underdrawing.core.dataset.manifest import Manifest
from underdrawing.core.dataset.options import FilterParams
from underdrawing.core.dataset.run_job import find_captions, write_captions
from underdrawing.core.dataset.shards import list_shards
from underdrawing.core.errors import BadImage, BadParameter, WriteFailed

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

GOOD = ["p0", "p1", "p2", "p3", "sub/p4.v2"]


@pytest.mark.parametrize("kind", [one for one in FORMATS if one != "lance"])
def test_every_row_is_there_once_and_a_second_run_changes_nothing(pictures: Path, tmp_path: Path, kind: Any) -> None:
    need(*PACKAGES.get(kind, ()))
    job = plan_job(pictures, tmp_path / "out", format=kind)
    reports = run_here(job)
    assert [report.rows for report in reports.values()] == [3, 3, 1]
    assert sum(report.written for report in reports.values()) == len(GOOD)
    refused = [one for report in reports.values() for one in report.refused]
    assert [(key, why) for key, why, _ in refused] == [("q_cut", "picture"), ("r_flat", "edges")]
    before = read_tree(tmp_path / "out")
    assert {r.name: r.files for r in run_here(job).values()} == {r.name: r.files for r in reports.values()}
    assert read_tree(tmp_path / "out") == before
    again = plan_job(pictures, tmp_path / "again", format=kind)
    run_here(again)
    assert read_tree(tmp_path / "again") == before, "equal rows give equal bytes wherever they are written"


def test_rows_have_their_parameters_facts_and_reasons_recorded(pictures: Path, tmp_path: Path) -> None:
    run_here(plan_job(pictures, tmp_path / "out"))
    records = [r for n in ("00000", "00001", "00002") for r in Manifest(tmp_path / "out").iter_records(n)]
    by_key = {record.key: record for record in records}
    assert list(by_key) == ["p0", "p1", "p2", "p3", "q_cut", "r_flat", "sub/p4.v2"]
    low = {by_key[key].params["canny"]["low_threshold"] for key in GOOD}
    assert len(low) > 1
    assert all(30 <= value <= 120 for value in low)
    assert by_key["sub/p4.v2"].width == 32
    assert by_key["p0"].facts["canny"].edges
    assert "cut off" in by_key["q_cut"].refused


@pytest.mark.parametrize("damage", ["report", "file", "half"])
def test_a_shard_that_is_not_whole_is_done_again(pictures: Path, tmp_path: Path, damage: str) -> None:
    job = plan_job(pictures, tmp_path / "out", format="webdataset")
    run_here(job)
    before = read_tree(tmp_path / "out")
    folder = tmp_path / "out" / ".underdrawing"
    if damage == "file":
        (tmp_path / "out" / "00001.tar").unlink()
    else:
        (folder / "shards" / "00001.json").unlink()
    if damage == "half":  # killed at work, and between the two renames
        (folder / "parts" / "00001" / "files").mkdir(parents=True)
        (folder / "parts" / "00001" / "files" / "00001.tar").write_bytes(b"half")
        (folder / "rows" / "00001.jsonl").unlink()
    run_here(job)
    assert read_tree(tmp_path / "out") == before


def test_on_error_keep_writes_rows_without_maps_but_not_filtered_ones(pictures: Path, tmp_path: Path) -> None:
    from underdrawing.core.dataset.sources.webdataset import iter_samples

    run_here(plan_job(pictures, tmp_path / "out", format="webdataset", on_error="keep"))
    samples = dict(iter_samples(tmp_path / "out" / "00001.tar"))
    assert samples["q_cut"].keys() == {"record.json"}
    assert json.loads(samples["q_cut"]["record.json"])["kind"] == "picture"
    assert "r_flat" not in samples


@pytest.mark.parametrize("kind", ["folder", "webdataset"])
def test_on_error_keep_writes_nothing_under_a_key_that_is_no_name(tmp_path: Path, kind: Any) -> None:
    (tmp_path / "in").mkdir()
    write_tar(tmp_path / "in" / "a.tar", {"ok.png": encode(1), "../../evil.png": encode(2)})
    run_here(plan_job(tmp_path / "in", tmp_path / "a" / "b" / "out", format=kind, on_error="keep"))
    names = {path.name for path in tmp_path.rglob("*evil*")}
    if kind == "webdataset":
        with tarfile.open(tmp_path / "a" / "b" / "out" / "a.tar") as tar:
            names |= {name for name in tar.getnames() if "evil" in name}
    assert not names


def test_on_error_stop_ends_with_the_row_and_keeps_what_was_committed(pictures: Path, tmp_path: Path) -> None:
    with pytest.raises(BadImage, match=r"q_cut.*--on-error"):
        run_here(plan_job(pictures, tmp_path / "out", on_error="stop"))
    assert list(Manifest(tmp_path / "out").list_reports()) == ["00000"]
    assert not any("p3" in name and "parts" not in name for name in read_tree(tmp_path / "out"))


def test_a_filter_does_not_stop_a_run(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.png").write_bytes(encode(1))
    job = plan_job(tmp_path / "in", tmp_path / "out", on_error="stop", filters=FilterParams(min_size=17))
    assert run_here(job)["00000"].refused[0][1] == "size"


def test_a_full_disk_ends_the_run_and_leaves_nothing_half(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    job = plan_job(pictures, tmp_path / "out", format="webdataset")
    with monkeypatch.context() as full:
        full.setattr(module, "encode_record", fail)
        with pytest.raises(WriteFailed, match="disk is full"):
            run_here(job)
    assert not list((tmp_path / "out").glob("*.tar"))
    run_here(job)
    assert len(list((tmp_path / "out").glob("*.tar"))) == 3


def test_pictures_that_come_or_go_are_named_and_not_mixed(tmp_path: Path) -> None:
    source = write_folder(tmp_path / "in")
    job = plan_job(source, tmp_path / "out")
    run_here(job)
    (source / "p0b.png").write_bytes(encode(9))
    with pytest.raises(BadParameter, match="added, removed or renamed"):
        run_here(job)


def test_a_tar_that_is_replaced_is_done_again(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    write_tar(tmp_path / "in" / "a.tar", {"x.png": encode(1)})
    job = plan_job(tmp_path / "in", tmp_path / "out")
    run_here(job)
    assert (tmp_path / "out" / "a" / "x.canny.png").is_file()
    write_tar(tmp_path / "in" / "a.tar", {f"{n}.png": encode(n, size=(240, 160)) for n in range(9)})
    assert run_here(job)["a"].written == 9
    assert not (tmp_path / "out" / "a" / "x.canny.png").exists()


def test_keys_of_two_tars_do_not_write_over_each_other(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name in "ab":
        write_tar(tmp_path / "in" / f"{name}.tar", {"000.png": encode(ord(name))})
    run_here(plan_job(tmp_path / "in", tmp_path / "out"))
    maps = [name for name in read_tree(tmp_path / "out") if name.endswith(".canny.png")]
    assert maps == ["a/000.canny.png", "b/000.canny.png"]


@pytest.mark.parametrize("kind", ["folder", "webdataset"])
def test_keys_that_are_taken_or_no_names_are_refused(tmp_path: Path, kind: Any) -> None:
    members = {"a.png": encode(1), "b.png": encode(2), "../c.png": encode(3), "a.v2/d.png": encode(4)}
    path = write_tar(tmp_path / "in.tar", {**members, "A.png": encode(5), "a.jpg": encode(6)})
    report = run_here(plan_job(path, tmp_path / "out", format=kind))["in"]
    assert [(key, why) for key, why, _ in report.refused] == [("../c", "key"), ("a", "key")]
    assert report.written == 4


def test_keys_that_a_tar_would_take_for_one_are_refused(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name in ("a.v2", "a_v2"):
        (tmp_path / "in" / f"{name}.png").write_bytes(encode(1))
    report = run_here(plan_job(tmp_path / "in", tmp_path / "out", format="webdataset"))["00000"]
    assert [(key, why) for key, why, _ in report.refused] == [("a_v2", "key")]


def test_a_tar_cut_off_gives_the_rows_before_and_the_reason(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "in.tar", {f"{n}.png": encode(n) for n in range(5)})
    whole = path.read_bytes()
    path.write_bytes(whole[: whole.index(b"3.png") + 600])
    report = run_here(plan_job(path, tmp_path / "out"))["in"]
    assert report.written == 3
    assert [why for _, why, _ in report.refused] == ["damage"]
    assert "damaged at 3.png" in report.refused[0][2]


def test_a_reason_names_the_file_where_the_key_does_not(tmp_path: Path) -> None:
    why = 'needs pyarrow: pip install "underdrawing[dataset]"'
    pa, pq = (pytest.importorskip(name, reason=why) for name in ("pyarrow", "pyarrow.parquet"))
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "cut.png").write_bytes(CUT_OFF)
    pq.write_table(pa.table({"id": ["x", "a/cut"], "path": ["gone.png", "a/cut.png"]}), tmp_path / "in.parquet")
    report = run_here(plan_job(tmp_path / "in.parquet", tmp_path / "out", key="id"))["in"]
    reasons = {key: reason for key, _, reason in report.refused}
    assert "gone.png" in reasons["x"]
    assert "cut.png" not in reasons["a/cut"]


def test_a_table_without_the_picture_column_costs_itself_only(tmp_path: Path) -> None:
    need("pyarrow")
    import pyarrow as pa
    import pyarrow.parquet as pq

    (tmp_path / "in").mkdir()
    for name, column in (("a", "image"), ("b", "other"), ("c", "image")):
        pq.write_table(pa.table({column: [encode(1)]}), tmp_path / "in" / f"{name}.parquet")
    whole = (tmp_path / "in" / "c.parquet").read_bytes()
    (tmp_path / "in" / "c.parquet").write_bytes(whole[:-20])
    reports = run_here(plan_job(tmp_path / "in", tmp_path / "out"))
    assert [report.written for report in reports.values()] == [1, 0, 0]
    assert [why for name in "bc" for _, why, _ in reports[name].refused] == ["damage", "damage"]
    assert "no column of pictures" in reports["b"].refused[0][2]


def test_a_reader_that_panics_costs_its_shard_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class PanicException(BaseException):
        """What readers written in Rust raise."""

    def panic(*_: object, **__: object) -> Any:
        raise PanicException("index out of range")

    monkeypatch.setattr("underdrawing.core.dataset.sources.webdataset.iter_rows", panic)
    path = write_tar(tmp_path / "in.tar", {"a.png": encode(1)})
    report = run_here(plan_job(path, tmp_path / "out"))["in"]
    assert [(why, "PanicException: index" in reason) for _, why, reason in report.refused] == [("damage", True)]


def test_a_picture_that_is_exchanged_is_annotated_again_and_one_that_is_copied_is_not(tmp_path: Path) -> None:
    source = write_folder(tmp_path / "in")
    job = plan_job(source, tmp_path / "out", layout="diffusers")
    reports = run_here(job)
    shards = list_shards(str(source), size=3)

    def explain() -> list[str]:
        manifest = Manifest(tmp_path / "out")
        return [module.explain_redo(manifest, shard, reports[shard.name]) for shard in shards]

    assert explain() == ["", "", ""]
    copy = (source / "p1.png").read_bytes()
    (source / "p1.png").write_bytes(copy)
    os.utime(source / "p1.png", (1, 1))
    assert explain() == ["", "", ""]
    (source / "p1.png").write_bytes(encode(8))
    (source / "p3.txt").write_text("a caption")
    assert [("p1.png" in why, "p3.png" in why) for why in explain()] == [(True, False), (False, True), (False, False)]
    before = read_tree(tmp_path / "out")
    assert run_here(job)["00000"].files != reports["00000"].files
    changed = {name for name, data in read_tree(tmp_path / "out").items() if before[name] != data}
    maps = {name for name in changed if name.endswith(".png")}
    places = ("image", "conditioning_image")
    assert maps == {f"{one}/{place}/p1.png" for one in ("canny", "invert") for place in places}


def test_what_is_committed_is_on_disk_before_it_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[str] = []
    sync_paths, move = module.sync_paths, module._move

    def note_sync(paths: Sequence[Path]) -> None:
        steps.extend(f"sync {path.name}" for path in sorted(paths))
        sync_paths(paths)

    def note_move(path: Path, target: Path) -> None:
        steps.append(f"move {path.name}")
        move(path, target)

    monkeypatch.setattr(module, "sync_paths", note_sync)
    monkeypatch.setattr(module, "_move", note_move)
    path = write_tar(tmp_path / "in.tar", {"a.png": encode(1)})
    run_here(plan_job(path, tmp_path / "out", format="webdataset"))
    folders = [f"sync {path.name}" for path in sorted((tmp_path / "out", *(tmp_path / "out").glob(".*/rows")))]
    assert steps[:4] == ["sync in.tar", "sync in.jsonl", "move in.tar", "move in.jsonl"]
    assert set(folders) <= set(steps[4:])


def test_a_table_that_is_broken_off_leaves_no_writer_behind(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    need("pyarrow")
    unraisable: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", unraisable.append)
    with pytest.raises(BadImage):
        run_here(plan_job(pictures, tmp_path / "out", format="parquet", on_error="stop"))
    gc.collect()
    assert not unraisable


def test_a_map_that_was_edited_is_not_replaced(pictures: Path, tmp_path: Path) -> None:
    """Its shard is to be annotated anew because of another picture."""
    pictures = shutil.copytree(pictures, tmp_path / "in")
    job = plan_job(pictures, tmp_path / "out", format="folder")
    run_here(job)
    mine = next(path for path in (tmp_path / "out").glob("p0*.png"))
    mine.write_bytes(b"retouched")
    run_here(job)
    (pictures / "p1.png").write_bytes(encode(9))
    with pytest.raises(NameTaken, match=r"p0.*changed since it was written.*move or delete"):
        run_here(job)
    assert mine.read_bytes() == b"retouched"
    mine.unlink()
    run_here(job)
    assert mine.read_bytes() != b"retouched"


def test_a_file_of_others_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    write_tar(tmp_path / "in" / "a.tar", {"x.png": encode(1)})
    job = plan_job(tmp_path / "in", tmp_path / "out", format="folder")
    run_here(job)
    written = next((tmp_path / "out" / "a").glob("x*.png")).name
    mine = tmp_path / "out" / "b" / written
    mine.parent.mkdir()
    mine.write_bytes(b"mine")
    write_tar(tmp_path / "in" / "b.tar", {"x.png": encode(2)})
    with pytest.raises(NameTaken, match="a file that this program did not write"):
        run_here(job)
    assert mine.read_bytes() == b"mine"


def interrupt(*_: Any) -> None:
    raise KeyboardInterrupt


def test_files_of_a_killed_run_are_replaced(pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was killed as it annotated another picture anew, before its report."""
    pictures = shutil.copytree(pictures, tmp_path / "in")
    job = plan_job(pictures, tmp_path / "out", format="folder")
    run_here(job)
    (pictures / "p1.png").write_bytes(encode(9))
    with monkeypatch.context() as patch:
        patch.setattr(Manifest, "commit", interrupt)
        with pytest.raises(KeyboardInterrupt):
            run_here(job)
    (pictures / "p1.png").write_bytes(encode(10))
    run_here(job)
    before = read_tree(tmp_path / "out")
    again = plan_job(pictures, tmp_path / "again", format="folder")
    run_here(again)
    assert read_tree(tmp_path / "again") == before


def test_captions_that_were_edited_stay(pictures: Path, tmp_path: Path) -> None:
    """Also when another shard is annotated anew; those of its pictures follow the sidecars."""
    pictures = shutil.copytree(pictures, tmp_path / "in")
    job = plan_job(pictures, tmp_path / "out", format="folder", layout="diffusers")
    manifest, path = Manifest(tmp_path / "out"), find_captions(job, tmp_path / "out")["canny"]

    def annotate() -> dict[str, str]:
        run_here(job)
        write_captions(job, manifest)
        rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
        return {row["file_name"]: row.get("text", "") for row in rows}

    before = annotate()
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    rows[0]["text"] = "mine"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in [*rows, {"file_name": "image/mine.png"}]), "utf-8")
    expected = {**before, rows[0]["file_name"]: "mine", "image/mine.png": ""}
    assert annotate() == expected
    (pictures / "p3.txt").write_text("written since", "utf-8")
    later = path.stat().st_mtime_ns + 1
    report = manifest.folder / "shards" / "00001.json"
    run_here(job)
    os.utime(report, ns=(later, later))  # whatever the resolution of the file system's clock
    assert annotate() == {**expected, "image/p3.png": "written since"}
