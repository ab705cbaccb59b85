"""For every test: one thread where several processes share the machine, a heap quick to collect, no clock."""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
from importlib.util import find_spec

if "PYTEST_XDIST_WORKER" in os.environ:  # before torch and others are imported, which read it once
    os.environ.setdefault("OMP_NUM_THREADS", "1")

# a hundred children import the package: compiling it each time costs more than what they are started for
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# jobs in the background of a shell are started with Ctrl-C ignored
if threading.current_thread() is threading.main_thread():
    signal.signal(signal.SIGINT, signal.default_int_handler)

if find_spec("hypothesis") is not None:
    from hypothesis import HealthCheck, settings

    # an example may take as long as a busy machine needs
    settings.register_profile("patient", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("patient")


def pytest_collection_finish() -> None:
    """Leave out of later collections what lives to the end: modules and tests (unloading a network collects)."""
    gc.collect()
    gc.freeze()
