"""The model that a host has loaded, as far as files are read and refused by it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch

from ...core.errors import BadWeights
from ..applying.fitness import check_base_model, check_model, fit_base_model, guess_model
from ..applying.weight_access import StateDictWeights
from ..modules.architectures import ARCHITECTURES, UNET_MODELS, UNKNOWN
from ..modules.parts import TRANSFORMER, UNET
from ..modules.transformers import chroma, flux1, sd3
from ..reading.load import load_adapter

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from torch import Tensor

    from ..adapter import Adapter
    from ..applying.weight_access import WeightAccess

A1111_MODELS = frozenset((*UNET_MODELS, sd3.ARCHITECTURE.id))
"""What A1111 can load."""
ENGINES = {
    f"backend.diffusion_engine.{name}": known.ARCHITECTURE.id
    for name, known in {"sd35": sd3, "flux": flux1, chroma.ARCHITECTURE.id: chroma}.items()
}
"""Modules of Forge and its relatives → what those that have them can load beside models with a UNet."""


@dataclass(frozen=True, eq=False)
class HostModel:
    """base_model: its architecture, or UNKNOWN. parts: its denoiser, names and shapes alone; empty where the host
    does not show it. loadable: architectures that the host could load in its place."""

    base_model: str = UNKNOWN
    parts: Mapping[str, WeightAccess] = field(default_factory=dict[str, "WeightAccess"])
    loadable: frozenset[str] = frozenset()

    @classmethod
    def of(cls, weights: Mapping[str, Any], flags: Iterable[str], loadable: frozenset[str]) -> HostModel:
        """weights: of the denoiser, in its maker's spelling. flags: what the host calls the model, which counts where
        the weights are those of no base model."""
        parts = _describe_parts(weights)
        found = guess_model(parts)
        return cls(next(iter(flags), UNKNOWN) if found == UNKNOWN else found, parts, loadable)

    def read(self, path: Path) -> tuple[Adapter, str]:
        """The adapter of a file, and how it was read where that is by the loaded model: where its names and shapes fit
        several, it is read as one for this. Raises what reading raises."""
        adapter = load_adapter(path)
        own = fit_base_model(adapter, self.parts)
        return own, "; ".join(note for note in own.notes if note not in adapter.notes)

    def find_refusal(self, adapter: Adapter) -> str:
        """Why an adapter cannot go on this model, with the next step: it was made for another base model; else ""."""
        own = adapter.base_model
        way_out = f"load a checkpoint of {ARCHITECTURES[own].title}" if own in self.loadable else ""
        try:
            check_base_model(adapter, self.base_model, way_out=way_out)
            check_model(adapter, self.parts, way_out)
        except BadWeights as error:
            return str(BadWeights(error.what, fix=error.fix))  # whoever shows it names the file
        return ""


def _describe_parts(weights: Mapping[str, Any]) -> dict[str, WeightAccess]:
    """The denoiser as the transformer it is, where that is one that is known, else as a UNet."""
    table = {key: _describe(value) for key, value in weights.items() if ".weight." not in key}  # those quantise others
    found = StateDictWeights(TRANSFORMER, table)
    if found.architecture != UNKNOWN:
        return {TRANSFORMER: found}
    unet = StateDictWeights(UNET, table)
    return {UNET: unet} if unet.slots else {}


def _describe(value: Any) -> Tensor:
    """A tensor of that shape without content; of packed ones the shape that they have when they are unpacked."""
    packed = getattr(value, "quant_state", None)
    return torch.empty(tuple(value.shape if packed is None else packed.shape), device="meta")
