"""``underdrawing annotators`` and ``underdrawing docs``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from underdrawing.core.annotator import Annotator
from underdrawing.core.diagnostics.availability import explain_unavailable
from underdrawing.core.weights.store import get_store
from underdrawing.preprocessors import registry

if TYPE_CHECKING:
    from tests.support.command_line import Run, Start

    from underdrawing.core.weights.record import Weight

KEYS = {"id", "title", "kind", "aliases", "params", "weights", "licence", "commercial", "available", "reason"}


def test_json_has_what_was_promised(run: Run) -> None:
    done = run("annotators", "--json")
    assert done.code == 0
    listed: list[dict[str, Any]] = json.loads(done.out)
    assert [entry["id"] for entry in listed] == [a.spec.id for a in registry]
    for entry in listed:
        assert entry.keys() >= KEYS
        assert entry["available"] == (entry["reason"] == "")
        assert all(isinstance(alias, str) for alias in entry["aliases"])
        assert len(set(entry["aliases"])) == len(entry["aliases"])
        for param in entry["params"]:
            assert param.keys() >= {"name", "kind", "default", "help", "low", "high", "step", "choices"}
        for weight in entry["weights"]:
            assert weight.keys() >= {"id", "sha256", "size", "licence", "commercial"}


def test_missing_modules_and_weights_are_reasons(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    hed = registry.resolve("hed").annotator

    def find(_: object, weight: object) -> None:
        del weight

    monkeypatch.setattr(type(get_store()), "find", find)
    assert "install it again" in explain_unavailable(hed)
    fetched = tuple(weight for weight in hed.spec.weights if weight.repo)

    def of_the_hub(_: object) -> tuple[Weight, ...]:
        return fetched

    monkeypatch.setattr(hed, "weights_for", of_the_hub)
    assert f"underdrawing weights fetch {fetched[0].id}" in explain_unavailable(hed)
    monkeypatch.setattr(Annotator, "find_missing", classmethod(lambda cls: ["a_module"]))
    assert explain_unavailable(hed) == "needs a_module: pip install a_module"
    assert not any(entry["available"] for entry in json.loads(run("annotators", "--json").out))
    assert "not available: needs a_module" in run("annotators").out


def test_broken_files_are_listed_with_their_reason(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry.broken, "worse", "ImportError: no luck")
    entry = json.loads(run("annotators", "--json").out)[-1]
    assert entry.keys() >= KEYS
    assert (entry["id"], entry["available"], entry["reason"]) == ("worse", False, "ImportError: no luck")
    assert "ImportError: no luck" in run("annotators").out


def test_text_names_everything_within_the_width(run: Run) -> None:
    done = run("annotators")
    lines = done.out.splitlines()
    assert all(len(line) <= 100 or len(line.split()) == 1 for line in lines), (
        "words, as ids in commands, are not broken"
    )
    joined = " ".join(done.out.split())
    for annotator in registry:
        assert annotator.spec.id in joined
        assert all(alias.name in joined for alias in annotator.spec.aliases)
        assert all(f"{field.name}=" in joined for field in annotator.fields())


def test_docs_have_every_annotator_and_parameter(run: Run, tmp_path: Path) -> None:
    for _ in range(2):
        assert run("docs", tmp_path / "reference.md").code == 0
    text = (tmp_path / "reference.md").read_text("utf-8")
    for annotator in registry:
        assert f"\n## {annotator.spec.id}\n" in text
        assert all(f"| `{field.name}` |" in text for field in annotator.fields())


def test_names_are_listed_with_what_runs_and_who_reads_it(run: Run) -> None:
    entries: list[dict[str, Any]] = json.loads(run("annotators", "--names", "--json").out)
    offered = {(entry["host"], entry["name"]): entry for entry in entries if entry["annotator"]}
    for annotator in registry:
        spec = annotator.spec
        assert offered["", spec.id]["consumers"] == list(spec.consumers)
        for alias in spec.aliases:
            entry = offered[alias.host, alias.name]
            assert (entry["annotator"], entry["presets"], entry["instead"]) == (spec.id, alias.presets, alias.instead)
    left = {entry["name"]: entry for entry in entries if not entry["annotator"]}
    assert {name: entry["reason"] for name, entry in left.items()} == {n: a.reason for n, a in registry.absent.items()}
    text = run("annotators", "--names").out
    assert all(f"\n  {entry['name']}\n" in text for entry in entries)
    assert all(f"not offered: {absent.reason}; use {absent.use}" in text for absent in registry.absent.values())


DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGES = [
    ("annotators.md", "annotators"),
    ("names.md", "names"),
    ("checkpoints.md", "weights"),
    ("environment.md", "environment"),
]


@pytest.mark.parametrize(("page", "part"), PAGES)
def test_the_committed_reference_is_the_generated_one(run: Run, tmp_path: Path, page: str, part: str) -> None:
    assert run("docs", tmp_path / page, "--part", part).code == 0
    assert (DOCS / page).read_text("utf-8") == (tmp_path / page).read_text("utf-8"), "run `make docs`"


def test_pages_of_names_and_weights_have_everything(run: Run, tmp_path: Path) -> None:
    for page, part in PAGES:
        assert run("docs", tmp_path / page, "--part", part).code == 0
    names, weights = ((tmp_path / page).read_text("utf-8") for page in ("names.md", "checkpoints.md"))
    for annotator in registry:
        assert all(f"| `{alias.name}`" in names for alias in annotator.spec.aliases)
        assert all(f"| `{weight.id}` " in weights for weight in annotator.spec.weights)
    assert all(f"| `{name}` | {absent.reason} | {absent.use} |" in names for name, absent in registry.absent.items())
    assert "|  |\n" not in weights


def test_a_closed_pipe_is_no_traceback(start: Start) -> None:
    child = start("annotators", "--json")
    assert child.stdout
    child.stdout.close()
    assert child.stderr
    assert "Traceback" not in child.stderr.read()
    child.wait(timeout=300)
