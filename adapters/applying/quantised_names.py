"""What programs that quantise write beside a weight. No torch here but for types."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from torch import Tensor

SCALES = {"scale_weight": 1.0, "weight_scale": 1.0, "weight_scale_inv": 1.0, "weight.scale": 1.0, "SCB": 1 / 127}
"""Name beside a weight → what it is multiplied with besides; all multiply the codes."""
BY_ROWS = frozenset({"SCB"})
HARMLESS = frozenset({"scale_input", "input_scale", "weight_format"})
"""About the layer's inputs, or of no effect on the weight."""
FORMAT_TEXT = "comfy_quant"
HEADER = "_quantization_metadata"
PLAIN_FORMATS = frozenset({"float8_e4m3fn", "float8_e5m2", "int8_tensorwise", "int8_blockwise"})
MARKERS = frozenset({"scaled_fp8"})
"""Last word of entries that say something of the whole file and belong to no weight."""
WIDTH_NAMES = ("quant_state", "quant_type", "SCB", "tensor_type")
"""Attributes by which tensors of bitsandbytes and GGUF are known."""
_SUSPECT = re.compile(r"scale|zero|absmax|quant|SCB|packed|codebook|_data|perm|g_idx", re.IGNORECASE)
_PACKINGS = (
    ("absmax", "bitsandbytes' 4 bit codes"),
    ("quant_state", "bitsandbytes' 4 bit codes"),
    ("quant_map", "bitsandbytes' 8 bit blocks"),
    ("weight_scale_2", "nvfp4"),
    ("zero_point", "integers with a zero point"),
    ("scale_zero_point", "integers with a zero point"),
)
PACKED_ENDINGS = {
    ".qweight": "packed integers (GPTQ, AWQ or SVDQuant)",
    ".weight_packed": "packed integers (compressed-tensors)",
    ".weight._data": "optimum-quanto's tensors",
    ".weight.qdata": "torchao's tensors",
    ".weight.quant_state.bitsandbytes__nf4": "bitsandbytes' NF4",
    ".weight.quant_state.bitsandbytes__fp4": "bitsandbytes' FP4",
}
"""Ending of a key → how the weights of such a file are stored, which nothing here reads."""
_FUSED = ("in_proj_weight", "in_proj_bias")
MAX_TEXT = 1 << 24
_UNREADABLE = "a format that cannot be read"


def is_suspect(name: str) -> bool:
    """Whether a name beside a plain weight may say that it is not the weight."""
    return _SUSPECT.search(name) is not None


def name_packing(beside: Iterable[str]) -> str:
    """The format that several values packed into one byte are of, by the names beside a weight; empty if unknown."""
    for name in beside:
        if name.endswith(("bitsandbytes__nf4", "bitsandbytes__fp4")):
            return f"bitsandbytes' {name[-3:].upper()}"
    found = (what for mark, what in _PACKINGS for name in beside if mark in name)
    return next(found, "")


def find_packed(keys: Iterable[str]) -> tuple[str, str] | None:
    """First key of a format whose weights stand under other names, and what it is."""
    return next(((key, what) for key in keys for ending, what in PACKED_ENDINGS.items() if key.endswith(ending)), None)


def list_companions(keys: Iterable[str]) -> dict[str, dict[str, str]]:
    """Key of a weight → what stands beside it: name without the module → key."""
    found: dict[str, dict[str, str]] = defaultdict(dict)
    weights = list(keys)
    for key in weights:
        for weight, name in _list_owners(key):
            found[weight][name] = key
    held = set(weights)
    return {weight: names for weight, names in found.items() if weight in held}


def _list_owners(key: str) -> Iterator[tuple[str, str]]:
    """Weights that a key may stand beside, and its name there: fused q, k, v are the attention's own weight."""
    for ending in (".weight", ".in_proj_weight"):
        before, inside, after = key.rpartition(f"{ending}.")
        if inside:
            yield f"{before}{ending}", f"weight.{after}"
            return
    owner, dot, leaf = key.rpartition(".")
    if leaf in ("weight", "bias", *_FUSED):
        return
    if leaf.startswith("in_proj_weight_"):
        yield f"{owner}.in_proj_weight", leaf.removeprefix("in_proj_")
        return
    yield f"{owner}{dot}weight", leaf
    yield f"{owner}{dot}in_proj_weight", leaf


def read_formats(metadata: Mapping[str, str]) -> dict[str, str]:
    """Layer → format, of ComfyUI's entry in a file's header; under "" that of all layers, if it cannot be read."""
    text = metadata.get(HEADER, "")
    try:
        layers = json.loads(text[:MAX_TEXT]).get("layers", {}) if text else {}
        return {name: _name_format(entry) for name, entry in layers.items()}
    except (ValueError, TypeError, AttributeError, RecursionError):
        return {"": _UNREADABLE}


def find_format(formats: Mapping[str, str], layer: str) -> str | None:
    """A layer's format; the header may leave out the prefix that the layers of a whole checkpoint have."""
    steps = layer.split(".")
    names = (".".join(steps[begin:]) for begin in range(len(steps)))
    return next((formats[name] for name in names if name in formats), formats.get(""))


def read_layer_format(text: Tensor) -> str:
    """Format that a layer's `comfy_quant` entry names: JSON as bytes."""
    try:
        return _name_format(json.loads(bytes(text.flatten()[:65536].tolist())))
    except (ValueError, TypeError, RecursionError):
        return _UNREADABLE


def _name_format(entry: object) -> str:
    """Its name; what changes the meaning of the codes is part of it."""
    if not isinstance(entry, dict):
        return _UNREADABLE
    name = str(entry.get("format", "a format without a name"))[:40]
    return f"{name} with convrot" if entry.get("convrot") else name
