"""What a file's metadata says beyond its tensors: PEFT's adapter_config.json and the header that diffusers writes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ..deltas.module_tensors import Hints
from .dialects.peft import PREFIX

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .files import RawFile

HEADER = "lora_adapter_metadata"
MAX_HEADER = 1 << 20
"""Longest header entry that is parsed, in characters."""


class FileMetadata:
    """What a file's metadata says: hints by module, and a note where a scale had to be assumed to be 1."""

    def __init__(self, file: RawFile) -> None:
        self._config = file.config if any(key.startswith(PREFIX) for key in file.tensors) else {}
        self._read_header = _read_header(file)
        self._without_alpha = 0

    def hints(self, module: str, suffixes: Iterable[str]) -> Hints:
        """What the metadata says of a module with these suffixes."""
        part, _, name = module.partition(".")
        own = {k.removeprefix(f"{part}."): v for k, v in self._read_header.items() if k.startswith(f"{part}.")}
        config = own or self._config
        if not config:
            held = set(suffixes)
            self._without_alpha += "alpha" not in held and any(
                s.startswith(("lora_A", "lora_down", "lora.down")) for s in held
            )
            return Hints()
        return _make_hints(config, name)

    def notes(self) -> tuple[str, ...]:
        """What a user should know about scales."""
        if not self._without_alpha:
            return ()
        where = "a trainer may have kept alpha elsewhere"
        return (f"{self._without_alpha} modules hold no alpha: their scale is 1 ({where})",)


def _make_hints(config: dict[str, Any], name: str) -> Hints:
    alpha = _find_value(config, "alpha_pattern", name, config.get("lora_alpha", config.get("alpha")))
    rank = _find_value(config, "rank_pattern", name, config.get("r"))
    forward = config.get("feedforward_modules")
    return Hints(
        alpha=float(alpha) if _is_number(alpha) else None,
        rank=int(rank) if _is_number(rank) else None,
        stabilised=bool(config.get("use_rslora")),
        always_scaled=config.get("peft_type") == "LOKR",
        neumann=_count_terms(config),
        limit=float(config["eps"]) if config.get("coft") and _is_number(config.get("eps")) else None,
        on_input=_matches_end(name, forward) if isinstance(forward, list) else None,
    )


def _count_terms(config: dict[str, Any]) -> int | None:
    if config.get("peft_type") == "OFT" and not config.get("use_cayley_neumann", True):
        return None
    terms = config.get("num_cayley_neumann_terms", 5)
    return int(terms) if _is_number(terms) else 5


def _find_value(config: dict[str, Any], table: str, name: str, default: Any) -> Any:
    """PEFT's patterns: the end of a module's name → a value of its own."""
    patterns = config.get(table)
    if not isinstance(patterns, dict):
        return default
    return next((value for pattern, value in patterns.items() if _matches_end(name, [pattern])), default)


def _matches_end(name: str, endings: list[Any]) -> bool:
    return any(name == ending or name.endswith(f".{ending}") for ending in endings)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _read_header(file: RawFile) -> dict[str, Any]:
    text = file.metadata.get(HEADER, "")
    if not text or len(text) > MAX_HEADER:
        return {}
    try:
        table = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return table if isinstance(table, dict) else {}
