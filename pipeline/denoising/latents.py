"""Between pictures and latents, one picture at a time, so that a picture is the same alone and in a batch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ...core.errors import BadWeights

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from ..models.model import Model
    from ..request import Pixels


@torch.no_grad()
def decode(model: Model, latents: Tensor) -> Pixels:
    """Pictures uint8 [B, H, W, 3] of latents [B, C, h, w]; levels are cut off, not rounded, as in both hosts.

    Raises BadWeights where the VAE answers NaN.
    """
    pictures: list[Pixels] = []
    for one in latents:
        planes = model.vae.decode(place(one[None] / model.scaling_factor, model.vae), return_dict=False)[0].float()
        if bool(torch.isnan(planes).any()):
            raise BadWeights(
                "the VAE answers NaN",
                where=model.vae_name or model.name,
                fix="run in float32 (--dtype float32), or choose another VAE (--vae)",
            )
        levels = ((planes + 1) / 2).clamp(0, 1) * 255
        pictures.append(levels[0].permute(1, 2, 0).byte().cpu().numpy())
    return np.stack(pictures)


@torch.no_grad()
def encode(model: Model, pictures: NDArray[np.uint8]) -> Tensor:
    """Latents float32 [B, C, h, w], where the model runs, of pictures uint8 [B, H, W, 3] with sides that fit.

    The mean of what the VAE allows is taken, as in ComfyUI; A1111 draws from it without a seed.
    """
    planes = torch.from_numpy(np.ascontiguousarray(pictures)).permute(0, 3, 1, 2).float() / 255 * 2 - 1
    return encode_planes(model, planes)


def encode_planes(model: Model, planes: Tensor) -> Tensor:
    """The same of planes [B, 3, H, W], -1 to 1."""
    found = [model.vae.encode(place(one[None], model.vae), return_dict=False)[0].mean for one in planes]
    return torch.cat(found).float() * model.scaling_factor


def place(tensor: Tensor, network: Any) -> Tensor:
    """Where a network is, and in its dtype; as it is for what runs elsewhere and says neither."""
    parameters = getattr(network, "parameters", None)
    own = None if parameters is None else next(iter(parameters()), None)
    return tensor if own is None else tensor.to(own.device, own.dtype)
