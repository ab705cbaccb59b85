"""What a file's metadata says beyond its tensors: PEFT's adapter_config.json and the header that diffusers writes."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from ...core.errors import BadWeights
from ..deltas.dora import Dora
from ..deltas.lowrank import LowRank
from ..deltas.module_tensors import Hints
from ..deltas.products import Hadamard
from ..deltas.residual import Residual
from ..modules.parts import PARTS, find_part, split_for_diffusers
from .dialects.base import PEFT
from .peft_patterns import find_exclusion, find_value, is_feedforward
from .peft_start import find_start

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ..deltas.base import Delta
    from .dialects.base import ModuleKey
    from .files import RawFile

HEADER = "lora_adapter_metadata"
MAX_HEADER = 1 << 20
"""Longest header entry that is parsed, in characters."""
_DEFAULT = 8
"""PEFT's rank and alpha where a config does not say them."""
_LARGE_SCALE = 1000.0
"""More than trainers' alpha / rank ever comes to."""
_OWN_CONFIG = "adapter_model"
"""Name of files that an adapter_config.json beside them is always for."""


class FileMetadata:
    """What a file's metadata says: hints and exclusions by module, and notes on what had to be assumed."""

    def __init__(self, file: RawFile) -> None:
        own = file.path.stem == _OWN_CONFIG or any(key.startswith(PEFT) for key in file.tensors)
        self._path = file.path
        self._config = file.config if own else {}
        self._header, self._fault = _read_header(file)
        self._parted = any(find_part(key) in PARTS for key in self._header if "." in key)
        self._found: dict[str, list[str]] = defaultdict(list)

    def hints(self, place: ModuleKey, suffixes: Iterable[str]) -> Hints:
        """What the metadata says of a module with these suffixes. Raises BadWeights for a file it makes unusable."""
        config, held = self._find_config(place.module), set(suffixes)
        if not config:
            factors = any(s.startswith(("lora_A", "lora_down", "lora.down")) for s in held)
            if factors and "alpha" not in held:
                self._found["alpha"].append(place.module)
            return Hints()
        try:
            hints = _make_hints(config, place.name, own_alpha="alpha" in held)
        except BadWeights as error:
            raise BadWeights(error.what, where=str(self._path), fix=error.fix) from error
        self._found[hints.start or ""].append(place.module)
        if "alpha" in held and hints.alpha is not None:
            self._found["both"].append(place.module)
        return hints

    def find_refusal(self, place: ModuleKey, suffixes: Iterable[str]) -> str | None:
        """Why the metadata leaves a module with these suffixes out; None when it does not."""
        config = self._find_config(place.module)
        factors = any(suffix.startswith("lora_A") for suffix in suffixes)
        if factors and config.get("use_dora") and not any("magnitude" in s or s == "dora_scale" for s in suffixes):
            return "the config says DoRA, and its magnitude is missing"
        if not config or not place.name:
            return None
        reason = find_exclusion(config, place.name)
        if reason is not None and config is not self._config:  # diffusers goes by the tensors
            self._found["header"].append(place.module)
            return None
        return reason

    def notes(self, modules: Mapping[str, Delta]) -> tuple[str, ...]:
        """What a user should know about scales. modules: those that are used, which alone are counted."""
        where = "a trainer may have kept alpha elsewhere"
        texts = {
            "alpha": f"modules hold no alpha: their scale is 1 ({where})",
            "both": "modules hold an alpha and the metadata has one for them, too: the metadata's counts, as in PEFT",
            "header": "modules are not among the header's target_modules; they are applied, as in diffusers",
            "pissa": "modules started from the base weight (PiSSA): right only on the model they were trained on",
            "olora": "modules started from the base weight (OLoRA): right only on the model they were trained on",
        }
        counts = {key: sum(module in modules for module in self._found[key]) for key in texts}
        counted = tuple(f"{counts[key]} {text}" for key, text in texts.items() if counts[key])
        return (*counted, *filter(None, (_describe_scales(modules), self._fault)))

    def _find_config(self, module: str) -> dict[str, Any]:
        """The header's entries for a part, or those without a part where none has one; else adapter_config.json."""
        for part in dict.fromkeys((split_for_diffusers(module)[0], find_part(module))):
            own = {k.removeprefix(f"{part}."): v for k, v in self._header.items() if k.startswith(f"{part}.")}
            if own:
                return own
        return ({} if self._parted else self._header) or self._config


def _describe_scales(modules: Mapping[str, Delta]) -> str:
    """A note where scales are far from all that trainers use; "" where none is."""
    inner = (delta.inner if isinstance(delta, (Dora, Residual)) else delta for delta in modules.values())
    large = [abs(one.scale) for one in inner if isinstance(one, (LowRank, Hadamard)) and abs(one.scale) > _LARGE_SCALE]
    if not large:
        return ""
    what = f"{len(large)} modules have a scale (alpha / rank) of up to {max(large):.3g}"
    return f"{what}, which no trainer uses: their change will be far too strong unless the factors are that small"


def _make_hints(config: dict[str, Any], name: str, *, own_alpha: bool) -> Hints:
    """PEFT's settings of a module; without an entry for alpha or rank PEFT's own default counts."""
    peft = not own_alpha and any(entry in config for entry in ("r", "peft_type", "target_modules"))
    default = config.get("lora_alpha", config.get("alpha", _DEFAULT if peft else None))
    alpha = find_value(config.get("alpha_pattern"), name, default)
    rank = find_value(config.get("rank_pattern"), name, config.get("r", _DEFAULT if peft else None))
    return Hints(
        alpha=_read_number("alpha", alpha),
        rank=None if (number := _read_number("rank", rank)) is None else int(number),
        stabilised=bool(config.get("use_rslora")),
        always_scaled=config.get("peft_type") == "LOKR",
        neumann=_count_terms(config),
        limit=float(config["eps"]) if config.get("coft") and _is_number(config.get("eps")) else None,
        on_input=is_feedforward(config.get("feedforward_modules"), name),
        start=find_start(config),
    )


def _count_terms(config: dict[str, Any]) -> int | None:
    if config.get("peft_type") == "OFT" and not config.get("use_cayley_neumann", True):
        return None
    terms = config.get("num_cayley_neumann_terms", 5)
    return int(terms) if _is_number(terms) else 5


def _read_number(name: str, value: Any) -> float | None:
    """A number, also one that is written as text; None where there is none. Raises BadWeights for anything else."""
    if value is None:
        return None
    try:
        number = float(value) if isinstance(value, str) or _is_number(value) else math.nan
    except (ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise BadWeights(f"the metadata's {name} is {str(value)[:40]!r}, which is no number", fix="repair the metadata")
    return number


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _read_header(file: RawFile) -> tuple[dict[str, Any], str]:
    """The header's table, and a note when there is one that cannot be read."""
    text = file.metadata.get(HEADER, "")
    if not text:
        return {}, ""
    try:
        table = json.loads(text) if len(text) <= MAX_HEADER else None
    except (ValueError, RecursionError):
        table = None
    if isinstance(table, dict):
        return table, ""
    return {}, f"the header's {HEADER} cannot be read: scales that it holds are not known"
