"""What is generated is what would be generated now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tools import comfy_pages, comfy_workflows, generate

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

OLD = {"Node": {"required": [["image", "IMAGE"]], "optional": [["a", "INT"]], "outputs": ["IMAGE"]}}


def test_everything_generated_is_up_to_date() -> None:
    stale = [path.relative_to(generate.ROOT).as_posix() for path in generate.stale(generate.generated_files())]
    assert not stale, f"run `make docs` (python tools/generate.py): {', '.join(stale)}"


def test_a_change_and_a_left_over_are_stale(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generate, "FOLDERS", (tmp_path,))
    changed, kept, gone = (tmp_path / name for name in ("changed.md", "kept.md", "gone.json"))
    for path in (changed, kept, gone):
        path.write_text("old\n")
    files = {changed: "new\n", kept: "old\n"}
    assert generate.stale(files) == [changed, gone]
    generate.write(files)
    assert generate.stale(files) == []
    assert not gone.exists()


def test_what_breaks_saved_workflows_is_found() -> None:
    node = OLD["Node"]
    for new in (
        {**node, "optional": [["a", "INT"], ["b", "FLOAT"]]},
        {**node, "outputs": ["IMAGE", "MASK"]},
    ):
        assert generate.breaking_changes(OLD, {"Node": new, "Another": node}) == []
    for new in (
        {**node, "required": [["image", "IMAGE"], ["mask", "MASK"]]},
        {**node, "optional": [["b", "FLOAT"], ["a", "INT"]]},
        {**node, "optional": []},
        {**node, "outputs": []},
    ):
        assert generate.breaking_changes(OLD, {"Node": new}) == ["Node"]
    assert generate.breaking_changes(OLD, {}) == ["Node"]


def test_breaking_changes_are_written_only_when_meant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "nodes.json"
    path.write_text(comfy_pages.to_json(OLD))
    monkeypatch.setattr(generate, "ROOT", tmp_path)
    monkeypatch.setattr(generate, "FOLDERS", ())
    monkeypatch.setattr(comfy_pages, "INTERFACES", path)

    def files(japanese: object = None) -> dict[Path, str]:
        return {path: "{}\n", tmp_path / "page.md": "page\n"}

    monkeypatch.setattr(generate, "generated_files", files)
    assert generate.main(["--check"]) == 1
    assert generate.main([]) == 1
    assert path.read_text() == comfy_pages.to_json(OLD)
    assert (tmp_path / "page.md").read_text() == "page\n"
    assert generate.main(["--breaking"]) == 0
    assert path.read_text() == "{}\n"


def test_every_workflow_has_a_thumbnail() -> None:
    assert {path.stem for path in comfy_workflows.FOLDER.glob("*.jpg")} == set(comfy_workflows.WORKFLOWS)
