"""As much of ComfyUI as loaded checkpoints need: a MODEL, CLIP and VAE whose files have other names than they have."""

from __future__ import annotations

from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import torch
from tests.support.checkpoint_models import UNET

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

ENCODER, VAE = "conditioner.embedders.1.model.", "first_stage_model."
FUSED = "resblocks.0.attn.in_proj_weight"
_QKV = [f"clip_g.layers.0.{name}_proj.weight" for name in "qkv"]


class ModelPatcher:
    """Weights of one part, with patches: key → what is added."""

    load_device = torch.device("cpu")

    def __init__(self, table: dict[str, Tensor]) -> None:
        self.table, self.patches = table, dict[str, list[Any]]()
        self.model = SimpleNamespace()
        self.hook_patches: dict[Any, Any] = {}
        self.sampling: Any = SimpleNamespace()

    def patched(self, seed: int, every: int = 1) -> ModelPatcher:
        """A clone of the same weights with a change of every so many of them."""
        made, draw = ModelPatcher(self.table), torch.Generator().manual_seed(seed)
        made.model, made.sampling = self.model, self.sampling
        keys = [key for key, tensor in self.table.items() if tensor.is_floating_point()][::every]
        made.patches = {key: [torch.randn(self.table[key].shape, generator=draw)] for key in keys}
        return made

    def model_state_dict(self) -> dict[str, Tensor]:
        return {key: tensor.detach() for key, tensor in self.table.items()}

    def get_key_patches(self) -> dict[str, list[Any]]:
        return {key: [(tensor, self.decode(key)), *self.patches.get(key, [])] for key, tensor in self.table.items()}

    def decode(self, key: str) -> Any:
        scale = self.table.get(f"{key.removesuffix('weight')}scale_weight")
        return lambda value, **_: value if scale is None else value * scale  # type: ignore[reportUnknownLambdaType]

    def get_model_object(self, name: str) -> Any:
        assert name == "model_sampling"
        return self.sampling

    def compute(self) -> dict[str, Tensor]:
        """What the host has in memory when the patches are on."""
        wide = {key: calculate_weight(held, self.table[key].float(), key) for key, held in self.patches.items()}
        return {**self.table, **{key: value.to(self.table[key].dtype) for key, value in wide.items()}}


def calculate_weight(patches: list[Tensor], weight: Tensor, key: str) -> Tensor:
    for patch in patches:
        weight = weight + 0.25 * patch
    return weight


def save_encoder(table: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The host's naming of text encoders: q, k and v in one weight, a projection transposed, a scalar left out."""
    fused = torch.cat([table[key] for key in _QKV])
    plain = {f"{ENCODER}{k.removeprefix('clip_g.')}": t for k, t in table.items() if k not in (*_QKV, "clip_g.turned")}
    plain.pop(f"{ENCODER}scalar")
    return {**plain, f"{ENCODER}{FUSED}": fused, f"{ENCODER}turned": table["clip_g.turned"].t().contiguous()}


def load(tensors: Mapping[str, Tensor]) -> tuple[ModelPatcher, Any, Any]:
    """MODEL, CLIP and VAE of a checkpoint; the CLIP's weights are its own."""
    unet = {f"diffusion_model.{k.removeprefix(UNET)}": t for k, t in tensors.items() if k.startswith(UNET)}
    vae = ModelPatcher({k.removeprefix(VAE): t for k, t in tensors.items() if k.startswith(VAE)})
    model = ModelPatcher(unet)

    def save_weights() -> dict[str, Tensor]:
        held = model.model_state_dict()
        return {UNET + key.removeprefix("diffusion_model."): tensor for key, tensor in held.items()}

    config = SimpleNamespace(
        process_clip_state_dict_for_saving=save_encoder,
        process_vae_state_dict_for_saving=lambda table: {VAE + key: t for key, t in table.items()},  # type: ignore[reportUnknownLambdaType]
    )
    model.model = SimpleNamespace(state_dict_for_saving=save_weights, model_config=config)
    draw = torch.Generator().manual_seed(5)
    names = {**dict.fromkeys(_QKV, (4, 4)), "clip_g.turned": (4, 6), "clip_g.other": (5,), "clip_g.scalar": (1,)}
    clip = ModelPatcher({key: torch.randn(shape, generator=draw).half() for key, shape in names.items()})
    return model, make_clip(clip), SimpleNamespace(patcher=vae)


def make_clip(patcher: ModelPatcher) -> Any:
    return SimpleNamespace(patcher=patcher, get_sd=patcher.model_state_dict)


def save(model: ModelPatcher, clip: Any, vae: Any) -> dict[str, Tensor]:
    """The tensors of the file that the host writes of them."""
    unet = {UNET + key.removeprefix("diffusion_model."): tensor for key, tensor in model.compute().items()}
    encoder = {} if clip is None else save_encoder(clip.patcher.compute())
    return {**unet, **encoder, **({} if vae is None else {VAE + key: t for key, t in vae.patcher.compute().items()})}


def stubs() -> dict[str, ModuleType]:
    """Modules of the host."""
    made = {name: ModuleType(name) for name in ("comfy.lora", "comfy.float", "comfy.model_patcher")}
    vars(made["comfy.lora"])["calculate_weight"] = calculate_weight
    vars(made["comfy.float"])["stochastic_rounding"] = lambda value, dtype, seed: (value + seed).to(dtype)  # type: ignore[reportUnknownLambdaType]
    vars(made["comfy.model_patcher"])["string_to_seed"] = len
    return made
