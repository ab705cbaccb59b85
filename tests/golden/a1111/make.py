"""Draws the pictures beside this file with a real A1111 1.10, each with its infotext.

    A1111_DIR=... A1111_PYTHON=... python tests/golden/a1111/make.py

A1111_DIR: a stable-diffusion-webui 1.10.1 whose requirements A1111_PYTHON has. The world they are drawn of (checkpoint,
LoRA, embedding, photo, mask) is made from names by numpy's Philox: tests/support/a1111_pictures.py.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
sys.path[:0] = [str(ROOT / ".dev"), str(ROOT)]
from tests.support.a1111_pictures import CASES, draw_in_host, write_world  # noqa: E402

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        world = write_world(Path(folder) / "world")
        host, python = Path(os.environ["A1111_DIR"]), Path(os.environ["A1111_PYTHON"])
        for name in CASES:
            (HERE / f"{name}.png").unlink(missing_ok=True)
        printed = draw_in_host(host, python, world, CASES, HERE)
        if missing := [name for name in CASES if not (HERE / f"{name}.png").exists()]:
            raise SystemExit(f"{printed}\nnot drawn: {', '.join(missing)}")
