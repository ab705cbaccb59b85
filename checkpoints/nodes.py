"""Nodes of a merge beside methods: casts, another VAE, LoRAs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from ..core.errors import BadWeights
from .families import find_family
from .keys import EMA, find_part, is_position_ids, is_weight
from .values import FLOATS, Shaped, Values

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from torch import Tensor

    from ..adapters.applying.baked_weights import BakedWeights
    from .recipe import Part
    from .values import FileValues

DTYPES = {"fp16": torch.float16, "bf16": torch.bfloat16, "fp32": torch.float32}
_VAE = "first_stage_model."
_PARTS: dict[str, str] = {"vae": "VAE", "text_encoder": "text encoder", "unet": "UNet", "ema": "averaged weights"}


class PassedValues(Values):
    """The same as another node; base of those that change a few things."""

    def __init__(self, inner: Values, entries: Mapping[str, Shaped] | None = None) -> None:
        self.inner, self.label, self.metadata = inner, inner.label, inner.metadata
        self.entries = inner.entries if entries is None else entries

    def read(self, key: str, begin: int, end: int, wanted: torch.dtype | None = None) -> Tensor:
        """As the other node."""
        return self.inner.read(key, begin, end, wanted)

    def find_grain(self, key: str) -> int:
        """As the other node."""
        return self.inner.find_grain(key)

    def find_source(self, key: str) -> tuple[FileValues, str] | None:
        """As the other node."""
        return self.inner.find_source(key)


class CastValues(PassedValues):
    """In another dtype, and without some parts. Scalars, schedulers and whole numbers keep their dtype.

    notes: what was decided otherwise than asked for.
    """

    def __init__(self, inner: Values, dtype: torch.dtype | None, drop: Iterable[Part] = ()) -> None:
        dropped, self.notes = frozenset(drop), list[str]()
        found = {key: entry for key, entry in inner.entries.items() if find_part(key) not in dropped}
        self._check_parts({find_part(key) for key in inner.entries}, dropped, inner.label)
        if not found:
            raise BadWeights("would have nothing left", where=inner.label, fix="leave out fewer parts")
        keeps_vae = dtype == torch.float16 and find_family(inner.entries).id.startswith("sdxl")
        entries = {key: self._describe(key, entry, dtype, keeps_vae=keeps_vae) for key, entry in found.items()}
        if any(find_part(key) == "vae" and entries[key].dtype != dtype for key in found) and keeps_vae:
            self.notes.append("the VAE stays in float32: that of SDXL overflows in float16")
        super().__init__(inner, entries)

    def _check_parts(self, held: set[Part | None], dropped: frozenset[Part], label: str) -> None:
        """Say which parts were to be left out and are not there."""
        missing = sorted(part for part in dropped - held if part != "ema")
        self.notes += [f"{label} holds no {_PARTS[part]} that could be left out" for part in missing]

    def read(self, key: str, begin: int, end: int, wanted: torch.dtype | None = None) -> Tensor:
        """Rounded here unless the caller rounds to the same dtype."""
        dtype = self.entries[key].dtype
        value = self.inner.read(key, begin, end, dtype)
        return value if wanted == dtype else value.to(dtype)

    def read_into(self, key: str, begin: int, end: int, room: Tensor) -> Tensor:
        """Computed in place where nothing is rounded in between."""
        plain = self.entries[key].dtype == room.dtype
        return self.inner.read_into(key, begin, end, room) if plain else super().read_into(key, begin, end, room)

    def find_source(self, key: str) -> tuple[FileValues, str] | None:
        """Of the other node, where the dtype stays."""
        return self.inner.find_source(key) if self.entries[key].dtype == self.inner.entries[key].dtype else None

    def _describe(self, key: str, entry: Shaped, dtype: torch.dtype | None, *, keeps_vae: bool) -> Shaped:
        numbers = entry.dtype in FLOATS or entry.dtype.is_floating_point
        own = key.replace(EMA, "model.", 1) if key.startswith(EMA) else key
        if dtype is None or not is_weight(own, entry.shape, is_float=numbers):
            return entry
        if keeps_vae and find_part(key) == "vae" and entry.dtype == torch.float32:
            return entry
        return Shaped(dtype, entry.shape)


class RepairedValues(PassedValues):
    """With lists of positions as they should be: whole numbers from 0 on, int64."""

    def __init__(self, inner: Values) -> None:
        fixed = {k: Shaped(torch.int64, e.shape) for k, e in inner.entries.items() if is_position_ids(k)}
        super().__init__(inner, {**inner.entries, **fixed})
        self._fixed = frozenset(fixed)

    def read(self, key: str, begin: int, end: int, wanted: torch.dtype | None = None) -> Tensor:
        """Count the positions."""
        if key not in self._fixed:
            return self.inner.read(key, begin, end, wanted)
        return torch.arange(begin, end, dtype=torch.int64)

    def read_into(self, key: str, begin: int, end: int, room: Tensor) -> Tensor:
        """As the other node, but for positions."""
        fixed = key in self._fixed
        return super().read_into(key, begin, end, room) if fixed else self.inner.read_into(key, begin, end, room)

    def find_source(self, key: str) -> tuple[FileValues, str] | None:
        """None for positions."""
        return None if key in self._fixed else self.inner.find_source(key)


class VaeValues(PassedValues):
    """With the VAE of another file in place of its own. notes: what the other file lacks."""

    def __init__(self, inner: Values, other: FileValues) -> None:
        self._other, self.notes = other, list[str]()
        names = {_VAE + _strip(key): key for key in other.entries if _is_of_vae(key)}
        own = {key for key in inner.entries if find_part(key) == "vae"}
        if not names or (own and not own & set(names)):
            what = f"holds no weight of the VAE of {inner.label}" if own else "holds no VAE"
            fix = "give a VAE in the layout of single-file checkpoints (encoder.down.0...)"
            raise BadWeights(what, where=other.label, fix=fix)
        bad = [key for key in own & set(names) if inner.entries[key].shape != other.entries[names[key]].shape]
        if bad:
            what = f"has {len(bad)} weights of another shape, such as {min(bad)}"
            raise BadWeights(what, where=other.label, fix="give a VAE of the same base model")
        self._names = {key: name for key, name in names.items() if key in own} if own else names
        if lost := sorted(own - set(names)):
            self.notes.append(f"{other.label} lacks {len(lost)} weights of the VAE, which stay: {lost[0]}")
        fresh = {key: other.entries[name] for key, name in self._names.items()}
        super().__init__(inner, {**inner.entries, **fresh})

    def read(self, key: str, begin: int, end: int, wanted: torch.dtype | None = None) -> Tensor:
        """From the other file where it is the VAE's."""
        if key in self._names:
            return self._other.read(self._names[key], begin, end, wanted)
        return self.inner.read(key, begin, end, wanted)

    def find_grain(self, key: str) -> int:
        """Single elements of a file."""
        return 1 if key in self._names else self.inner.find_grain(key)

    def find_source(self, key: str) -> tuple[FileValues, str] | None:
        """The other file."""
        return self._other.find_source(self._names[key]) if key in self._names else self.inner.find_source(key)


def _strip(key: str) -> str:
    return key.removeprefix(_VAE).removeprefix("vae.")


def _is_of_vae(key: str) -> bool:
    """Whether a key of a VAE file or a checkpoint is the VAE's, and not its training's."""
    own = _strip(key)
    starts = ("encoder.", "decoder.", "quant_conv.", "post_quant_conv.")
    return own.startswith(starts) and (find_part(key) in ("vae", None))


class AdaptedValues(PassedValues):
    """With LoRAs baked in. names: key → name in the file, of the weights that they change."""

    def __init__(self, inner: Values, baked: BakedWeights, names: Mapping[str, str]) -> None:
        self._baked, self._names = baked, dict(names)
        added = {key: name for key, name in names.items() if key not in inner.entries}
        super().__init__(
            inner, {**inner.entries, **{k: Shaped(torch.float32, baked.entries[n].shape) for k, n in added.items()}}
        )
        self._computed = "", torch.empty(0)

    def read(self, key: str, begin: int, end: int, wanted: torch.dtype | None = None) -> Tensor:
        """A changed weight is computed whole, once, in float32."""
        if key not in self._names:
            return self.inner.read(key, begin, end, wanted)
        if self._computed[0] != key:
            self._computed = key, self._baked.compute(self._names[key]).reshape(-1)
        return self._computed[1][begin:end]

    def find_source(self, key: str) -> tuple[FileValues, str] | None:
        """None for changed weights."""
        return None if key in self._names else self.inner.find_source(key)
