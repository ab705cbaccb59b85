"""Standard input, output or error that are closed change neither the exit code nor the files of a command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from tests.support.command_line import DEV

if TYPE_CHECKING:
    from pathlib import Path

POSE = {
    "canvas_width": 64,
    "canvas_height": 64,
    "people": [{"pose_keypoints_2d": [value for n in range(18) for value in (10 + n, 20 + n, 1)]}],
}
COMMANDS = {
    "a report": ["weights", "where"],
    "a file": ["pose", "edit", "pose.json", "-o", "out.json", "--mirror"],
    "pictures": ["pose", "render", "pose.json", "-o", "out"],
    "a refusal": ["prompt", "explain", "--no-such-option"],
}
CHILD = """
import os, sys
for number in sys.argv.pop(1):
    os.close(int(number))
os.execv(sys.executable, [sys.executable, "-m", "underdrawing", *sys.argv[1:]])
"""


def run_without(streams: str, command: list[str], folder: Path) -> tuple[int, list[str]]:
    folder.mkdir()
    (folder / "pose.json").write_text(json.dumps(POSE))
    path = os.pathsep.join([str(DEV), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-c", CHILD, streams, *command],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        check=False,
    )
    assert b"Traceback" not in done.stderr
    return done.returncode, sorted(str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file())


@pytest.mark.skipif(os.name == "nt", reason="streams are closed by their numbers, as POSIX shells do")
@pytest.mark.parametrize("what", COMMANDS)
def test_closed_streams_change_nothing(what: str, tmp_path: Path) -> None:
    usual = run_without("", COMMANDS[what], tmp_path / "usual")
    for streams in ("0", "1", "2", "012"):
        assert run_without(streams, COMMANDS[what], tmp_path / streams) == usual
