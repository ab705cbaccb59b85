"""Training of the ControlNets, as Control-LoRAs (differences of low rank from the UNet), so that all are small."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from ....core.tensor_files.safetensors_io import read_safetensors
from ...training.controls.building import build_control as build_any_control
from ...training.controls.low_rank import LowRankControl
from ..networks import CONTROL_WIDTHS
from .control_files import STRENGTHS, load_control_lora, strengthen
from .diffusion import add_noise, draw_fixed, draw_steps, weigh_error
from .latents import read_latents
from .loop import Part, read_average
from .starting import copy_weights, load_start
from .trained import Words, load_text_encoder, load_unet

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor, nn

    from ....core.networks.placement import Placement

KINDS = ("canny", "depth", "seg", "pose", "softedge", "lines", "scribble", "inpaint")
WHOLE: tuple[str, ...] = ()
"""Kinds that are ControlNets of their own, which take seven times the room."""
RANK = 8
READER = "controlnet_cond_embedding"
"""In names of weights of map readers; these learn slowly where they were trained alone before."""
READERS = ("inpaint",)
"""Kinds whose map reader is trained alone first."""
UNPROMPTED = 0.3
JUDGED = 64


def build_control(unet: Any) -> Any:
    """A ControlNetModel that begins as the UNet's first half and adds nothing."""
    return build_any_control(unet, CONTROL_WIDTHS)


class ControlPart(Part):
    """One ControlNet on the finished base. maps: uint8 [N, H, W, 3] of the scenes of the latents, and of the judged."""

    rate = 2.5e-3
    batches = (12, 256)
    decay = 0.998

    def __init__(
        self, placement: Placement, kind: str, folder: Path, *, start: Path | None = None, batch: int = 0
    ) -> None:
        super().__init__(placement, batch)
        self.name = f"control_{kind}"
        text = load_text_encoder(folder, start).to(self.device)
        self._unet: Any = load_unet(folder, start).to(self.device)
        self._unet.set_default_attn_processor()
        self.module = start_control(kind, self._unet, start)
        taught = _load_reader(self.module, folder / f"reader_{kind}.safetensors")
        self.module.to(self.device)
        fresh = ("controlnet_", "up.", "down.", "direct.controlnet_")
        self.slow = [
            value
            for name, value in self.module.named_parameters()
            if not name.startswith(fresh) or (taught and READER in name)
        ]
        data = read_latents(folder / "latents")
        self._latents = data["z"].to(self.device)
        self._words = Words(text, data["tokens"].to(self.device))
        held = read_safetensors(folder / "latents" / "held_out.safetensors")
        self._held = held["z"][:JUDGED].to(self.device)
        with torch.no_grad():
            self._held_words = text(held["tokens"][:JUDGED].long().to(self.device)).last_hidden_state
        maps = read_safetensors(folder / "maps" / f"{kind}.safetensors")
        self._maps, self._held_maps = maps["maps"].to(self.device), maps["held_out"][:JUDGED].to(self.device)

    def compute_loss(self, share: float) -> Tensor:
        """Weighted error of the predicted noise."""
        chosen = self.choose(len(self._latents))
        latents, words = self._latents[chosen].float(), self._words.read(chosen, UNPROMPTED)
        steps = draw_steps(self.batch, self.device)
        return self._compare(latents, words, self._maps[chosen], steps, torch.randn_like(latents))

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """The same error on scenes that are only judged, with fixed noise and evenly spread steps."""
        latents = self._held.float()
        steps, noise = draw_fixed(latents)
        return {"validation": float(self._compare(latents, self._held_words, self._held_maps, steps, noise))}

    def _compare(self, latents: Tensor, words: Tensor, maps: Tensor, steps: Tensor, noise: Tensor) -> Tensor:
        noisy = add_noise(latents, noise, steps)
        hint = decode_maps(maps)
        with self.autocast():
            down, middle = self.module(noisy, steps, words, hint, return_dict=False)
            answer = self._unet(
                noisy,
                steps,
                words,
                down_block_additional_residuals=down,
                mid_block_additional_residual=middle,
            ).sample
        return weigh_error(answer, noise, steps)


def start_control(kind: str, unet: Any, start: Path | None) -> Any:
    """What is trained of a ControlNet, as it begins. start: weights of an earlier run; without, it adds nothing yet."""
    control = build_control(unet)
    control.set_default_attn_processor()
    module = control if kind in WHOLE else LowRankControl(control, RANK)
    if start is not None:
        _load_control(module, kind, start, unet)
    return module


def find_reader(module: Any) -> Any:
    """The map reader of what is trained of a ControlNet."""
    return module.reader if isinstance(module, LowRankControl) else module.controlnet_cond_embedding


def _load_reader(module: Any, path: Path) -> bool:
    """A map reader that was trained alone, if there is one. Gives whether there was."""
    if not path.exists():
        return False
    prefix = "reader."
    average = {name.removeprefix(prefix): v for name, v in read_average(path).items() if name.startswith(prefix)}
    copy_weights(find_reader(module), average, where=str(path))
    return True


def _load_control(module: nn.Module, kind: str, start: Path, unet: Any) -> None:
    """Weights of an earlier run, if it got as far as this kind."""
    path = start / f"control_lora_{kind}.safetensors"
    if isinstance(module, LowRankControl):
        if path.exists():
            names = frozenset(name for name, _ in unet.named_modules())
            tensors = strengthen(read_safetensors(path), 1 / STRENGTHS.get(kind, 1.0))
            load_control_lora(module, tensors, names, where=str(path))
    elif (start / f"controlnet_{kind}").exists():
        load_start(module, start / f"controlnet_{kind}")


def decode_maps(maps: Tensor) -> Tensor:
    """Maps uint8 [N, H, W, 3 or 4] as ControlNets take them, [N, 3, H, W], 0 to 1; -1 where a fourth channel is 255."""
    values = maps.permute(0, 3, 1, 2).float() / 255
    return values[:, :3] if values.shape[1] == 3 else torch.where(values[:, 3:] > 0.5, -1.0, values[:, :3])
