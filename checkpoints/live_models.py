"""Models that a host has loaded, as inputs of a merge: the tensors that the host would save, under a file's names."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Literal

import torch

from ..core.errors import BadWeights
from .keys import normalise_name
from .nodes import RepairedValues
from .recipe import Live, Load, Recipe, list_sources
from .values import Shaped, Values
from .writer import lay_out

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from torch import Tensor

SCALE = "scale_weight"
"""Ending of the key of the scale of 8 bit codes."""


def is_scale(key: str) -> bool:
    """Whether an entry belongs to codes, which are decoded."""
    return key.endswith((f".{SCALE}", ".scale_input")) or key.rpartition(".")[2] == "scaled_fp8"


def match_by_memory(held: Mapping[str, Tensor], saved: Mapping[str, Tensor]) -> dict[str, str]:
    """Key in saved → key of the same tensor in held, by where it lies in memory; of several the one of that ending."""
    places: dict[tuple[object, ...], list[str]] = {}
    for key, tensor in held.items():
        places.setdefault(_locate(tensor), []).append(key)
    found: dict[str, str] = {}
    for key, tensor in saved.items():
        if names := places.get(_locate(tensor), []) if tensor.numel() else []:
            found[key] = next((name for name in names if key.endswith(name.partition(".")[2])), names[0])
    return found


def _locate(tensor: Tensor) -> tuple[object, ...]:
    return tensor.data_ptr(), tensor.dtype, tuple(tensor.shape), tensor.stride()


class LiveModel(ABC):
    """A model in a host's memory. Each host gives one.

    label: its name in messages. entries: key of a file → dtype and shape. metadata: as a file's. notes: what of the
    model no file can hold.
    """

    label: str
    entries: Mapping[str, Shaped]
    metadata: Mapping[str, str] = {}
    notes: tuple[str, ...] = ()

    @abstractmethod
    def compute(self, key: str) -> Tensor:
        """A tensor as the host would save it, patches applied, in the dtype of its entry."""


class LiveValues(Values):
    """A loaded model under the present names of its keys. Raises BadWeights for one that holds nothing."""

    def __init__(self, model: LiveModel) -> None:
        if not model.entries:
            raise BadWeights("holds no tensors", where=model.label, fix="connect a model that is loaded")
        self._model, self.label, self.metadata = model, model.label, model.metadata
        self._names = {normalise_name(name): name for name in model.entries}
        self.entries = {key: model.entries[name] for key, name in self._names.items()}
        self._computed = "", torch.empty(0)

    def read(self, key: str, begin: int, end: int, wanted: torch.dtype | None = None) -> Tensor:
        """Computed whole, once. Raises BadWeights for another shape than its entry's."""
        if self._computed[0] != key:
            value = self._model.compute(self._names[key]).detach()
            self._check(key, value)
            self._computed = key, value.cpu().contiguous().reshape(-1)
        return self._computed[1][begin:end]

    def _check(self, key: str, value: Tensor) -> None:
        """Raise BadWeights for a patch that changed a weight's shape, and for a weight that is not there."""
        shape = self.entries[key].shape
        if tuple(value.shape) != shape or value.is_meta:
            state = f"comes out of its patches as {list(value.shape)} in place of {list(shape)}"
            what = "has no values in memory" if value.is_meta else state
            fix = "take that patch off, or load the model again"
            raise BadWeights(what, where=f"{self.label}, {key}", fix=fix)


def make_source(checkpoint: Path | LiveModel, ema: Literal["drop", "use", "keep"] = "drop") -> Load | Live:
    """Node of a file, or of a loaded model."""
    return Live(name=checkpoint.label) if isinstance(checkpoint, LiveModel) else Load(path=str(checkpoint), ema=ema)


def make_plain_recipe(checkpoint: Path | LiveModel) -> Recipe:
    """The recipe that takes a checkpoint as it is."""
    live = {checkpoint.label: checkpoint} if isinstance(checkpoint, LiveModel) else {}
    return Recipe(node=make_source(checkpoint), live=live)


def name_checkpoint(checkpoint: Path | LiveModel) -> str:
    """Path of a file, or what a loaded model is connected as."""
    return checkpoint.label if isinstance(checkpoint, LiveModel) else str(checkpoint)


def hash_lives(recipe: Recipe, progress: Callable[[int, int], None]) -> dict[str, str]:
    """Name of each loaded model of a recipe that is there → hash of its tensors."""
    names = dict.fromkeys(source.name for source in list_sources(recipe.node) if isinstance(source, Live))
    return {name: hash_live(recipe.live[name], progress) for name in names if name in recipe.live}


def hash_live(model: LiveModel, progress: Callable[[int, int], None]) -> str:
    """SHA-256 of the tensors' bytes in the order in which a file would hold them; its ``tensors_sha256``."""
    values, digest, done = RepairedValues(LiveValues(model)), hashlib.sha256(), 0
    layout = lay_out(values)
    for key in layout.entries:
        count = values.entries[key].numel
        value = values.read(key, 0, count)
        digest.update(value.contiguous().reshape(-1).view(torch.uint8).numpy().data)
        done += count * values.entries[key].dtype.itemsize
        progress(done, layout.size)
    return digest.hexdigest()
