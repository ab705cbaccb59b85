"""Training of a ControlNet beside a frozen UNet (L. Zhang and others 2023, arXiv:2302.05543)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from ....adapters.modules.parts import UNET
from ....core.images.geometry import Size
from ...reference.networks import CONTROL_WIDTHS
from ...request import Control
from ..trainable import ParamGroup, TensorRow, Trainable
from .building import WIDTHS, build_control
from .files import write_control
from .low_rank import LowRankControl

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from torch import Tensor

    from ...models.model import Model
    from ..trainable import Batch
    from .maps import MapReader
    from .params import ControlParams
PREVIEW = "control.safetensors"
"""Name of the file that previews are drawn with."""


class ControlTraining(Trainable):
    """A ControlNet, whole or as Control-LoRA. maps: of the pictures."""

    kind = "controlnet"
    parts = frozenset({UNET})

    def __init__(
        self,
        model: Model,
        params: ControlParams,
        maps: MapReader,
        *,
        widths: Sequence[int] = (),
    ) -> None:
        """widths: of the map reader; empty for those of the model's ControlNets."""
        self.params, self.maps, self.model = params, maps, model
        for network in (model.unet, model.vae, *model.text_encoders):
            network.requires_grad_(False)
        with torch.random.fork_rng():
            torch.manual_seed(params.seed)
            own = widths or (CONTROL_WIDTHS if model.reference else WIDTHS)
            control = build_control(model.unet, own).float().to(model.placement.device).train()
            control.set_default_attn_processor()
            if params.gradient_checkpointing:
                control.enable_gradient_checkpointing()
            self.network: Any = LowRankControl(control, params.rank) if params.form == "lora" else control
            self.network.to(model.placement.device)

    def groups(self) -> list[ParamGroup]:
        """One for the whole network."""
        params = self.params
        tensors = {name.replace("-", "."): value for name, value in self.network.named_parameters()}
        return [ParamGroup(name="controlnet", tensors=tensors, rate=params.rate, weight_decay=params.weight_decay)]

    def predict(self, model: Model, batch: Batch) -> Any:
        """The UNet's answer to a batch with the maps of its pictures, [B, C, h, w]."""
        size = Size(*batch.size)
        found = [self.maps.read(one, size, flip=flip) for one, flip in zip(batch.samples, batch.flips, strict=True)]
        return self.answer(model, batch, torch.stack(found).to(batch.noisy.device))

    def answer(self, model: Model, batch: Batch, hints: Tensor) -> Any:
        """The same for maps float32 [B, 3, H, W]."""
        added = {"added_cond_kwargs": batch.added} if batch.added else {}
        down, middle = self.network(batch.noisy, batch.steps, batch.states, hints, return_dict=False, **added)
        return model.unet(
            batch.noisy,
            batch.steps,
            batch.states,
            down_block_additional_residuals=down,
            mid_block_additional_residual=middle,
            return_dict=False,
            **added,
        )[0]

    def predict_plain(self, model: Model, batch: Batch) -> Any:
        """The UNet's answer without the ControlNet."""
        return super().predict(model, batch)

    def write_preview_files(self, folder: Path) -> None:
        """The ControlNet as it is now."""
        write_control(folder / PREVIEW, self.network, self.model.unet, self.params.save_dtype, {})

    def list_preview_fields(self, folder: Path, prompt: str) -> dict[str, Any]:
        """It reads the map of the picture with this caption, or of the first one."""
        side = self.model.sample_size
        hint = self.maps.read(self.maps.find_example(prompt), Size(side, side))
        pixels = (hint.permute(1, 2, 0) * 255).round().byte().numpy()
        return {"controls": (Control(model=str(folder / PREVIEW), image=pixels),), "width": side, "height": side}

    def describe(self) -> list[TensorRow]:
        """The UNet, which stays."""
        return [TensorRow(name="unet", shape=(), moved=False, reason="only the ControlNet beside it is trained")]

    def save(self, path: Path, metadata: Mapping[str, str]) -> tuple[Path, ...]:
        """Write the file or folder."""
        return write_control(path, self.network, self.model.unet, self.params.save_dtype, metadata)
