from __future__ import annotations

import os
from pathlib import Path

from underdrawing.core.file_state import WrittenFiles, describe_files


def test_size_time_and_absence_change_the_state(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    seen = [describe_files([path])]
    path.write_bytes(b"a")
    seen.append(describe_files([path]))
    os.utime(path, ns=(1, 1))
    seen.append(describe_files([path]))
    path.write_bytes(b"ab")
    os.utime(path, ns=(1, 1))
    seen.append(describe_files([path]))
    path.unlink()
    assert len(set(seen)) == 4
    assert describe_files([path]) == seen[0]


def test_a_name_that_no_file_can_have_is_not_there() -> None:
    assert describe_files([Path("a\0b")]).endswith("is not there")


def test_a_step_is_run_once_more_after_a_loss_and_not_again(tmp_path: Path) -> None:
    written, path = WrittenFiles(), tmp_path / "map.png"
    assert written.count_losses("map") == 0
    path.touch()
    written.add("map", [path])
    assert [written.count_losses("map") for _ in range(2)] == [0, 0]
    path.unlink()
    assert [written.count_losses("map") for _ in range(2)] == [1, 1]
    path.touch()
    written.add("map", [path])
    assert written.count_losses("map") == 1
    path.unlink()
    assert written.count_losses("map") == 2
    assert written.count_losses("another") == 0
