"""One dictionary of every spelling of every module name; names are looked up, never parsed out of underscores.

Spellings of a UNet module: diffusers (``down_blocks.0...``), LDM (``input_blocks.1.0...``), and kohya's of both, with
dots replaced by underscores. Of a text encoder module: transformers with and without ``text_model.``, OpenCLIP
(``transformer.resblocks.0...``), and kohya's of all. No two modules share a spelling (tested).
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from .architectures import ARCHITECTURES
from .language_models import T5
from .layers import TextEncoder, UNet
from .parts import UNET

if TYPE_CHECKING:
    from collections.abc import Iterable

RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
STEM = {
    "conv_in": "input_blocks.0.0",
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
}
_OPENCLIP = {
    "self_attn.out_proj": "attn.out_proj",
    "mlp.fc1": "mlp.c_fc",
    "mlp.fc2": "mlp.c_proj",
    "layer_norm1": "ln_1",
    "layer_norm2": "ln_2",
}
_OPENCLIP_STEM = {
    "final_layer_norm": "ln_final",
    "embeddings.token_embedding": "token_embedding",
    "embeddings.position_embedding": "positional_embedding",
    "text_projection": "text_projection",
}
_CLIP = ("embeddings.", "encoder.layers.", "final_layer_norm")
"""How names of a CLIP's modules begin."""
_FROM_OPENCLIP = {native: name for name, native in _OPENCLIP.items()}
MOST_BLOCKS = 24
"""Blocks a side that names are looked up for; the official models have 9 and 12."""
LEVEL = 3
"""Blocks a level takes in the LDM numbering: two ResNets and a sampler down, three ResNets up."""


def to_ldm_name(name: str, names: frozenset[str] | set[str]) -> str:
    """LDM spelling of a diffusers UNet module. names: all modules (an upsampler's number depends on them)."""
    if name in STEM:
        return STEM[name]
    side, *rest = name.split(".")
    if side == "mid_block":
        kind, index, *tail = rest
        number = 2 * int(index) if kind == "resnets" else 1
        return ".".join(["middle_block", str(number), *_tail(kind, tail)])
    block, kind, index, *tail = rest
    if kind == "downsamplers":
        return f"input_blocks.{LEVEL * (int(block) + 1)}.0.op"
    if kind == "upsamplers":
        attends = any(other.startswith(f"up_blocks.{block}.attentions.") for other in names)
        return f"output_blocks.{LEVEL * int(block) + 2}.{2 if attends else 1}.conv"
    up = side == "up_blocks"
    number = LEVEL * int(block) + int(index) + (0 if up else 1)
    place = "0" if kind == "resnets" else "1"
    return ".".join(["output_blocks" if up else "input_blocks", str(number), place, *_tail(kind, tail)])


def _tail(kind: str, tail: list[str]) -> list[str]:
    return [RESNET[".".join(tail)]] if kind == "resnets" else tail


def to_openclip_name(name: str) -> str | None:
    """OpenCLIP spelling of a transformers text encoder module; None for q, k, v, which are rows of one fused weight."""
    if name in _OPENCLIP_STEM:
        return _OPENCLIP_STEM[name]
    found = re.fullmatch(r"encoder\.layers\.(\d+)\.(.+)", name)
    if found is None or found[2] not in _OPENCLIP:
        return None
    return f"transformer.resblocks.{found[1]}.{_OPENCLIP[found[2]]}"


def find_custom_name(part: str, module: str) -> str | None:
    """Canonical name of a module that only larger models than the official ones have; None for other words."""
    if part == UNET:
        return module if module.startswith(("down_blocks.", "mid_block.", "up_blocks.")) else None
    own = module.removeprefix("text_model.")
    found = re.fullmatch(r"transformer\.resblocks\.(\d+)\.(.+)", own)
    if found is not None and found[2] in _FROM_OPENCLIP:
        return f"encoder.layers.{found[1]}.{_FROM_OPENCLIP[found[2]]}"
    return own if own.startswith("encoder.layers.") else None


def list_spellings(part: str, name: str, names: frozenset[str] | set[str]) -> list[str]:
    """Dotted spellings of a module inside its part ("unet", "text_encoder", ...), the canonical one first."""
    others = _unet_spellings(name, names) if part == UNET else _clip_spellings(part, name)
    return list(dict.fromkeys([name, *others]))


def _unet_spellings(name: str, names: frozenset[str] | set[str]) -> list[str]:
    return [to_ldm_name(name, names)]


def _clip_spellings(part: str, name: str) -> list[str]:
    native = to_openclip_name(name)
    return [to_file_name(part, name), *([native] if native else [])]


def to_file_name(part: str, name: str) -> str:
    """A module as files on disk have it: a CLIP's behind `text_model.`, but for the text projection."""
    return f"text_model.{name}" if part != UNET and name.startswith(_CLIP) else name


def index_spellings(part: str, names: Iterable[str]) -> dict[str, str]:
    """Every dotted and underscored spelling → canonical name within the part."""
    known = frozenset(names)
    found: dict[str, str] = {}
    for name in known:
        for spelling in list_spellings(part, name, known):
            found[spelling] = name
            found[spelling.replace(".", "_")] = name
    return found


@cache
def find_names(part: str) -> dict[str, str]:
    """Spellings of all modules that the known architectures and deeper UNets have in a part → name within it.

    Of transformers and language models there are none here: `rows.match_name` and `LanguageModel.find_name` read their
    names by rules.
    """
    found: dict[str, str] = {}
    for architecture in ARCHITECTURES.values():
        network = architecture.networks.get(part)
        if isinstance(network, (UNet, TextEncoder, T5)):
            found |= index_spellings(part, network.modules())
    for name in _list_custom_modules() if part == UNET else ():
        found.setdefault(name, name)
        found.setdefault(name.replace(".", "_"), name)
    for spelling, name in find_ldm_names().items() if part == UNET else ():
        found.setdefault(spelling, name)
    return found


@cache
def find_ldm_names() -> dict[str, str]:
    """LDM names, dotted and underscored, of modules in numbered blocks → dotted; of larger UNets than the official too.

    Which module such a name means depends on the model's layout; `find_names` has the official ones'.
    """
    inside = "down_blocks.0.attentions.0."
    attention = [name.removeprefix(inside) for name in UNet((1,), (12,), 1).modules() if name.startswith(inside)]
    places = [*(f"0.{tail}" for tail in (*RESNET.values(), "op")), *(f"1.{tail}" for tail in (*attention, "conv"))]
    sides = [f"{side}_blocks.{number}" for side in ("input", "output") for number in range(MOST_BLOCKS)]
    names = [f"{side}.{tail}" for side in sides for tail in (*places, "2.conv")]
    names += [f"middle_block.{number}.{tail}" for number in range(5) for tail in (*RESNET.values(), *attention)]
    return {spelling: name for name in names for spelling in (name, name.replace(".", "_"))}


def _list_custom_modules() -> Iterable[str]:
    """diffusers names of larger UNets than the official ones; in the LDM layout their numbers depend on the model."""
    return UNet((1,) * 5, (12,) * 5, 1, middle=12, resnets=3).modules()
