"""Started by A1111 and Forge before any script: no neighbour may import what stands in a clone's folder."""

from __future__ import annotations

import os
from pathlib import Path
from runpy import run_path

_loading = Path(__file__).resolve().parent / "a1111_extension" / "loading.py"
run_path(str(_loading))["shield"](os.path.dirname(__file__))  # noqa: PTH120
