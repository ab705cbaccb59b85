from __future__ import annotations

import io
import tarfile
from typing import TYPE_CHECKING

import pytest

from underdrawing.core.errors import BadImage
from underdrawing.pipeline.training.data.shards import find_mask, find_picture, read_shard

if TYPE_CHECKING:
    from pathlib import Path


def write_shard(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def test_files_of_one_name_belong_together(tmp_path: Path) -> None:
    files = {"a/1.jpg": b"picture", "a/1.txt": b"text", "a/1.mask.png": b"mask", "b/1.PNG": b"other", "c.cls": b"0"}
    shard = read_shard(write_shard(tmp_path / "a.tar", files), "a.tar")
    assert sorted(shard.entries) == ["a/1", "b/1", "c"]
    entry = shard.entries["a/1"]
    picture, mask = find_picture(entry), find_mask(entry)
    assert picture is not None
    assert mask is not None
    assert (picture.name, picture.read(), mask.read(), entry[".txt"].read()) == (
        "a.tar/a/1.jpg",
        b"picture",
        b"mask",
        b"text",
    )
    assert find_picture(shard.entries["c"]) is None
    assert find_mask(shard.entries["b/1"]) is None


def test_links_and_devices_in_shards_are_left_out(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for name, kind in (("l.png", tarfile.SYMTYPE), ("d.png", tarfile.CHRTYPE), ("x", tarfile.DIRTYPE)):
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, "/etc/passwd"
            archive.addfile(member)
    shard = read_shard(tmp_path / "a.tar", "a.tar")
    assert shard.entries == {}
    assert [name for name, _ in shard.left_out] == ["a.tar/l.png", "a.tar/d.png"]


def test_what_is_no_tar_and_what_ends_early_is_said(tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(b"no tar at all" * 100)
    assert "plain tar" in read_shard(tmp_path / "a.tar", "a.tar").fault
    path = write_shard(tmp_path / "b.tar", {"1.png": b"x" * 4000, "2.png": b"y" * 4000})
    path.write_bytes(path.read_bytes()[:6000])
    shard = read_shard(path, "b.tar")
    assert "1" in shard.entries
    assert shard.fault or "2" not in shard.entries or _is_cut_off(shard.entries["2"][".png"].read)


def _is_cut_off(read: object) -> bool:
    with pytest.raises(BadImage, match="ends within this file"):
        read()  # type: ignore[operator]
    return True


def test_names_that_lead_out_and_names_that_come_again_are_said(tmp_path: Path) -> None:
    names = ("/abs/a.png", "../../b.png", "c.png", "c.jpg")
    path = write_shard(tmp_path / "a.tar", dict.fromkeys(names, b"x"))
    with tarfile.open(path, "a") as archive:
        archive.addfile(tarfile.TarInfo("c.png"))
    shard = read_shard(path, "a.tar")
    assert list(shard.entries) == ["c"]
    assert [reason.split(":")[0] for _, reason in shard.left_out] == [
        "has a name that leads out of the shard",
        "has a name that leads out of the shard",
        "is in the shard more than once",
    ]
