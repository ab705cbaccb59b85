"""What is refused before a run of annotators over files begins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...core.errors import BadParameter
from .. import registry

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from ...core.batch.layouts import Layout


def check_makes_mask(name: str) -> None:
    """Raise BadParameter for an annotator whose map is no mask."""
    spec = registry.resolve(name).annotator.spec
    if not spec.makes_mask:
        able = ", ".join(one.spec.id for one in registry if one.spec.makes_mask)
        what = f"--mask-from {name}: {spec.id} makes no mask, its map is of the kind {spec.kind.value}"
        raise BadParameter(what, fix=f"take one of {able}, or give a picture with --mask")


def check_layout(layout: Layout, names: Sequence[str], entries: Iterable[dict[str, Any]], folder: Path) -> None:
    """Raise BadParameter where a dataset of another annotator, or of several, stands in the output folder already."""
    if layout != "diffusers" or len(names) != 1:
        return
    for entry in entries:
        of_dataset = entry.get("layout") == layout and entry["status"] == "done"
        if of_dataset and entry["name"] != names[0] and entry["output"].startswith("conditioning_image/"):
            what = f"{folder} holds the dataset of {entry['name']}, which maps of {names[0]} would overwrite"
            raise BadParameter(what, fix="choose another -o, or give all annotators in one command")
