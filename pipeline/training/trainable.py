"""What a run trains, independent of the loop: parameters, how the model answers with them, and how they are saved."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import msgspec

from ...adapters.modules.parts import UNET

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from torch import Tensor, nn

    from ..models.model import Model
    from .data.samples import Sample


class ParamGroup(msgspec.Struct, frozen=True, kw_only=True):
    """Parameters with one learning rate. tensors: by name, float32; names of all groups of a run differ."""

    name: str
    tensors: dict[str, nn.Parameter]
    rate: float
    weight_decay: float = 0.0


class TensorRow(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the receipt: a tensor that is trained, or one that a user could expect to be, and why it is not."""

    name: str
    shape: tuple[int, ...]
    moved: bool
    reason: str = ""


class Batch(msgspec.Struct, kw_only=True):
    """What the model is asked at one pass.

    latents, noise, noisy, target: float32 [B, C, h, w]; steps: int64 [B], of 1000; states: what the text encoders say
    of the captions [B, T, D], with gradients where they are trained; added: SDXL's text_embeds [B, P] and time_ids
    [B, 6], empty for others; samples: where each is from; captions: as they were encoded; flips: which are mirrored;
    size: height and width of the pictures in pixels.
    """

    latents: Tensor
    noise: Tensor
    noisy: Tensor
    target: Tensor
    steps: Tensor
    states: Tensor
    added: dict[str, Tensor]
    samples: tuple[Sample, ...]
    captions: tuple[str, ...]
    flips: tuple[bool, ...]
    size: tuple[int, int]


class Trainable(ABC):
    """Base of everything that is trained. After construction the model computes with the trained tensors.

    kind: of the operation ("lora"). parts: networks that must be computed with gradients, by their ids; text encoders
    among them are computed anew at every step.
    """

    kind = ""
    parts: frozenset[str] = frozenset({UNET})

    @abstractmethod
    def groups(self) -> list[ParamGroup]:
        """What the optimiser moves; the same tensors at every call."""

    @abstractmethod
    def save(self, path: Path, metadata: Mapping[str, str]) -> tuple[Path, ...]:
        """Write the result and give its files. Raises WriteFailed; what stood there before is then untouched."""

    def state(self) -> dict[str, Tensor]:
        """Exact values from which a run goes on, by name."""
        return {name: tensor.detach() for group in self.groups() for name, tensor in group.tensors.items()}

    def load_state(self, tensors: Mapping[str, Tensor]) -> None:
        """Take the values that `state` gave."""
        import torch

        with torch.no_grad():
            for name, tensor in self.state().items():
                tensor.copy_(tensors[name])

    def predict(self, model: Model, batch: Batch) -> Any:
        """The UNet's answer to a batch, [B, C, h, w]."""
        added = {"added_cond_kwargs": batch.added} if batch.added else {}
        return model.unet(batch.noisy, batch.steps, batch.states, return_dict=False, **added)[0]

    def vectors(self) -> Mapping[str, Mapping[str, Tensor]]:
        """Words of captions that stand for trained vectors: word → part → [N, D]."""
        return {}

    def check_captions(self, captions: Collection[str]) -> None:  # noqa: B027 - most take any
        """Raise BadParameter for captions that it cannot be trained on."""

    def write_caption(self, caption: str, number: int) -> str:
        """The caption of a pass as it is trained on. number: of this pass and picture, random and repeatable."""
        return caption

    def before_pass(self, step: int, index: int) -> None:  # noqa: B027 - most have nothing to do
        """What precedes each pass. step: steps done so far; index: of the pass within the step, both from 0."""

    def after_step(self, step: int) -> None:  # noqa: B027
        """What follows each step of the optimiser, counted from 1."""

    def write_preview_files(self, folder: Path) -> None:  # noqa: B027 - most need none
        """Write what preview pictures need besides the model; ControlNets and embeddings are looked for in folder."""

    def list_preview_fields(self, folder: Path, prompt: str) -> dict[str, Any]:
        """Fields of the request of a preview, besides the prompt; folder holds what `write_preview_files` wrote."""
        return {}

    @property
    def notes(self) -> tuple[str, ...]:
        """What a user should know of what is trained."""
        return ()

    def describe(self) -> list[TensorRow]:
        """Rows of the receipt besides those of `groups`: what is not trained although it could be, with the reason."""
        return []

    def remove(self) -> None:  # noqa: B027
        """Leave the model as it was before."""
