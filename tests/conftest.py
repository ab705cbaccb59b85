"""For every test: one thread each where several processes share the machine, and a heap that is quick to collect."""

from __future__ import annotations

import gc
import os
import sys

if "PYTEST_XDIST_WORKER" in os.environ:  # before torch and others are imported, which read it once
    os.environ.setdefault("OMP_NUM_THREADS", "1")

# a hundred children import the package: compiling it each time costs more than what they are started for
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False


def pytest_collection_finish() -> None:
    """Leave out of later collections what lives to the end: modules and tests (unloading a network collects)."""
    gc.collect()
    gc.freeze()
