"""How large the weight is that an adapter's factors change, from their shapes alone."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_UP = re.compile(r"(.*[._])?(lora_?up|lora_B|up)(\.[\w-]+)?(\.weight)?|hada_w1_a")
_DOWN = re.compile(r"(.*[._])?(lora_?down|lora_A|down)(\.[\w-]+)?(\.weight)?|hada_w1_b")
_WHOLE = re.compile(r"(lora\.)?(weight|diff|diff_w|set_weight)")


class Size(NamedTuple):
    """Rows and columns of a weight; 0 where they are not known."""

    rows: int = 0
    columns: int = 0


def read_size(shapes: Mapping[str, Sequence[int]]) -> Size:
    """Size of the weight that tensors of these shapes change, by the ends of their names."""
    rows = columns = 0
    for suffix, shape in shapes.items():
        if len(shape) < 2:
            continue
        if _WHOLE.fullmatch(suffix):
            return Size(shape[0], shape[1])
        if _UP.fullmatch(suffix):
            rows = shape[0]
        elif _DOWN.fullmatch(suffix):
            columns = shape[1]
    return Size(rows, columns) if rows or columns else _read_product(shapes)


def _read_product(shapes: Mapping[str, Sequence[int]]) -> Size:
    """Of a Kronecker product, whose factors are whole or products themselves."""
    rows = columns = 1
    for name in ("lokr_w1", "lokr_w2"):
        first = shapes.get(name) or shapes.get(f"{name}_a")
        last = shapes.get(name) or shapes.get(f"{name}_b")
        if not first or not last or len(first) < 2 or len(last) < 2:
            return Size()
        rows, columns = rows * first[0], columns * last[1]
    return Size(rows, columns)
