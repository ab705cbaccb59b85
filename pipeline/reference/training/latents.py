"""From pictures to what the UNet is trained on: latents of unit size, and the tokens of captions.

The VAE's latents get the same variance in every direction by a change of basis, which is folded exactly into
quant_conv and post_quant_conv: so SD1's scaling factor holds, and no loader needs to know.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ....checkpoints.layouts.reference_shape import SCALING_FACTOR
from ....core.tensor_files.safetensors_io import read_safetensors, write_safetensors
from ..world.captions import describe_scene, vary_caption
from ..world.spec import mirror_spec, sample_spec
from .data import read_scenes
from .vae import to_planes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

TOKENIZER = Path(__file__).parents[1] / "tokenizer"
VARIANTS = 4
"""Captions of each scene; the first is the whole one."""
BATCH = 16


@torch.no_grad()
def whiten(vae: Any, pictures: NDArray[np.uint8]) -> None:
    """Change the basis of the latents so that they have the deviation 1 / SCALING_FACTOR in every direction."""
    latents = torch.cat([*_encode(vae, pictures)])
    mean = latents.mean((0, 2, 3))
    centred = (latents - mean[:, None, None]).permute(1, 0, 2, 3).flatten(1)
    values, vectors = torch.linalg.eigh(centred @ centred.T / centred.shape[1])
    basis = vectors @ torch.diag(values**-0.5) @ vectors.T / SCALING_FACTOR
    into, out = vae.quant_conv, vae.post_quant_conv
    count = len(mean)
    into.weight[:count, :, 0, 0] = basis @ into.weight[:count, :, 0, 0]
    into.bias[:count] = basis @ (into.bias[:count] - mean)
    into.bias[count:] += 2 * torch.log(basis.diag())
    out.bias += out.weight[:, :, 0, 0] @ mean
    out.weight[:, :, 0, 0] = out.weight[:, :, 0, 0] @ torch.linalg.inv(basis)


def write_latents(vae: Any, scenes: Path, target: Path) -> Iterator[int]:
    """Encode the scenes, every second one mirrored, with its captions. Gives the number done.

    target: gets z float16 [N, 4, 16, 16], times SCALING_FACTOR; tokens
    int16 [N, VARIANTS, 77]; index int32 [N] of the scene and mirrored, 0 or 1.
    """
    fields = read_scenes(scenes, ("pictures", "seeds"))
    chosen = np.arange(len(fields["seeds"]))
    latents: list[Tensor] = []
    for first in range(0, len(chosen), BATCH):
        part = chosen[first : first + BATCH]
        pictures = [_mirror(fields["pictures"][index], bool(index % 2)) for index in part]
        latents += [z * SCALING_FACTOR for z in _encode(vae, np.stack(pictures))]
        yield first + len(part)
    captions = [list_captions(int(fields["seeds"][index]), mirrored=bool(index % 2)) for index in chosen]
    tensors = {
        "z": torch.cat(latents).cpu().half(),
        "tokens": torch.stack([tokenize(texts) for texts in captions]).short(),
        "index": torch.from_numpy(chosen).int(),
        "mirrored": torch.from_numpy(chosen % 2).int(),
    }
    write_safetensors(target, tensors)


def write_held_out(vae: Any, scenes: Path, target: Path) -> None:
    """The same for the scenes that are only judged, none mirrored, with whole captions."""
    fields = read_scenes(scenes, ("pictures", "seeds"), held_out=True)
    z = torch.cat([*_encode(vae, fields["pictures"])]).cpu() * SCALING_FACTOR
    captions = [describe_scene(sample_spec(np.random.default_rng(int(seed)))) for seed in fields["seeds"]]
    write_safetensors(target, {"z": z.half(), "tokens": tokenize(captions).short()})


def read_latents(folder: Path) -> dict[str, Tensor]:
    """What the workers wrote to a folder, joined."""
    parts = [read_safetensors(path) for path in sorted(folder.glob("latents_*.safetensors"))]
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


def list_captions(seed: int, *, mirrored: bool) -> list[str]:
    """The captions of a scene, or of its mirror image."""
    rng = np.random.default_rng(seed)
    spec = sample_spec(rng)
    spec = mirror_spec(spec) if mirrored else spec
    return [describe_scene(spec), *(vary_caption(spec, rng) for _ in range(VARIANTS - 1))]


def tokenize(texts: Sequence[str]) -> Tensor:
    """Token ids of texts, padded to 77, int64 [N, 77]."""
    tokenizer = import_module("transformers").CLIPTokenizer.from_pretrained(str(TOKENIZER))
    return tokenizer(list(texts), padding="max_length", max_length=77, truncation=True, return_tensors="pt").input_ids


def _mirror(picture: NDArray[np.uint8], mirrored: bool) -> NDArray[np.uint8]:
    return picture[:, ::-1] if mirrored else picture


@torch.no_grad()
def _encode(vae: Any, pictures: NDArray[np.uint8]) -> Iterator[Tensor]:
    for part in torch.from_numpy(np.ascontiguousarray(pictures)).split(BATCH):
        yield vae.encode(to_planes(part.to(vae.device))).latent_dist.mean.float()
