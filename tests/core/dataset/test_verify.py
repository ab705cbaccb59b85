"""Damage of every kind is named by shard and row."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from tests.support.datasets import FORMATS, PACKAGES, need, plan_job, read_tree, run_here

from underdrawing.core.dataset.manifest import Manifest
from underdrawing.core.dataset.run_job import write_captions
from underdrawing.core.dataset.verify import Verification
from underdrawing.core.errors import BadParameter
from underdrawing.core.progress import Progress


def verify(folder: Path, *, quick: bool = False) -> list[str]:
    return [str(problem) for problem in Verification(Manifest(folder), quick=quick).run(Progress())]


@pytest.fixture(scope="module")
def made(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Copies of data sets of a format and layout."""
    root, known = tmp_path_factory.mktemp("made"), dict[tuple[str, str], Path]()

    def copy(kind: Any, target: Path, layout: Any = "sidecar") -> Path:
        need(*PACKAGES.get(kind, ()))
        if (kind, layout) not in known:
            job = plan_job(pictures, root / f"{kind}-{layout}", format=kind, layout=layout)
            run_here(job)
            write_captions(job, Manifest(Path(job.destination)))
            known[kind, layout] = Path(job.destination)
        return Path(shutil.copytree(known[kind, layout], target / "out"))

    return copy


@pytest.mark.parametrize("layout", ["sidecar", "plain", "diffusers"])
@pytest.mark.parametrize("kind", FORMATS)
def test_what_was_written_is_whole(made: Callable[..., Path], tmp_path: Path, kind: str, layout: str) -> None:
    if layout == "plain" and kind != "folder":
        return
    folder = made(kind, tmp_path, layout)
    check = Verification(Manifest(folder))
    assert list(check.run(Progress())) == []
    assert (check.shards, check.rows, check.maps) == (3, 7, 10)
    assert verify(folder, quick=True) == []


def change(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x55
    path.write_bytes(bytes(data))


def shrink(path: Path) -> None:
    target = io.BytesIO()
    Image.open(path).resize((5, 5)).save(target, "PNG")
    path.write_bytes(target.getvalue())


@pytest.mark.parametrize(
    ("kind", "file", "damage", "parts"),
    [
        (
            "folder",
            "p1.canny.png",
            Path.unlink,
            ("shard 00000, row p1: has no map of canny", "p1.canny.png is missing"),
        ),
        ("folder", "p1.canny.png", change, ("shard 00000", "row p1: the map of canny is damaged", "has changed")),
        ("folder", "sub/p4.v2.invert.png", shrink, ("shard 00002", "row sub/p4.v2", "has 5 x 5 pixels", "32 x 16")),
        ("webdataset", "00001.tar", Path.unlink, ("shard 00001: 00001.tar is missing", "run the same")),
        ("webdataset", "00001.tar", change, ("shard 00001: 00001.tar has changed",)),
        ("parquet", "00001.parquet", change, ("shard 00001: 00001.parquet has changed",)),
        ("parquet", "00001.parquet", Path.unlink, ("shard 00001: 00001.parquet is missing",)),
    ],
)
def test_damage_is_named_by_shard_and_row_with_the_next_step(
    made: Callable[..., Path],
    tmp_path: Path,
    kind: str,
    file: str,
    damage: Callable[[Path], None],
    parts: tuple[str, ...],
) -> None:
    folder = made(kind, tmp_path)
    damage(folder / file)
    told = "\n".join(verify(folder))
    for part in parts:
        assert part in told
    assert "Next:" in told
    assert verify(folder, quick=True)


def test_a_tar_cut_off_says_behind_which_row(made: Callable[..., Path], tmp_path: Path) -> None:
    folder = made("webdataset", tmp_path)
    whole = (folder / "00000.tar").read_bytes()
    (folder / "00000.tar").write_bytes(whole[: whole.index(b"p2.canny.png") + 700])
    told = "\n".join(verify(folder))
    assert "row p1: the tar is damaged at p2.canny.png" in told
    assert "1 rows are behind the damage" in told


def test_a_parquet_cut_off_is_named(made: Callable[..., Path], tmp_path: Path) -> None:
    folder = made("parquet", tmp_path)
    whole = (folder / "00000.parquet").read_bytes()
    (folder / "00000.parquet").write_bytes(whole[:-200])
    told = "\n".join(verify(folder))
    assert "shard 00000: the file is damaged" in told


def test_rows_that_are_missing_or_foreign_are_named_even_where_hashes_fit(
    made: Callable[..., Path], tmp_path: Path
) -> None:
    folder = made("webdataset", tmp_path)
    records = folder / ".underdrawing" / "rows" / "00000.jsonl"
    lines = records.read_bytes().splitlines(keepends=True)
    extra = {**json.loads(lines[0]), "key": "p9"}
    records.write_bytes(b"".join([*lines[1:], json.dumps(extra).encode() + b"\n"]))
    told = "\n".join(verify(folder))
    assert "shard 00000, row p9: is missing" in told
    assert "row p0: is no row of the shard's records" in told


@pytest.mark.parametrize(
    ("name", "content", "part"),
    [
        ("00007.tar", b"x", "00007.tar belongs to no shard"),
        ("sub/notes.txt", b"x", "sub/notes.txt belongs to no shard"),
        (".underdrawing/parts/00002/files/00002.tar", b"x", "is left of a run that was killed"),
        (".underdrawing/shards/00002.json", b"{", "shard 00002: the report of a shard is damaged"),
        (".underdrawing/rows/00002.jsonl", b"{\n", "shard 00002: the records of its rows cannot be read"),
    ],
)
def test_what_is_foreign_or_broken_beside_the_maps_is_named(
    made: Callable[..., Path], tmp_path: Path, name: str, content: bytes, part: str
) -> None:
    folder = made("webdataset", tmp_path)
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)
    assert part in "\n".join(verify(folder))


def test_shards_that_are_missing_or_of_another_source_are_named(made: Callable[..., Path], tmp_path: Path) -> None:
    folder = made("folder", tmp_path)
    shards = folder / ".underdrawing" / "shards"
    (shards / "00001.json").unlink()
    other = {**json.loads((shards / "00002.json").read_bytes()), "name": "00009", "files": {}, "rows": 0, "written": 0}
    (shards / "00009.json").write_text(json.dumps(other), encoding="utf-8")
    told = "\n".join(verify(folder))
    assert "shard 00001: is missing. Next: run the same" in told
    assert "shard 00009: is no shard of this data set's source" in told


def test_captions_that_do_not_fit_the_rows_are_named(made: Callable[..., Path], tmp_path: Path) -> None:
    folder = made("folder", tmp_path, "diffusers")
    (folder / "canny" / "metadata.jsonl").write_bytes(b"")
    (folder / "invert" / "metadata.jsonl").unlink()
    told = "\n".join(verify(folder))
    assert "metadata.jsonl of canny does not list 5 rows" in told
    assert "metadata.jsonl of invert is missing" in told


def test_another_folder_is_no_data_set(tmp_path: Path) -> None:
    with pytest.raises(BadParameter, match="no data set"):
        verify(tmp_path)


def test_nothing_is_written_while_verifying(made: Callable[..., Path], tmp_path: Path) -> None:
    folder = made("folder", tmp_path)
    before = read_tree(folder)
    verify(folder)
    assert read_tree(folder) == before
