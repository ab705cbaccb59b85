"""Started by the host before any script: nobody else may import what stands in this folder."""

from __future__ import annotations

import os
from pathlib import Path
from runpy import run_path

run_path(str(Path(__file__).resolve().parent / "loading.py"))["shield"](os.path.dirname(__file__))  # noqa: PTH120
