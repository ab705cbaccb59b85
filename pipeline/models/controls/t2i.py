"""T2I-adapters: keys of TencentARC's first files → diffusers' names, and configurations read off shapes.

Source: Mou et al., "T2I-Adapter", 2023, and the documented arguments of diffusers' T2IAdapter.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ....adapters.modules.targets import Slot
from ....core.errors import BadWeights

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    Shapes = Mapping[str, tuple[int, ...]]

FULL_BLOCKS = 2
"""ResNets of each level of a full adapter, which its first files number through."""
_FLAT = re.compile(r"body\.(\d+)\.(block[12]|in_conv)\.(\w+)")
_LIGHT = re.compile(r"body\.(\d+)\.body\.(\d+)\.(.+)")
_PLAIN, _XL = 8, 16
"""Pixels of a side that become channels at the entrance."""


def name_t2i_keys(keys: Iterable[str]) -> dict[str, Slot]:
    """Name in a T2IAdapter → where it stands. keys: in either form, without prefix."""
    names = list(keys)
    if any(name.startswith("adapter.") for name in names):
        return {name: Slot(name) for name in names}
    light = any(_LIGHT.fullmatch(name) for name in names)
    return {f"adapter.{_name_light(name) if light else _name_full(name)}": Slot(name) for name in names}


def _name_light(name: str) -> str:
    match = _LIGHT.fullmatch(name)
    return f"body.{match[1]}.resnets.{match[2]}.{match[3]}" if match else name


def _name_full(name: str) -> str:
    match = _FLAT.fullmatch(name)
    if match is None:
        return name
    level, index = divmod(int(match[1]), FULL_BLOCKS)
    if match[2] == "in_conv":
        return f"body.{level}.in_conv.{match[3]}"
    return f"body.{level}.resnets.{index}.{match[2]}.{match[3]}"


def configure_t2i(shapes: Shapes, where: str) -> dict[str, Any]:
    """Arguments of a T2IAdapter with such weights. Raises BadWeights for what is none, or holds layers unknown here."""
    levels = _count(shapes, r"adapter\.body\.(\d+)\.")
    blocks = _count(shapes, r"adapter\.body\.0\.resnets\.(\d+)\.")
    if not levels or not blocks:
        raise BadWeights("holds no T2I-adapter", where=where, fix="choose a full or light adapter")
    if "adapter.conv_in.weight" not in shapes:
        outs = [shapes[f"adapter.body.{level}.out_conv.weight"][0] for level in range(levels)]
        entrance, kind, factor, widths = shapes["adapter.body.0.in_conv.weight"][1], "light_adapter", _PLAIN, outs[:-1]
    else:
        entrance = shapes["adapter.conv_in.weight"][1]
        xl = entrance in (_XL**2, 3 * _XL**2)
        kind, factor = ("full_adapter_xl", _XL) if xl else ("full_adapter", _PLAIN)
        widths = [shapes[f"adapter.body.{level}.resnets.0.block1.weight"][0] for level in range(levels)]
    return {
        "in_channels": entrance // factor**2,
        "channels": widths,
        "num_res_blocks": blocks,
        "downscale_factor": factor,
        "adapter_type": kind,
    }


def _count(names: Iterable[str], pattern: str) -> int:
    return 1 + max((int(match[1]) for name in names if (match := re.match(pattern, name))), default=-1)
