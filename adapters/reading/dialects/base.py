"""The contract of a dialect: one way in which files name the tensors of an adapter.

A new dialect is one file in this folder with a constant DIALECT; nothing else is edited. It declares

* locate: key of a file → the module and suffix it stands for, or why not;
* spell: the inverse, module and suffix → key, or None where the dialect cannot hold that.

tests/contract/test_dialects.py makes files with spell, of every part of a model and every kind of adapter, and tests
the whole contract on them.

Suffixes are those of `deltas.build`; `find_dotted` reads dotted keys inside a part, `join_key` is its inverse, and
`find_module` looks a module up in any of its spellings. See kohya.py and diffusers.py for short examples. A key of a
known module with a suffix that nobody knows belongs to that module, too: it is then refused.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from ...deltas.suffixes import ALIASES
from ...modules.architectures import SUPPORTED
from ...modules.spellings import find_names
from ...modules.wrappers import strip_wrappers

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..files import RawFile

ALPHAS = ("lora.alpha", "lora_linear_layer.alpha", "_lora.alpha")
"""Alpha beside factors that have a layer of their own."""
OTHERS = (
    *("alpha", "scale", "dora_scale", "bias", *ALPHAS),
    *(f"hada_{name}" for name in ("w1_a", "w1_b", "w2_a", "w2_b", "t1", "t2")),
    *(f"lokr_{name}" for name in ("w1", "w1_a", "w1_b", "w2", "w2_a", "w2_b", "t2")),
    *("a1.weight", "a2.weight", "b1.weight", "b2.weight", "bm.weight", "on_input"),
    *("oft_blocks", "oft_diag", "oft_R.scaled_oft", "rescale", "boft_R", "boft_s", "ia3_l"),
    *("diff", "diff_b", "w_norm", "b_norm", "set_weight", "reshape_weight"),
)
KNOWN = tuple(sorted({*OTHERS, *(suffix for names in ALIASES.values() for suffix in names)}, key=len, reverse=True))
"""Suffixes that end a dotted key, longest first."""
_KNOWN = frozenset(KNOWN)
_ADAPTER_NAME = re.compile(
    r"((?:lora_[AB]|oft_R))\.[^.]+(\.(?:weight|bias))"
    r"|(lora_magnitude_vector|hada_\w+|lokr_\w+|boft_[Rs]|ia3_l|lora_embedding_[AB])\.[^.]+(\.weight)?"
)
"""PEFT's name of an adapter inside a suffix: it may be any word."""
PEFT = "base_model.model."
"""What PEFT's own files begin every key with."""
TRAINED = "modules_to_save."
"""Before the parameter of a module that PEFT trained in full."""


class ModuleKey(NamedTuple):
    """What a key stands for: canonical module name, and the suffix that `deltas.build` knows.

    name: the module inside its part as the file has it, which PEFT's patterns are matched with. original: the name of
    the layer in its maker's files, where the file has the rows as these do.
    """

    module: str
    suffix: str
    name: str = ""
    original: str = ""


class Rejection(NamedTuple):
    """Why a dialect has no module for a key. foreign: the key is not of this dialect at all, another may know it."""

    reason: str
    foreign: bool = False


def _no_config(_: str) -> dict[str, Any]:
    return {}


def _as_it_is(file: RawFile) -> RawFile:
    return file


@dataclass(frozen=True)
class Dialect:
    """A naming scheme. locate(key, file), spell(module, suffix): see above.

    order: lower is tried first. config(part): content of adapter_config.json beside a file of that part, where the
    dialect needs it. prepare(file): gives names to what a file of this dialect holds without (a bare list of tensors).
    """

    id: str
    title: str
    order: int
    locate: Callable[[str, RawFile], ModuleKey | Rejection]
    spell: Callable[[str, str], str | None]
    config: Callable[[str], dict[str, Any]] = field(default=_no_config)
    prepare: Callable[[RawFile], RawFile] = field(default=_as_it_is)


@cache
def find_dialects() -> tuple[Dialect, ...]:
    """Every dialect in this folder, in the order they are tried."""
    package = importlib.import_module(__package__ or "")
    found = [importlib.import_module(f".{m.name}", __package__) for m in pkgutil.iter_modules(package.__path__)]
    own = [module.DIALECT for module in found if hasattr(module, "DIALECT")]
    return tuple(sorted(own, key=lambda dialect: dialect.order))


def split_key(key: str) -> tuple[str, str] | None:
    """Dotted key → (module, suffix), or None when it ends in no known suffix. The name of an adapter is left out."""
    steps = key.split(".")
    for length in (3, 2):
        stored = ".".join(steps[-length:])
        plain = strip_adapter_name(stored)
        if len(steps) > length and plain != stored and plain in _KNOWN:
            return ".".join(steps[:-length]), plain
    for suffix in KNOWN:
        if key.endswith(f".{suffix}"):
            return key[: -len(suffix) - 1], "alpha" if suffix in ALPHAS else suffix
    return None


def strip_adapter_name(suffix: str) -> str:
    """A suffix without PEFT's name of the adapter: "lora_A.style.weight" → "lora_A.weight"."""
    if suffix in _KNOWN or (found := _ADAPTER_NAME.fullmatch(suffix)) is None:
        return suffix
    return f"{found[1]}{found[2]}" if found[1] else f"{found[3]}{found[4] or ''}"


def find_dotted(part: str, key: str) -> ModuleKey | Rejection:
    """Dotted key inside a part → its module in any spelling, also behind wrappers, and its suffix, known or not."""
    plain = strip_wrappers(key)
    pair = split_key(plain)
    names = find_names(part)
    if pair is not None:
        name = pair[0].removesuffix(".lora").removesuffix(".processor")
        if name in names and pair[1] != "bias":
            return ModuleKey(f"{part}.{names[name]}", pair[1], name)
    steps = plain.split(".")
    for length in range(len(steps) - 1, 0, -1):
        name, suffix = ".".join(steps[:length]), ".".join(steps[length:])
        if name in names:
            return ModuleKey(
                f"{part}.{names[name]}", f"{TRAINED}{suffix}" if suffix in ("weight", "bias") else suffix, name
            )
    if pair is None:
        return Rejection("ends in no suffix of a LoRA")
    return find_module(part, pair[0], pair[1])


def join_key(module: str, suffix: str) -> str | None:
    """The inverse of `split_key`; None for a suffix that cannot stand behind dots, such as IA3's bare `weight`."""
    return f"{module}.{suffix}" if suffix in KNOWN else None


def find_module(part: str, name: str, suffix: str) -> ModuleKey | Rejection:
    """Look a module up in any of its spellings."""
    canonical = find_names(part).get(name)
    if canonical is None:
        return Rejection(f"no {part} module of {SUPPORTED} is called {name[:80]!r}")
    return ModuleKey(f"{part}.{canonical}", suffix, name)
