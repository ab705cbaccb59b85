"""Writes every generated file of the project, without hosts and without network: `make docs`.

python tools/generate.py              text: docs/, README's table, ComfyUI's pages, locales and inputs, workflows
python tools/generate.py --check      write nothing; exit code 1 when a file is stale
python tools/generate.py --breaking   also when saved ComfyUI workflows would break: inputs removed or moved
python tools/generate.py --pictures   thumbnails of the workflows instead, whose bytes depend on the encoder
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / ".dev"), str(ROOT)]

from tools import comfy_pages, comfy_workflows, web_texts  # noqa: E402

DOCS, README = ROOT / "docs", ROOT / "README.md"
TABLE = ("<!-- written by make docs -->\n", "<!-- end -->\n")
"""Around the table of annotators in README.md."""
ROWS = {
    "edges, soft edges": ("edges", "soft edges"),
    "lines": ("lines",),
    "scribble": ("scribble",),
    "depth, normals": ("depth", "normals"),
    "segments": ("segmentation",),
    "poses, faces": ("pose", "face"),
}
"""Rows of that table: label → kinds of maps."""
OTHERS = "the picture itself, masks"
PAGE_NAMES = {"weights": "checkpoints"}
"""Parts of the reference whose page has another name."""
FOLDERS = (comfy_pages.DOCS, comfy_workflows.FOLDER)
"""Folders whose text files are all generated."""


def generated_files(japanese: comfy_pages.Japanese | None = None) -> dict[Path, str]:
    """Every generated file and its content."""
    from underdrawing.preprocessors.reference.pages import PARTS

    reference = {DOCS / f"{PAGE_NAMES.get(part, part)}.md": make() for part, make in PARTS.items()}
    japanese = japanese or comfy_pages.Japanese()
    nodes = comfy_pages.files(comfy_pages.nodes(), japanese) | web_texts.files(japanese)
    return reference | nodes | comfy_workflows.files() | {README: readme(README.read_text("utf-8"))}


def readme(text: str) -> str:
    """README with the table of what there is now."""
    from underdrawing.preprocessors import registry

    ids: dict[str, list[str]] = {label: [] for label in (*ROWS, OTHERS)}
    for annotator in registry:
        label = next((label for label, kinds in ROWS.items() if annotator.spec.kind.value in kinds), OTHERS)
        ids[label].append(f"`{annotator.spec.id}`")
    rows = [f"| {label} | {' '.join(names)} |" for label, names in ids.items()]
    table = "\n".join(["| maps | annotators |", "|---|---|", *rows, ""])
    before, _, rest = text.partition(TABLE[0])
    return before + TABLE[0] + table + TABLE[1] + rest.partition(TABLE[1])[2]


def stale(files: dict[Path, str]) -> list[Path]:
    """Files that are not as they would be written, and those that would be removed."""
    changed = [path for path, text in files.items() if not path.is_file() or path.read_text("utf-8") != text]
    return sorted([*changed, *left_over(files)])


def left_over(files: dict[Path, str]) -> list[Path]:
    """Files of what is gone."""
    there = (path for folder in FOLDERS for kind in ("*.md", "*/*.md", "*.json") for path in folder.glob(kind))
    return [path for path in there if path not in files]


def breaking_changes(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """Nodes in whose place saved workflows, which keep values by position, would find something else."""
    return [name for name, before in old.items() if name not in new or not _continues(before, new[name])]


def _continues(old: dict[str, Any], new: dict[str, Any]) -> bool:
    before, after = (node["required"] + node["optional"] for node in (old, new))
    needed = all(name in old["required"] for name in new["required"])
    return needed and after[: len(before)] == before and new["outputs"][: len(old["outputs"])] == old["outputs"]


def refused(files: dict[Path, str]) -> list[str]:
    """Breaking changes that the new list of nodes would bring."""
    path = comfy_pages.INTERFACES
    return breaking_changes(json.loads(path.read_text("utf-8")), json.loads(files[path])) if path.is_file() else []


def write(files: dict[Path, str]) -> None:
    """Write them all and remove what is left over."""
    for path in left_over(files):
        path.unlink()
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")


def main(options: list[str]) -> int:
    """Do what the options say; returns the exit code."""
    if "--pictures" in options:
        comfy_workflows.write_thumbnails()
        return 0
    japanese = comfy_pages.Japanese()
    files = generated_files(japanese)
    changed = [path.relative_to(ROOT).as_posix() for path in stale(files)]
    if "--check" in options:
        print("\n".join([*changed, "stale: run `make docs`"] if changed else ["everything generated is up to date"]))
        return 1 if changed else 0
    broken = [] if "--breaking" in options else refused(files)
    if broken:
        del files[comfy_pages.INTERFACES]
        print(f"saved workflows break by inputs removed, moved or renamed: {', '.join(broken)}. If meant: --breaking")
    write(files)
    print(f"{len(files)} files, {len(changed)} changed; without Japanese: {len(japanese.missing)} texts")
    if japanese.unused:
        print(f"tools/comfy_ja.json has words that no node has: {len(japanese.unused)}")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
