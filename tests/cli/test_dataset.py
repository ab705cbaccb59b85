"""Data sets from the command line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from PIL import Image
from tests.support.datasets import encode, plan_job, read_tree, run_here, write_folder, write_tar

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.command_line import Run

COMMON = ("--annotators", "canny,invert", "--shard-size", "3", "--workers", "1")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("source") / "pictures")


def test_a_folder_is_annotated_verified_described_and_not_done_again(run: Run, source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    words = ("dataset", "annotate", source, *COMMON, "--out", out, "--min-edges", "0.001")
    words = (*words, "--canny.low_threshold", "uniform(30,120)", "--layout", "diffusers", "--log-json")
    done = run(*words)
    assert done.code == 0, done.err
    assert "3 of 3 shards, 7 rows, 5 with maps" in done.out
    assert "filtered by edges: 1" in done.out
    assert "q_cut: the PNG is cut off" in done.out
    events = [json.loads(line) for line in done.err.splitlines() if line.startswith("{")]
    assert [event["shard"] for event in events] == ["00000", "00001", "00002"]
    rows = [json.loads(line) for line in (out / "canny" / "metadata.jsonl").read_text("utf-8").splitlines()]
    assert rows[0] == {
        "file_name": "image/p0.png",
        "conditioning_image_file_name": "conditioning_image/p0.png",
        "text": "a red square",
    }
    assert rows[-1]["text"] == "größe"
    before = read_tree(out)
    assert run(*words).code == 0
    assert read_tree(out) == before
    assert run("dataset", "verify", out).code == 0
    stats = json.loads(run("dataset", "stats", out, "--json").out)
    assert stats["written"] == 5
    assert stats["maps"]["canny"]["params"]["low_threshold"]["count"] == 5
    other = run(*words, "--canny.high_threshold", "150")
    assert other.code != 0
    assert "begun with other settings: canny.high_threshold 200 is now 150" in other.err
    assert "begun with other settings" in run(*words, "--seed", "1", "--dry-run").err


def test_a_dry_run_says_what_would_be_done_and_writes_nothing(run: Run, source: Path, tmp_path: Path) -> None:
    words = ("dataset", "annotate", source, *COMMON, "--out", tmp_path / "out", "--dry-run")
    done = run(*words, "--canny.low_threshold", "choice(10,20)")
    assert done.code == 0
    for part in ("3 of 3 shards", "7 pictures", "low_threshold choice(10,20)", "nothing was written"):
        assert part in done.out
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (("--canny.low_threshold", "uniform(30,300)"), "300 is out of bounds"),
        (("--canny.low_threshold", "much"), "'much' is not a whole number"),
        (("--canny.low_threshold", "300"), "low_threshold"),
        (("--canny.threshold", "3"), "unknown parameter threshold"),
        (("--hed.safe",), "hed is no annotator of this run"),
        (("--parameter", "low_threshold"), "write NAME.PARAMETER=VALUE"),
        (("--min-people", "1"), "no annotator of the run shows poses"),
        (("--aspect", "x"), "not a range of aspects"),
        (("--format", "webdataset", "--layout", "plain"), "--layout plain is for --format folder"),
        (("--annotators", ""), "no annotator is named"),
        (("--annotators", "inpaint"), "needs a mask for every picture"),
        (("--annotators", "cany"), "cany"),
        (("--image", "jpg"), "--image has no effect on a folder"),
        (("--key", "id"), "--key has no effect on a folder"),
        (("--ray-address", "auto"), "--ray-address has no effect without --engine ray"),
    ],
)
def test_what_cannot_be_done_is_named_before_anything_is_written(
    run: Run, source: Path, tmp_path: Path, words: tuple[str, ...], part: str
) -> None:
    done = run("dataset", "annotate", source, *COMMON, "--out", tmp_path / "out", *words)
    assert done.code != 0
    assert part in done.err
    assert not (tmp_path / "out").exists()


def test_maps_never_lie_among_the_pictures(run: Run, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.png").write_bytes(encode(1))
    for out in (tmp_path / "in", tmp_path / "in" / "maps"):
        done = run("dataset", "annotate", tmp_path / "in", *COMMON, "--out", out)
        assert done.code != 0
        assert "outside the source" in done.err
    assert [path.name for path in (tmp_path / "in").iterdir()] == ["a.png"]


def test_a_source_that_is_none_is_named(run: Run, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for name in ("absent", "empty", "absent*/*.png"):
        done = run("dataset", "annotate", tmp_path / name, *COMMON, "--out", tmp_path / "out")
        assert done.code != 0
        assert name in done.err


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    run_here(plan_job(write_folder(tmp_path / "in"), tmp_path / "out"))
    return tmp_path / "out"


def test_the_exit_status_says_whether_it_is_whole(run: Run, dataset: Path) -> None:
    done = run("dataset", "verify", dataset)
    assert (done.code, "the data set is whole" in done.out) == (0, True)
    (dataset / "p1.canny.png").unlink()
    done = run("dataset", "verify", dataset, "--json")
    assert done.code == 1
    found = json.loads(done.out)
    assert found["whole"] is False
    assert {"shard": "00000", "row": "p1", "what": "has no map of canny"}.items() <= found["problems"][1].items()
    assert run("dataset", "verify", dataset, "--quick").code == 1


def test_what_is_no_data_set_is_named(run: Run, tmp_path: Path) -> None:
    for command in ("verify", "stats"):
        done = run("dataset", command, tmp_path)
        assert done.code != 0
        assert "this is no data set that" in done.err
        assert run("dataset", command, tmp_path / "absent").code != 0


def test_statistics_are_written_as_json_and_plots(run: Run, dataset: Path, tmp_path: Path) -> None:
    done = run("dataset", "stats", dataset, "-o", tmp_path / "stats")
    assert done.code == 0
    assert "7 rows: 5 with maps, 2 refused" in done.out
    assert "low_threshold: " in done.out
    names = {path.name for path in (tmp_path / "stats").iterdir()}
    assert {"stats.json", "stats.png", "size.png", "refused.png", "canny.edges.png"} <= names
    assert "canny.param.low_threshold.png" in names
    for name in names - {"stats.json"}:
        Image.open(tmp_path / "stats" / name).verify()
    assert json.loads((tmp_path / "stats" / "stats.json").read_text())["rows"] == 7


def test_a_data_set_that_is_not_finished_says_so(run: Run, dataset: Path) -> None:
    (dataset / ".underdrawing" / "shards" / "00002.json").unlink()
    done = run("dataset", "stats", dataset)
    assert "not annotated yet, and not counted: 1" in done.err
    assert "6 rows" in done.out


def test_damage_and_a_run_without_a_map_show_in_the_exit_status(run: Run, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    write_tar(tmp_path / "in" / "a.tar", {"a.png": encode(1)})
    (tmp_path / "in" / "b.tar").write_bytes(b"no tar")
    words = ("dataset", "annotate", tmp_path / "in", "--annotators", "canny", "--workers", "1", "--out")
    done = run(*words, tmp_path / "out", "--seed", "1", "--shard-size", "7")
    assert done.code == 1
    assert "2 of 2 shards, 2 rows, 1 with maps" in done.out
    assert "damaged shards, whose rows behind the damage are lost: b. Next: replace them" in done.out
    for name in ("--seed", "--shard-size"):
        assert f"{name} has no effect here" in done.err
    write_tar(tmp_path / "in" / "b.tar", {"b.png": encode(2)})
    done = run(*words, tmp_path / "out", "--seed", "1")
    assert done.code == 0
    assert "shard b is annotated again: its input has changed" in done.err
    assert "nothing to do: 2 of 2 shards" in run(*words, tmp_path / "out", "--seed", "1").out
    done = run(*words, tmp_path / "none", "--min-size", "1000")
    assert done.code == 1
    assert "no map was written, as every row was refused" in done.out
