"""Small data sets: pictures in folders, tars and tables, and jobs over them."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from underdrawing.core.dataset.job import Job, JobAnnotator, ShardReport
from underdrawing.core.dataset.manifest import Manifest
from underdrawing.core.dataset.options import FilterParams
from underdrawing.core.dataset.random_values import parse_random
from underdrawing.core.dataset.run_shard import run_shard
from underdrawing.core.dataset.shards import list_shards
from underdrawing.preprocessors import load_annotator

CUT_OFF = b"\x89PNG\r\n\x1a\nxx"
FORMATS = ("folder", "webdataset", "parquet", "lance")
PACKAGES = {"parquet": ("pyarrow",), "lance": ("lance", "pyarrow")}
"""Format → what it needs."""


def need(*packages: str) -> None:
    """Skip where an optional package of data sets is missing."""
    for package in packages:
        pytest.importorskip(package, reason=f'needs {package}: pip install "underdrawing[dataset]"')


def encode(number: int, kind: str = "PNG", size: tuple[int, int] = (24, 16)) -> bytes:
    """A picture file of coloured squares."""
    cells = np.random.default_rng(number).integers(0, 256, (size[1] // 8, size[0] // 8, 3), np.uint8)
    target = io.BytesIO()
    Image.fromarray(np.kron(cells, np.ones((8, 8, 1), np.uint8))).save(target, kind)
    return target.getvalue()


def write_folder(folder: Path) -> Path:
    """Five pictures, two with captions, one in a folder below; one that is cut off, and one without an edge."""
    (folder / "sub").mkdir(parents=True)
    for number in range(4):
        (folder / f"p{number}.png").write_bytes(encode(number))
    (folder / "sub" / "p4.v2.jpg").write_bytes(encode(4, "JPEG", (32, 16)))
    (folder / "p0.txt").write_text("a red  square\n", encoding="utf-8")
    (folder / "sub" / "p4.v2.txt").write_text("größe", encoding="utf-8")
    (folder / "q_cut.png").write_bytes(CUT_OFF)
    Image.new("RGB", (24, 16)).save(folder / "r_flat.png")
    return folder


def write_tar(path: Path, members: dict[str, bytes]) -> Path:
    """A tar of these files."""
    with tarfile.open(path, "w") as tar:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def plan_job(source: Path | str, destination: Path, **given: Any) -> Job:
    """A job of canny with a random parameter, and invert."""
    field = next(one for one in load_annotator("canny").fields() if one.name == "low_threshold")
    low = parse_random("uniform(30,120)", field, where="canny")
    assert low is not None
    canny = JobAnnotator(
        name="canny", id="canny", version=1, params={"high_threshold": 200}, random={"low_threshold": low}
    )
    annotators = given.pop("annotators", (canny, JobAnnotator(name="invert", id="invert", version=1)))
    given.setdefault("filters", FilterParams(min_edges=0.001))
    return Job(source=str(source), destination=str(destination), annotators=annotators, **given)


def run_here(job: Job, *, size: int = 3) -> dict[str, ShardReport]:
    """Run all shards in this process."""
    annotators = {one.name: load_annotator(one.id) for one in job.annotators}
    shards = list_shards(job.source, size=size)
    with Manifest(Path(job.destination)).hold(job, shards):
        return {shard.name: run_shard(job, shard, annotators) for shard in shards}


def read_tree(folder: Path) -> dict[str, bytes]:
    """Path → content of all files below a folder."""
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}
