"""The contract of a dialect: where a key belongs, or why it is not of this dialect."""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from ...deltas.suffixes import ALIASES
from ...modules.architectures import SUPPORTED
from ...modules.spellings import known_names

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..files import RawFile

OTHERS = (
    *("alpha", "scale", "dora_scale", "bias", "lora.alpha"),
    *(f"hada_{name}" for name in ("w1_a", "w1_b", "w2_a", "w2_b", "t1", "t2")),
    *(f"lokr_{name}" for name in ("w1", "w1_a", "w1_b", "w2", "w2_a", "w2_b", "t2")),
    *("a1.weight", "a2.weight", "b1.weight", "b2.weight", "bm.weight", "on_input"),
    *("oft_blocks", "oft_diag", "rescale", "boft_R", "boft_s", "ia3_l"),
    *("diff", "diff_b", "w_norm", "b_norm", "set_weight", "reshape_weight"),
)
KNOWN = tuple(sorted({*OTHERS, *(suffix for names in ALIASES.values() for suffix in names)}, key=len, reverse=True))
"""Suffixes that end a dotted key, longest first."""


class Located(NamedTuple):
    """A key understood: canonical module name and the suffix that `deltas.build` knows."""

    module: str
    suffix: str


@dataclass(frozen=True)
class Dialect:
    """A naming scheme. locate(key, file) tells where a key belongs, or in words why it is not of this dialect.

    order: lower is asked first.
    """

    id: str
    title: str
    order: int
    locate: Callable[[str, RawFile], Located | str]


@cache
def dialects() -> tuple[Dialect, ...]:
    """Every dialect in this folder, in the order they are asked."""
    package = importlib.import_module(__package__ or "")
    found = [importlib.import_module(f".{m.name}", __package__) for m in pkgutil.iter_modules(package.__path__)]
    own = [module.DIALECT for module in found if hasattr(module, "DIALECT")]
    return tuple(sorted(own, key=lambda dialect: dialect.order))


def split(key: str) -> tuple[str, str] | None:
    """Dotted key → (module, suffix), or None when it ends in no known suffix."""
    for suffix in KNOWN:
        if key.endswith(f".{suffix}"):
            return key[: -len(suffix) - 1], "alpha" if suffix == "lora.alpha" else suffix
    return None


def find(part: str, name: str, suffix: str) -> Located | str:
    """Look a module up in any of its spellings."""
    canonical = known_names(part).get(name)
    if canonical is None:
        return f"no {part} module of {SUPPORTED} is called {name[:80]!r}"
    return Located(f"{part}.{canonical}", suffix)
