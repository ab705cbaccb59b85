from __future__ import annotations

import subprocess
import sys

from underdrawing.pipeline.reference.training.crew import leave_after

PROGRAM = "import os, signal; os.kill(os.getpid(), signal.SIGTERM)"


def test_a_worker_leaves_when_the_first_process_is_killed() -> None:
    first = subprocess.Popen([sys.executable, "-c", PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert first.stdout is not None
    codes: list[int] = []
    leave_after(first.stdout.fileno(), codes.append)
    assert first.wait() != 0
    assert codes == [1]
    first.communicate()
