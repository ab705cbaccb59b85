"""Low-rank networks on small models, trained by chance: every value is random, so that nothing hides behind zeros."""

from __future__ import annotations

from typing import Any

import torch

from underdrawing.core.networks.placement import Placement
from underdrawing.pipeline.models.model import Model
from underdrawing.pipeline.training.networks.network import LowRankNetwork
from underdrawing.pipeline.training.networks.params import NetworkParams

from . import adapter_models

UNETS = {"sd1": adapter_models.SD15, "sd2": adapter_models.SD21, "sdxl": adapter_models.SDXL}
ENCODERS = {
    "sd1": (adapter_models.CLIP,),
    "sd2": (adapter_models.CLIP,),
    "sdxl": (adapter_models.CLIP, adapter_models.BIGG),
}


def make_tree(family: str = "sd1") -> Model:
    """A base model whose networks hold layers under their real names and compute nothing."""
    return Model(
        name=f"tree_{family}",
        family=family,  # type: ignore[arg-type]
        prediction="epsilon",
        unet=adapter_models.unet(UNETS[family]),
        vae=None,
        text_encoders=tuple(adapter_models.encoder(shape) for shape in ENCODERS[family]),
        tokenizers=(),
        alphas=torch.ones(1000),
        scaling_factor=1.0,
        placement=Placement(),
    )


def train_by_chance(model: Model, *, text: bool = True, **options: Any) -> LowRankNetwork:
    """A network with random values in every tensor."""
    values: dict[str, Any] = {"save_dtype": "float32", "rank": 2, **options}
    params = NetworkParams(**values)
    network = LowRankNetwork(model, params, rate=1e-3, text_rate=1e-4 if text else 0.0, seed=1)
    generator = torch.Generator().manual_seed(4)
    for group in network.groups():
        for tensor in group.tensors.values():
            tensor.data.add_(torch.randn(tensor.shape, generator=generator) * 0.05)
    return network
