"""ControlNets, from a name or an annotator to a network that steers a model."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

from ....core.errors import BadParameter
from ....core.file_state import describe_files
from ....core.networks.keeping import load_once
from ..finding import find_control
from ..hashing import find_short_hash
from ..reference_files import find_reference_control_kind
from .finding import choose_control
from .reading import depends_on_unet, read_control

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ..model import ControlNetwork, Model

CONTROLS = 8
"""ControlNets that are kept."""


def load_control(name: str = "", *, model: Model, folders: Sequence[Path] = (), annotator: str = "") -> ControlNetwork:
    """A ControlNet, union ControlNet, Control-LoRA or T2I-adapter for a model, loaded once.

    name: of a file or folder in the hosts' folders, or a path; of the reference model's own, a kind ("depth") too;
    empty for the one that fits the annotator. A Control-LoRA takes the weights of the UNet as it is at the first call:
    load it before LoRAs are applied. Raises UnknownName, BadParameter (several fit; another base model), BadWeights,
    UnsafeFile.
    """
    if not name and not annotator:
        raise BadParameter("names neither a ControlNet nor an annotator", where="control", fix="name one of them")
    path = _find(name, model, folders) if name else choose_control(annotator, model, folders)
    base = weakref.ref(model.unet) if depends_on_unet(path) else None
    key = (
        describe_files([path, *(sorted(path.iterdir()) if path.is_dir() else [])]),
        model.placement,
        model.family,
        base,
    )
    return load_once("control", key, lambda: _read(path, model), most=CONTROLS)


def _find(name: str, model: Model, folders: Sequence[Path]) -> Path:
    own = find_reference_control_kind(name.removeprefix("controlnet_").removeprefix("control_lora_"))
    return own if own is not None and model.reference else find_control(name, folders)


def _read(path: Path, model: Model) -> ControlNetwork:
    control = read_control(path, model)
    control.short_hash = find_short_hash(path)
    return control
