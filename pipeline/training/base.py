"""The model that is trained on: what it must be, and how the same is known again."""

from __future__ import annotations

import hashlib
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from ...adapters.modules.parts import UNET
from ...core.errors import BadParameter
from ..conditioning.encoders import explain_clip_skip, find_layer_count
from ..models.parts import ENCODERS, PLAIN_CHANNELS
from ..runs.options import split_lines

if TYPE_CHECKING:
    from collections.abc import Generator

    from ..models.model import Model
    from .params import TrainParams
    from .trainable import Trainable

_SAMPLE = 4096
"""Bytes of each weight by which a model is known again."""


def check_model(model: Model, params: TrainParams) -> None:
    """Raise BadParameter for a model that cannot be trained, and for options that it does not read."""
    fix = "choose a model for text to image of SD1, SD2 or SDXL"
    if model.channels != PLAIN_CHANNELS:
        raise BadParameter("is a model for inpainting, which cannot be trained here", where=model.name, fix=fix)
    if model.family == "sdxl_refiner":
        raise BadParameter("is SDXL's refiner, which cannot be trained here", where=model.name, fix=fix)
    if fault := explain_clip_skip(model, params.clip_skip):
        raise BadParameter(fault, where="clip_skip", fix="leave --clip-skip out")
    if params.clip_skip > (layers := find_layer_count(model)):
        raise BadParameter(f"the text encoder has {layers} layers", where="clip_skip", fix=f"give 1 to {layers}")


def list_networks(model: Model) -> dict[str, Any]:
    """UNet and text encoders by part."""
    return {UNET: model.unet, **dict(zip(ENCODERS[model.family], model.text_encoders, strict=True))}


def count_numbers(model: Model) -> dict[str, int]:
    """Numbers of each network, as full fine-tuning would train them."""
    return {part: sum(p.numel() for p in network.parameters()) for part, network in list_networks(model).items()}


def hash_model(model: Model) -> str:
    """Tells models apart, whatever their files are called, by the beginning of each weight."""
    digest = hashlib.sha256()
    for part, network in list_networks(model).items():
        for name, value in sorted(network.state_dict().items()):
            start = value.detach().flatten()[: _SAMPLE // value.element_size()].cpu().contiguous()
            digest.update(f"{part}.{name} {tuple(value.shape)}".encode())
            digest.update(start.view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:32]


def list_folders(text: str) -> tuple[Path, ...]:
    """Folders that are named, one a line. Raises BadParameter for one that is not there."""
    folders = tuple(map(Path, split_lines(text)))
    for folder in folders:
        if not folder.is_dir():
            raise BadParameter("is no folder", where=str(folder), fix="check the name")
    return folders


@contextmanager
def save_activations(model: Model, trainable: Trainable, *, active: bool) -> Generator[None]:
    """Compute activations a second time in place of keeping them, in the block, in networks that have gradients."""
    networks = [network for part, network in list_networks(model).items() if active and part in trainable.parts]
    for network in networks:
        network.train()  # transformers asks for it; no layer of these networks behaves differently
        _switch(network, on=True)
    try:
        yield
    finally:
        for network in networks:
            _switch(network, on=False)
            network.eval()


def _switch(network: Any, *, on: bool) -> None:
    """diffusers, and transformers before and after 5, call it differently.

    transformers before 5 chooses the kind without gradients where only parameters, and not the inputs, have them.
    """
    verb = "enable" if on else "disable"
    if hasattr(network, f"{verb}_gradient_checkpointing"):
        getattr(network, f"{verb}_gradient_checkpointing")()
        return
    names = (f"activation_checkpointing_{verb}", f"gradient_checkpointing_{verb}")
    switch = next(getattr(network, name) for name in names if hasattr(network, name))
    switch({"use_reentrant": False}) if on else switch()
