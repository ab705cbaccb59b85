"""What a run that is stopped prints: with --json what was finished, whatever the operation."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import torch
from safetensors.torch import save_file

from underdrawing.cli import operation_runs
from underdrawing.core.errors import WriteFailed

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.command_line import Run

pytestmark = pytest.mark.usefixtures("quiet")


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    found = [tmp_path / f"{name}.safetensors" for name in "abc"]
    for file in found:
        save_file({"emb_params": torch.ones(1, 768)}, file)
    return found


def stop_at(number: int, monkeypatch: pytest.MonkeyPatch, error: BaseException, data: Any = None) -> None:
    """Let the number-th run of an operation end with an error; data: what it had finished by then."""
    whole, count = operation_runs.run, 0

    def run(operation: Any, inputs: Any, params: Any, job: Any) -> Any:
        nonlocal count
        count += 1
        if count < number:
            return whole(operation, inputs, params, job)
        if data is not None:
            job.host.keep(data)
        raise error

    monkeypatch.setattr(operation_runs, "run", run)


def test_reports_of_the_inputs_before_ctrl_c_are_printed(
    run: Run, files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    stop_at(3, monkeypatch, KeyboardInterrupt())
    done = run("embedding", "inspect", *files, "--json")
    assert done.code == 130
    printed = json.loads(done.out)
    assert printed["stopped"] == "interrupted"
    assert [report["format"] for report in printed["finished"]] == ["kohya", "kohya"]


def test_ctrl_c_before_anything_is_finished_is_json_too(
    run: Run, files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    stop_at(1, monkeypatch, KeyboardInterrupt())
    done = run("embedding", "inspect", *files, "--json")
    assert (done.code, json.loads(done.out)) == (130, {"stopped": "interrupted"})
    stop_at(1, monkeypatch, KeyboardInterrupt())
    assert run("embedding", "inspect", *files).out == "", "without --json nothing but words on stderr"


def test_what_an_operation_had_finished_is_printed_with_its_error(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    error = WriteFailed("the disk is full", where="out", fix="make room")
    stop_at(1, monkeypatch, error, {"pictures": [1, 2], "notes": []})
    done = run("prompt", "explain", "a cat", "--json")
    assert done.code == 1
    printed = json.loads(done.out)
    assert printed["pictures"] == [1, 2]
    assert "the disk is full" in printed["stopped"]
    assert "the disk is full" in done.err


def test_names_that_the_system_refuses_say_what_to_do(run: Run, tmp_path: Path) -> None:
    done = run("checkpoint", "inspect", tmp_path / f"{'x' * 5000}.safetensors")
    assert done.code == 1
    assert "Next: " in done.err
