from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest
from tests.support.command_line import picture

from underdrawing.core.errors import BadParameter
from underdrawing.pipeline.training.data.finding import find_samples

from .test_shards import write_shard

if TYPE_CHECKING:
    from pathlib import Path

    from underdrawing.pipeline.training.data.finding import Found


def captions(found: Found) -> dict[str, tuple[str, int]]:
    return {sample.name: (sample.caption, sample.repeats) for sample in found.samples}


def test_captions_and_repeats_of_every_kind(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    (tmp_path / "a.txt").write_text("from text")
    picture(tmp_path / "b.jpg", seed=1)
    (tmp_path / "b.json").write_text('{"caption": "from json"}')
    picture(tmp_path / "10_blue hat" / "c.webp", seed=2)
    picture(tmp_path / "sub" / "d.png", seed=3)
    entry = {"file_name": "sub/d.png", "text": "from metadata", "map": "d_map.png", "number": 3}
    (tmp_path / "metadata.jsonl").write_text(json.dumps(entry) + "\n")
    found = find_samples(tmp_path)
    assert captions(found) == {
        "10_blue hat/c.webp": ("blue hat", 10),
        "a.png": ("from text", 1),
        "b.jpg": ("from json", 1),
        "sub/d.png": ("from metadata", 1),
    }
    assert found.samples[-1].fields == {"file_name": "sub/d.png", "text": "from metadata", "map": "d_map.png"}
    assert found.notes["pictures count 10 times, as their folder's name 10_blue hat says"] == 1
    assert any("name of the folder" in note for note in found.notes)


def test_captions_that_are_missing_are_the_trigger_word_or_empty_and_said(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    found = find_samples(tmp_path, trigger="sks")
    assert captions(found) == {"a.png": ("sks", 1)}
    assert list(found.notes) == ["pictures have no caption: 'sks', the trigger word takes its place"]
    found = find_samples(tmp_path)
    assert captions(found) == {"a.png": ("", 1)}
    assert list(found.notes) == ["pictures have no caption: an empty one takes its place"]


def test_lines_of_metadata_that_lead_nowhere_are_listed(tmp_path: Path) -> None:
    picture(tmp_path / "data" / "a.png")
    picture(tmp_path / "b.png")
    lines = [
        "{",
        "[]",
        '{"file_name": "../b.png"}',
        '{"file_name": "c.png"}',
        '{"file_name": 3}',
        '{"file_name": "\\u0000"}',
    ]
    (tmp_path / "data" / "metadata.jsonl").write_text("\n".join(lines))
    found = find_samples(tmp_path / "data")
    assert list(captions(found)) == ["a.png"]
    assert [name for name, _ in found.left_out] == [
        *(f"metadata.jsonl, line {number}" for number in (1, 2, 3, 5, 6)),
        "c.png",
    ]


def test_masks_stand_beside_pictures_or_in_a_folder_and_are_no_pictures(tmp_path: Path) -> None:
    data = tmp_path / "data"
    for name in ("a/1.png", "a/1_mask.png", "b/1.png", "b/2.png", "c_mask.png"):
        picture(data / name)
    picture(tmp_path / "masks" / "a" / "1.png")
    picture(tmp_path / "masks" / "2-mask.png")
    picture(tmp_path / "masks" / "1.png")
    plain = find_samples(data)
    assert list(captions(plain)) == ["a/1.png", "b/1.png", "b/2.png", "c_mask.png"], "a mask of nothing is a picture"
    assert any("masks beside pictures are not used" in note for note in plain.notes)
    assert not any(sample.mask for sample in plain.samples)
    beside = find_samples(data, masks="beside")
    assert [sample.mask.name if sample.mask else None for sample in beside.samples] == [
        "a/1_mask.png",
        None,
        None,
        None,
    ]
    folder = find_samples(data, masks=str(tmp_path / "masks"))
    found = [sample.mask.name.rpartition("masks")[2] if sample.mask else None for sample in folder.samples]
    assert [name and name.replace(os.sep, "/") for name in found] == ["/a/1.png", None, "/2-mask.png", None]
    with pytest.raises(BadParameter, match="is no folder"):
        find_samples(data, masks=str(tmp_path / "nowhere"))


def test_shards_alone_and_in_folders(tmp_path: Path) -> None:
    content = picture(tmp_path / "x.png").read_bytes()
    (tmp_path / "in").mkdir()
    files = {"1.png": content, "1.txt": b"one", "1.mask.png": content, "2.txt": b"alone"}
    shard = write_shard(tmp_path / "in" / "a.tar", files)
    found = find_samples(tmp_path / "in", masks="beside")
    assert captions(found) == {"a.tar/1.png": ("one", 1)}
    assert found.samples[0].mask is not None
    assert captions(find_samples(shard)) == {"a.tar/1.png": ("one", 1)}
    assert found.passed["entries of shards without a picture"] == 1


def test_copies_have_one_digest_and_odd_names_are_taken(tmp_path: Path) -> None:
    content = picture(tmp_path / "x.png").read_bytes()
    for name in ("a b.png", "ä\n.png", "#?.png", os.fsdecode(b"\xff.png")):
        (tmp_path / name).write_bytes(content)
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "nowhere.png").symlink_to(tmp_path / "gone")
    found = find_samples(tmp_path)
    assert len(found.samples) == 5
    assert len({sample.digest for sample in found.samples}) == 1
    assert found.passed["dangling link"] == 1


@pytest.mark.parametrize("kind", ["nothing", "empty", "texts", "file"])
def test_no_picture_at_all_is_an_error(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "data"
    if kind != "nothing":
        path.mkdir()
    if kind == "texts":
        (path / "a.txt").write_text("a")
        (path / "b.exr").write_bytes(b"")
    if kind == "file":
        path = path / "a.tar"
        path.write_bytes(b"x" * 2000)
    with pytest.raises(BadParameter, match=r"no such folder|holds no picture") as error:
        find_samples(path)
    assert "Next: " in str(error.value)
    if kind == "texts":
        assert "1 of another format (.exr)" in str(error.value)


def test_shared_captions_and_lines_that_come_again_are_said(tmp_path: Path) -> None:
    for name in ("a.png", "a.jpg", "b.png"):
        picture(tmp_path / name)
    (tmp_path / "a.txt").write_text("a thing")
    (tmp_path / "metadata.jsonl").write_text('{"file_name": "b.png", "text": "b"}\n' * 2)
    found = find_samples(tmp_path)
    assert sorted(found.notes.values()) == [1, 2]
    (tmp_path / "a.txt").unlink()
    found = find_samples(tmp_path)
    found.forget("a.png")
    assert [count for text, count in found.notes.items() if "no caption" in text] == [1]
