"""Options of a network without effect, and kinds that the form of its file cannot hold, before anything is loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from ....core.errors import BadParameter
from ....core.params import items
from .targets import ALL

if TYPE_CHECKING:
    from .params import NetworkParams

_LOKR = {"factor", "decompose"}
_CONV = {"conv_rank", "conv_alpha"}


def check_params(params: NetworkParams) -> None:
    """Raise BadParameter for what would be ignored, or could not be saved in the form."""
    words = set(items(params.targets, commas=True))
    plain = {field.name: field.default for field in msgspec.structs.fields(params)}
    given = {name for name, default in plain.items() if getattr(params, name) != default}
    if params.algorithm != "lokr" and (idle := given & _LOKR):
        raise _build_error(
            idle, f"an option of lokr, and the algorithm is {params.algorithm}", "leave it out, or choose lokr"
        )
    if not words & {"conv", "io", ALL} and (idle := given & _CONV):
        raise _build_error(
            idle, "for convolutions, and none is among the targets", "add the target conv, or leave it out"
        )
    if params.algorithm != "lora" and params.dropout:
        fix = "use rank_dropout or module_dropout"
        raise _build_error(
            {"dropout"}, f"for what stands between two factors, and a {params.algorithm} has no such", fix
        )
    fault = find_form_fault(params)
    if fault:
        raise BadParameter(fault, where="form", fix="save in kohya's form, which has all of them")


def find_form_fault(params: NetworkParams) -> str:
    """Why the form of the file cannot hold what is trained; empty where it can."""
    kind = f"a DoRA around {params.algorithm}" if params.dora and params.algorithm != "lora" else params.algorithm
    holds = {"kohya": {kind}, "peft": {"lora", "loha"}, "diffusers": {"lora"}}[params.form]
    return "" if kind in holds else f"the form {params.form} cannot hold {kind}"


def _build_error(names: set[str], what: str, fix: str) -> BadParameter:
    return BadParameter(f"has no effect: it is {what}", where=", ".join(sorted(names)), fix=fix)
