"""Runs of data sets that are killed at steps in which they touch files: the next run makes them whole.

Kills at random moments, of runs with workers and of the workers, are made by hand: `tests.support.dataset_kills`.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.support.datasets import CUT_OFF, encode, write_tar
from tests.support.forked import start_cases

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="children are forked")
TESTS = Path(__file__).resolve().parents[2]
CASE = f"""
import json, os, signal, sys
sys.path.insert(0, {str(TESTS)!r})
from pathlib import Path
import cv2
from tests.support.datasets import encode, plan_job, read_tree, run_here, write_tar

cv2.setNumThreads(1)
warm = Path("warm")
warm.mkdir()
write_tar(warm / "w.tar", {{"w.png": encode(0)}})
run_here(plan_job(warm, "warmed"))  # what is imported now is there in every fork

EVENTS = ("open", "os.rename", "os.mkdir", "os.remove", "os.rmdir")

def run(source, target, form, last):
    steps = 0
    def count(event, given):
        nonlocal steps
        if event in EVENTS and not (event == "open" and not given[2] & (os.O_WRONLY | os.O_RDWR)):
            steps += 1
            if steps == last:
                os.kill(os.getpid(), signal.SIGKILL)
    sys.addaudithook(count)
    run_here(plan_job(source, target, format=form))
    return steps

def try_step(source, target, form, last):
    number = os.fork()
    if not number:
        try:
            run(source, target, form, last)
            os._exit(0)
        finally:
            os._exit(9)
    return os.waitpid(number, 0)[1]

def case(source, folder, form, *lasts):
    whole = folder + "/whole"
    if not lasts:
        return print(run(source, whole, form, 0))
    found = []
    for last in lasts:
        killed = [try_step(source, folder + "/" + last, form, int(last) // part) for part in (1, 2)]
        again = try_step(source, folder + "/" + last, form, 0)
        found.append([last, killed, again, read_tree(Path(folder, last)) == read_tree(Path(whole))])
    print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., str]]:
    with start_cases(CASE, tmp_path_factory.mktemp("cases")) as run:
        yield run


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two tars of two pictures, one of them cut off."""
    folder = tmp_path_factory.mktemp("kills")
    for name, second in (("a", encode(1)), ("b", CUT_OFF)):
        write_tar(folder / f"{name}.tar", {f"{name}0.png": encode(0), f"{name}1.png": second})
    return folder


@pytest.mark.parametrize("form", ["folder", "webdataset"])
def test_every_row_is_there_once_whenever_a_run_was_killed(
    cases: Callable[..., str], shards: Path, tmp_path: Path, form: str
) -> None:
    steps = int(cases(shards, tmp_path, form))
    found = json.loads(cases(shards, tmp_path, form, *range(3, steps + 1, 7)))
    assert [last for last, _, again, equal in found if again or not equal] == []
    assert all(killed[0] == 9 for _, killed, _, _ in found), "the first run of each was killed"
