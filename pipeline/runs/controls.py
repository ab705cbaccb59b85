"""Controls of a run: their networks, loaded once, and their maps at each size."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch

from ...core.errors import BadParameter
from ...core.images.geometry import Size
from ...preprocessors import registry
from ..denoising.units import ControlUnit
from ..infotext.facts import ControlFacts
from ..models.controls.finding import find_union_mode
from ..models.controls.loading import load_control
from ..models.reference_files import explain_maps
from .maps import KIND, draw_hint
from .sources import read_source

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from ..models.model import ControlNetwork, Model
    from ..request import Control, Pixels
    from .painting import Region


class ReadyControl(NamedTuple):
    """What steers, the map as a picture, and what infotexts say of it."""

    unit: ControlUnit
    pixels: Pixels
    facts: ControlFacts


class Controls:
    """All controls of a request. initial: the picture to start from, for those without their own; mask: of it."""

    def __init__(self, controls: Sequence[Control], initial: Pixels | None, mask: NDArray[np.bool_] | None) -> None:
        """Read the pictures. Raises BadImage."""
        self._controls, self._mask = controls, mask
        own = [None if control.image is None else read_source(control.image) for control in controls]
        self._pictures = [
            picture for picture in (initial if one is None else one for one in own) if picture is not None
        ]
        self._networks: list[ControlNetwork] = []

    @property
    def shapes(self) -> list[Size]:
        """Sizes of the pictures."""
        return [Size(*picture.shape[:2]) for picture in self._pictures]

    def cut(self, region: Region, size: Size) -> None:
        """Let the maps be made of a part of the picture to start from. size: its own; others' pictures stay whole."""
        whole = tuple(size)
        self._pictures = [region.cut(one) if one.shape[:2] == whole else one for one in self._pictures]
        self._mask = None if self._mask is None else region.cut(self._mask)

    def load(self, model: Model, folders: Sequence[Path], note: Callable[[str], None]) -> None:
        """Find and load the networks. Raises UnknownName, BadParameter, BadWeights, UnsafeFile."""
        for control in self._controls:
            annotator = registry.resolve(control.annotator).annotator.spec.id if control.annotator else ""
            network = load_control(control.model, model=model, folders=folders, annotator=annotator)
            maps = explain_maps(annotator, network.name) if model.reference else ""
            for text in filter(None, (*network.notes, maps)):
                note(f"{network.name}: {text}")
            self._networks.append(network)

    def hand_over(self, take: Callable[[ControlNetwork], ControlNetwork]) -> None:
        """Let an engine compute the networks."""
        self._networks = [take(network) for network in self._networks]

    def prepare(self, size: Size, note: Callable[[str], None], *, device: str) -> list[ReadyControl]:
        """Draw the maps at a size. Raises what annotators raise."""
        rows = zip(self._controls, self._pictures, self._networks, strict=True)
        return [self._prepare(control, picture, network, size, note, device) for control, picture, network in rows]

    def _prepare(
        self,
        control: Control,
        picture: Pixels,
        network: ControlNetwork,
        size: Size,
        note: Callable[[str], None],
        device: str,
    ) -> ReadyControl:
        mask = self._mask if self._mask is not None and self._mask.shape == picture.shape[:2] else None
        hint = draw_hint(control, picture, size, mask, note, device=device)
        unit = ControlUnit(
            network=network,
            hint=torch.from_numpy(hint.values)[None],
            weight=control.weight,
            start=control.start,
            end=control.end,
            mode=control.mode,
            modes=find_modes(control, network),
        )
        facts = ControlFacts(
            module=control.annotator or "none",
            model=network.name,
            short_hash=network.short_hash,
            weight=control.weight,
            start=control.start,
            end=control.end,
            mode=control.mode,
            resolution=hint.resolution,
        )
        return ReadyControl(unit, hint.pixels, facts)


def find_modes(control: Control, network: ControlNetwork) -> tuple[int, ...]:
    """Number of the map's kind in a union ControlNet; empty for others.

    A ready map needs to be named: parameter "kind", as the network calls it. Raises BadParameter.
    """
    if network.form != "union":
        return ()
    named = str(control.params.get(KIND, ""))
    mode = network.modes.get(named) if named else find_union_mode(control.annotator) if control.annotator else None
    if mode is None:
        what = f"reads maps of several kinds, and {named or control.annotator or 'a ready map'} is none of them"
        raise BadParameter(what, where=network.name, fix=f"say kind={', kind='.join(network.modes) or 'number'}")
    return (mode,)
