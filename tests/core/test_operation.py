"""Running an operation: inputs, earlier names, consent, overwriting, and packages that are not installed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, ClassVar

import pytest

from underdrawing.core.errors import BadParameter, MissingExtra, WriteFailed
from underdrawing.core.hooks import HostHooks
from underdrawing.core.operation import Inputs, Job, Operation, Report, Spec, run, slot, target
from underdrawing.core.params import Params, between


class Notes(HostHooks):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def note(self, text: str) -> None:
        self.texts.append(text)


class CopyInputs(Inputs, frozen=True):
    text: Annotated[str, slot("text", "What is written")]
    output: Annotated[Path, target("lora", "Where to", suffix=".txt")]


class CopyParams(Params, frozen=True):
    old_names: ClassVar[dict[str, str]] = {"count": "times"}
    times: Annotated[int, between(1, 9, "How often")] = 1


class Copy(Operation[CopyInputs, CopyParams]):
    """Write a text several times."""

    spec = Spec(id="test.copy", title="Copy")

    def run(self, inputs: CopyInputs, params: CopyParams, job: Job) -> Report:
        job.check_free(inputs.output)
        inputs.output.write_text(inputs.text * params.times)
        return Report(text="done", files=(inputs.output,))


class NeedsPackage(Operation[Inputs, Params]):
    """Import what is not there."""

    spec = Spec(id="test.needs", title="Needs")
    module: ClassVar[str] = "a_module_that_does_not_exist.part"

    def run(self, inputs: Inputs, params: Params, job: Job) -> Report:
        __import__(self.module)
        return Report()


def test_types_are_read_from_the_base() -> None:
    assert (Copy.inputs_type, Copy.params_type) == (CopyInputs, CopyParams)
    assert [s.name for s in Copy.slots()] == ["text"]
    written = Copy.target()
    assert written is not None
    assert (written.name, written.kind, Copy().suffix(Copy.params())) == ("output", "lora", ".txt")
    assert NeedsPackage.target() is None


def test_a_run_gets_validated_parameters(tmp_path: Path) -> None:
    given: dict[str, Any] = {"text": "ab", "output": tmp_path / "x.txt"}
    report = run(Copy, given, {"times": 3}, Job(Notes()))
    assert report.files == (tmp_path / "x.txt",)
    assert (tmp_path / "x.txt").read_text() == "ababab"
    with pytest.raises(BadParameter, match=r"test\.copy"):
        run(Copy, given, {"times": 10}, Job(Notes()))


def test_an_earlier_name_is_taken_with_a_note(tmp_path: Path) -> None:
    notes = Notes()
    run(Copy, {"text": "a", "output": tmp_path / "x.txt"}, {"count": 2}, Job(notes))
    assert (tmp_path / "x.txt").read_text() == "aa"
    assert notes.texts == ["test.copy: count is now called times; the old name goes away with the next version"]


def test_files_are_replaced_only_where_the_host_says_so(tmp_path: Path) -> None:
    given: dict[str, Any] = {"text": "a", "output": tmp_path / "x.txt"}
    run(Copy, given, {}, Job(Notes(), overwrite=False))
    with pytest.raises(WriteFailed, match="exists already"):
        run(Copy, given, {}, Job(Notes(), overwrite=False))
    run(Copy, given, {}, Job(Notes()))


def test_a_package_that_is_not_installed_is_named() -> None:
    with pytest.raises(MissingExtra, match="pip install a_module_that_does_not_exist"):
        run(NeedsPackage, {}, {}, Job(Notes()))


def test_a_module_of_ours_that_is_missing_is_a_bug_and_stays_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(NeedsPackage, "module", f"{Operation.__module__.partition('.')[0]}.no_such_module")
    with pytest.raises(ModuleNotFoundError):
        run(NeedsPackage, {}, {}, Job(Notes()))
