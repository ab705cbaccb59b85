"""Two checkpoints beside each other, weight by weight, in little memory."""

from __future__ import annotations

import math
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.errors import BadParameter
from ..core.files import atomic_write
from ..core.operation import Report
from ..core.report_text import printable
from .blocks import find_block, find_layouts
from .checks import check_kinds
from .families import find_family
from .graph import Graph
from .live_models import make_plain_recipe, name_checkpoint
from .values import iter_spans

if TYPE_CHECKING:
    from collections.abc import Callable

    from .families import Family
    from .live_models import LiveModel
    from .values import Values

_SHOWN = 3


def compare_checkpoints(
    one: Path | LiveModel, other: Path | LiveModel, *, chart: str, progress: Callable[[int, int], None]
) -> Report:
    """Keys of one only, equal and different weights, and relative distances by block.

    A distance is |A − B| / |A| of all weights of a block, 2-norms in float64. Raises BadParameter for a chart that is
    no .png file, BadWeights, WriteFailed.
    """
    if chart and Path(chart).suffix.lower() != ".png":
        raise BadParameter("a chart is a PNG file", where=chart, fix="let the name end in .png")
    with ExitStack() as stack:
        first, second = (_open(stack, path) for path in (one, other))
        check_kinds((first, second))
        family = find_family(first.entries, first.metadata)
        shared = [key for key in first.entries if key in second.entries]
        same = [key for key in shared if first.entries[key].shape == second.entries[key].shape]
        total, done = sum(first.entries[key].numel for key in same), 0
        blocks: dict[str, dict[str, Any]] = {}
        for key in same:
            done += first.entries[key].numel
            _add(blocks.setdefault(find_block(key, family), _start()), _measure(first, second, key))
            progress(done, total)
        data: dict[str, Any] = {
            "a": name_checkpoint(one),
            "b": name_checkpoint(other),
            "family": [family.id, find_family(second.entries, second.metadata).id],
            "only_a": sorted(set(first.entries) - set(second.entries)),
            "only_b": sorted(set(second.entries) - set(first.entries)),
            "shapes": sorted(set(shared) - set(same)),
            "dtypes": sorted(key for key in same if first.entries[key].dtype != second.entries[key].dtype),
            "keys": len(same),
            "equal": sum(block["equal"] for block in blocks.values()),
            "blocks": _finish(blocks, family),
        }
    notes = () if same else (f"{data['a']} and {data['b']} share no weight of one name and shape",)
    notes += (f"{chart}: the file that was there is replaced",) if chart and Path(chart).is_file() else ()
    files = (atomic_write(chart, draw_chart(data["blocks"])),) if chart else ()
    return Report(text=_describe(data), data=data, files=files, notes=notes)


def _open(stack: ExitStack, checkpoint: Path | LiveModel) -> Values:
    recipe = make_plain_recipe(checkpoint)
    return Graph(recipe, stack, {}, {}).build(recipe.node)


def _start() -> dict[str, Any]:
    return {"keys": 0, "equal": 0, "difference": 0.0, "size": 0.0, "largest": 0.0}


def _measure(first: Values, second: Values, key: str) -> tuple[float, float, float]:
    """Squared norms of the difference and of A, and the largest difference."""
    difference = size = largest = 0.0
    for begin, end in iter_spans(first.entries[key].numel, 1):
        a, b = (values.read(key, begin, end).double() for values in (first, second))
        apart = a - b
        difference, size = difference + float((apart * apart).sum()), size + float((a * a).sum())
        largest = max(largest, float(apart.abs().max())) if apart.numel() else largest
    return difference, size, largest


def _add(block: dict[str, Any], found: tuple[float, float, float]) -> None:
    difference, size, largest = found
    block["keys"] += 1
    block["equal"] += largest == 0
    block["difference"] += difference
    block["size"] += size
    block["largest"] = max(block["largest"], largest)


def _finish(blocks: dict[str, dict[str, Any]], family: Family) -> dict[str, dict[str, Any]]:
    layouts = find_layouts(family)
    order = [name for name in layouts[max(layouts)] if name in blocks]
    return {
        name: {
            "keys": blocks[name]["keys"],
            "equal": blocks[name]["equal"],
            "distance": _finite(math.sqrt(blocks[name]["difference"] / blocks[name]["size"]))
            if blocks[name]["size"]
            else _finite(math.sqrt(blocks[name]["difference"])),
            "largest": _finite(blocks[name]["largest"]),
        }
        for name in order
    }


def _finite(value: float) -> float | None:
    """None in place of what JSON lacks."""
    return value if math.isfinite(value) else None


def _describe(data: dict[str, Any]) -> str:
    lines = [f"{data['keys']} weights in both, {data['equal']} of them equal"]
    for name, what in (("only_a", "only in A"), ("only_b", "only in B"), ("shapes", "of another shape")):
        if keys := data[name]:
            shown = ", ".join(map(printable, keys[:_SHOWN]))
            lines.append(f"  {len(keys)} {what}: {shown}{' ...' if len(keys) > _SHOWN else ''}")
    if data["dtypes"]:
        lines.append(f"  {len(data['dtypes'])} in another dtype")
    for name, block in data["blocks"].items():
        distance = "not finite" if block["distance"] is None else f"{block['distance']:.4%}"
        lines.append(f"  {name:5} {distance:>12}  {block['equal']} of {block['keys']} equal")
    return "\n".join(lines)


def draw_chart(blocks: dict[str, dict[str, Any]]) -> bytes:
    """A bar for the distance of every block, as PNG."""
    import numpy as np
    from PIL import Image, ImageDraw

    from ..core.images.writing import encode_png

    left, right, row = 60, 120, 18
    sheet = Image.new("RGB", (left + 400 + right, row * len(blocks) + 12), (255, 255, 255))
    draw = ImageDraw.Draw(sheet)
    most = max((block["distance"] or 0.0 for block in blocks.values()), default=0.0) or 1.0
    for number, (name, block) in enumerate(blocks.items()):
        top, distance = 6 + number * row, block["distance"]
        draw.text((6, top + 2), name, fill=(0, 0, 0))
        length = 400 if distance is None else round(400 * distance / most)
        colour = (200, 60, 60) if distance is None else (60, 110, 180)
        draw.rectangle((left, top + 2, left + max(1, length), top + row - 4), fill=colour)
        text = "not finite" if distance is None else f"{distance:.3%}"
        draw.text((left + max(1, length) + 6, top + 2), text, fill=(0, 0, 0))
    return encode_png(np.asarray(sheet), {})
