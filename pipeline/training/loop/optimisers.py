"""Optimisers by name, and their state as tensors of a file."""

from __future__ import annotations

import json
from importlib import import_module
from typing import TYPE_CHECKING, Any

import torch

from ....core.annotator import build_pip_command
from ....core.errors import BadWeights, MissingExtra

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

    from ..trainable import ParamGroup

PACKAGES = {"prodigy": "prodigyopt", "adamw8bit": "bitsandbytes"}
"""Optimisers of other packages."""


def build_optimiser(name: str, groups: Sequence[ParamGroup]) -> torch.optim.Optimizer:
    """An optimiser of the groups, in their order. Raises MissingExtra where its package is not installed."""
    tables = [
        {"params": list(group.tensors.values()), "lr": group.rate, "weight_decay": group.weight_decay}
        for group in groups
    ]
    if name == "adafactor":
        return torch.optim.Adafactor(tables)
    if name == "adamw":
        return torch.optim.AdamW(tables, fused=_can_fuse(groups))
    try:
        module = import_module(PACKAGES[name])
    except ModuleNotFoundError as error:
        fix = f"{build_pip_command([PACKAGES[name]])}, or choose adamw"
        raise MissingExtra(f"needs {PACKAGES[name]}", where=f"optimiser {name}", fix=fix) from error
    if name == "prodigy":
        return module.Prodigy(tables, safeguard_warmup=True, use_bias_correction=True)
    return module.optim.AdamW8bit(tables)


def _can_fuse(groups: Sequence[ParamGroup]) -> bool:
    kinds = {tensor.device.type for group in groups for tensor in group.tensors.values()}
    return kinds <= {"cpu"} or kinds <= {"cuda"}


def set_factor(optimiser: torch.optim.Optimizer, groups: Sequence[ParamGroup], factor: float) -> None:
    """Learning rates of a step. factor: on those of the groups."""
    for table, group in zip(optimiser.param_groups, groups, strict=True):
        table["lr"] = group.rate * factor


def pack_state(optimiser: torch.optim.Optimizer) -> tuple[dict[str, Tensor], str]:
    """Tensors by name, and the rest as JSON."""
    state = optimiser.state_dict()
    tensors: dict[str, Tensor] = {}
    rest: dict[str, Any] = {"groups": [_pick(table) for table in state["param_groups"]], "state": {}}
    for index, values in state["state"].items():
        for key, value in values.items():
            if isinstance(value, torch.Tensor):
                tensors[f"{index}.{key}"] = value.detach().cpu().contiguous()
            else:
                rest["state"].setdefault(str(index), {})[key] = value
    return tensors, json.dumps(rest, sort_keys=True)


def unpack_state(optimiser: torch.optim.Optimizer, tensors: Mapping[str, Tensor], rest: str) -> None:
    """Take what `pack_state` gave. Raises BadWeights where it is of another optimiser or other tensors."""
    state, table = optimiser.state_dict(), json.loads(rest)
    found: dict[int, dict[str, Any]] = {int(index): dict(values) for index, values in table["state"].items()}
    for name, value in tensors.items():
        index, _, key = name.partition(".")
        found.setdefault(int(index), {})[key] = value.clone()
    if len(table["groups"]) != len(state["param_groups"]):
        raise BadWeights("its optimiser has other groups", where="state of the run", fix="begin anew with --restart")
    for own, stored in zip(state["param_groups"], table["groups"], strict=True):
        own.update({key: tuple(v) if isinstance(own.get(key), tuple) else v for key, v in stored.items()})
    optimiser.load_state_dict({**state, "state": found})


def _pick(table: Mapping[str, Any]) -> dict[str, Any]:
    """What of a group is no parameter and can be written as JSON."""
    plain = (int, float, bool, str, list, tuple, type(None))
    return {key: value for key, value in table.items() if key != "params" and isinstance(value, plain)}
