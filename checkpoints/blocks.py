"""Blocks of models, and the weights that a merge gives them. The grammar is that of LoRA block weights.

Blocks of SD1, SD2, SDXL and its refiner, in the original numbering: BASE (text encoders and what belongs to no block),
IN00-IN11, MID, OUT00-OUT11, VAE. Of Flux: CLIP, T5, IN, D00-D18, S00-S37, OUT, VAE. Lists of 110 values name the
modules and transformer blocks of SDXL, as supermerger's extended list does.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ..adapters.prompts.block_lists import list_block_values, parse_rules
from ..adapters.prompts.block_presets import BLOCKS, LAYOUTS
from ..core.errors import BadParameter
from ..core.regular_files import read_text_file
from .block_presets import PRESETS, explain_blocks
from .keys import VAE_PREFIXES, find_part
from .random_weights import check_weight, draw_list, read_spread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from ..adapters.prompts.block_lists import ElementRule
    from .families import Family
    from .random_weights import Limits, Spread

    Weigh = Callable[[str], float]

VAE = "VAE"
_FLUX_BLOCKS = ("CLIP", "T5", "IN", *(f"D{i:02}" for i in range(19)), *(f"S{i:02}" for i in range(38)), "OUT")
UNET_LAYOUTS = {**LAYOUTS, 21: (*LAYOUTS[20], VAE), 27: (*BLOCKS, VAE)}
"""Number of values → blocks; 21 and 27 are the lists of 20 and 26 with the VAE."""
FLUX_LAYOUTS = {61: _FLUX_BLOCKS, 62: (*_FLUX_BLOCKS, VAE)}
_DEPTHS = {
    "IN": ({}, {}, {}, {}, {1: 2}, {1: 2}, {}, {1: 10}, {1: 10}),
    "OUT": ({1: 10}, {1: 10}, {1: 10, 2: 0}, {1: 2}, {1: 2}, {1: 2, 2: 0}, {}, {}, {}),
}
"""Modules of SDXL's blocks beside the first → transformer blocks in them."""


def _list_sides(side: str) -> Iterator[str]:
    for number, modules in enumerate(_DEPTHS[side]):
        for module, depth in {0: 0, **modules}.items():
            yield f"{side}{number}{module}"
            yield from (f"{side}{number}{module}{block}" for block in range(depth))


_MIDDLE = ("MID00", "MID10", *(f"MID10{block}" for block in range(10)), "MID20")
EXTENDED = ("CLIPL", "CLIPG", "IN0", *_list_sides("IN"), *_MIDDLE, *_list_sides("OUT"), "OUT9", "TIME", "LABEL", VAE)
"""supermerger's names of SDXL's modules: side, block, module, transformer block. IN0 has no weights."""
ALL_LAYOUTS = {**UNET_LAYOUTS, **FLUX_LAYOUTS, len(EXTENDED): EXTENDED}
_EXTENDED = re.compile(r"(?:^|\.)(input|middle|output)_blocks?\.(\d)\.(?:(\d)\.)?(?:.*?\btransformer_blocks\.(\d)\.)?")
_LDM = re.compile(r"(input|middle|output)_blocks?\.(\d+)\.")
_DIFFUSERS = re.compile(r"(down|up)_blocks\.(\d+)\.(resnets|attentions|downsamplers|upsamplers)\.(\d+)\.")
_MODULES = {"resnets": 0, "attentions": 1, "downsamplers": 0, "upsamplers": 2}
"""Modules of SDXL's blocks under diffusers' names."""
_DIFFUSERS_MIDDLE = re.compile(r"mid_block\.(resnets|attentions)\.(\d)\.")
_FLUX = re.compile(r"(double|single|single_transformer|transformer)_blocks\.(\d+)\.")
_STEM = ("conv_in.", "time_embed", "label_emb", "add_embedding.")
_END = ("out.0.", "out.2.", "conv_norm_out.", "conv_out.")

_EXTENDED_STARTS = {
    **dict.fromkeys(("conditioner.embedders.0.", "text_encoder.", "text_encoders.clip_l."), "CLIPL"),
    **dict.fromkeys(("conditioner.embedders.1.", "text_encoder_2.", "text_encoders.clip_g."), "CLIPG"),
    **dict.fromkeys(("label_emb.", "add_embedding."), "LABEL"),
    **dict.fromkeys(("time_embed.", "time_embedding."), "TIME"),
    **dict.fromkeys(("out.", "conv_norm_out.", "conv_out."), "OUT9"),
    "conv_in.": "IN00",
}
"""Beginnings of the other names, without the UNet's prefix → names in lists of 110 values."""


def find_layouts(family: Family) -> dict[int, tuple[str, ...]]:
    """Lists of block weights that a family knows."""
    return FLUX_LAYOUTS if family.id.startswith(("Flux", "Chroma")) else UNET_LAYOUTS


def find_block(key: str, family: Family) -> str:
    """Block of a checkpoint's key. The time embedding belongs to IN00, the output layers to the last block."""
    part = find_part(key)
    if part == "vae" or key.startswith(VAE_PREFIXES):
        return VAE
    if find_layouts(family) is FLUX_LAYOUTS:
        return _find_flux_block(key)
    if part == "text_encoder":
        return "BASE"
    if found := _LDM.search(key):
        number = f"{int(found[2]):02}"
        return {"input": f"IN{number}", "middle": "MID", "output": f"OUT{number}"}[found[1]]
    if found := _DIFFUSERS.search(key):
        return _find_diffusers_block(found)
    own = key.rpartition("diffusion_model.")[2].removeprefix("unet.")
    if own.startswith("mid_block."):
        return "MID"
    if own.startswith(_STEM):
        return "IN00"
    if own.startswith(_END) and part in ("unet", None):
        return "OUT08" if family.id == "sdxl" else "OUT11"
    return "BASE"


def _find_diffusers_block(found: re.Match[str]) -> str:
    block, item = int(found[2]), int(found[4])
    if found[1] == "down":
        return f"IN{3 * (block + 1) if found[3] == 'downsamplers' else 1 + 3 * block + item:02}"
    return f"OUT{3 * block + (2 if found[3] == 'upsamplers' else item):02}"


def _find_flux_block(key: str) -> str:
    if found := _FLUX.search(key):
        return f"{'S' if found[1].startswith('single') else 'D'}{int(found[2]):02}"
    if find_part(key) == "text_encoder":
        return "T5" if "t5" in key.lower() or "text_encoder_2" in key or "conditioner.embedders.1" in key else "CLIP"
    return "OUT" if re.search(r"final_layer|norm_out|proj_out", key) else "IN"


def make_weigher(
    base: float,
    blocks: str,
    elements: str,
    family: Family,
    presets: Mapping[str, str] | None = None,
    where: str = "blocks",
) -> Weigh:
    """Weight of a key. base: where nothing else is said, and in the blocks of a range such as IN04-OUT05.

    blocks: a list, a preset, a block or a range, where: their field; elements: rules ``blocks:words:weight``, the last
    of which that takes a key wins over the list; with 110 values they take the list's names. Raises BadParameter.
    """
    known = {**_list_presets(family), **(presets or {})}
    blocks = known.get(blocks, blocks)
    extended = blocks.count(",") + 1 == len(EXTENDED)
    if extended and family.id != "sdxl":
        what = f"{len(EXTENDED)} values name the modules of SDXL, and this is {family.title}"
        raise BadParameter(what, where="blocks", fix="give 26 values, or rules in elements")
    layouts = {len(EXTENDED): EXTENDED} if extended else find_layouts(family)
    values: dict[str, float] = {}
    if blocks:
        sdxl = family.id.startswith("sdxl")
        with explain_blocks(blocks, known, family.title, where):
            values = list_block_values(blocks, dynamic=base, presets=known, sdxl=sdxl, layouts=layouts, inside=base)
        if not has_own_vae(blocks):
            values.pop(VAE)
    with explain_blocks(elements, (), family.title, "elements"):
        rules = list(_read_rules(elements, layouts[max(layouts)]))

    def weigh(key: str) -> float:
        block = find_extended_block(key) if extended else find_block(key, family)
        taken = [
            rule.weight if spread is None else spread.draw(key) for rule, spread in rules if rule.takes(key, block)
        ]
        return taken[-1] if taken else values.get(block, base if not values else values.get("BASE", 0.0))

    return weigh


def _read_rules(text: str, known: tuple[str, ...]) -> Iterator[tuple[ElementRule, Spread | None]]:
    """Rules in order, and what those draw their weights from that say so."""
    for line in filter(None, (line.strip() for line in re.split(r"[,\n]", text))):
        head, colon, weight = line.rpartition(":")
        spread = read_spread(weight) if colon else None
        yield parse_rules(line if spread is None else f"{head}:0", known)[0], spread


def find_extended_block(key: str) -> str:
    """Name of an SDXL weight in lists of 110 values; empty for what has none, which weighs 0.

    >>> find_extended_block("model.diffusion_model.output_blocks.4.1.transformer_blocks.1.attn1.to_q.weight")
    'OUT411'
    """
    if find_part(key) == "vae":
        return VAE
    if found := _EXTENDED.search(key):
        side, number, module, block = found.groups()
        name = {"input": "IN", "output": "OUT", "middle": "MID"}[side]
        return f"{name}{number}{'0' if name == 'MID' else module or ''}{block or ''}"
    if (name := _find_extended_module(key)) is not None:
        found = re.search(r"\.transformer_blocks\.(\d)\.", key)
        return name + (found[1] if found else "")
    own = key.rpartition("diffusion_model.")[2].removeprefix("unet.")
    return next((name for start, name in _EXTENDED_STARTS.items() if own.startswith(start)), "")


def _find_extended_module(key: str) -> str | None:
    """Side, block and module of a key with diffusers' names; None for any other."""
    if found := _DIFFUSERS.search(key):
        block = _find_diffusers_block(found)
        side, number = ("IN", block[2:]) if block.startswith("IN") else ("OUT", block[3:])
        return f"{side}{int(number)}{_MODULES[found[3]]}"
    if found := _DIFFUSERS_MIDDLE.search(key):
        return f"MID{1 if found[1] == 'attentions' else 2 * int(found[2])}0"
    return None


def expand_weights(text: str, presets: Mapping[str, str], seed: int, limits: Limits | None = None) -> tuple[str, str]:
    """Block weights as a recipe can repeat them without the file of the presets, random ones drawn, and rules.

    Raises BadParameter.

    >>> expand_weights("own", {"own": "0,0.5,1"}, 0), expand_weights("GRAD_V", {}, 0)
    (('0,0.5,1', ''), ('GRAD_V', ''))
    """
    drawn = re.search("[A-Z]", PRESETS.get(text, "")) is not None
    return draw_list(presets.get(text, PRESETS[text] if drawn else text), ALL_LAYOUTS, seed, limits)


def has_own_vae(blocks: str) -> bool:
    """Whether block weights or rules say something of the VAE, which otherwise goes with BASE."""
    return VAE in re.split(r"[-\s:,]", blocks) or blocks.count(",") + 1 in (21, 27, 62, len(EXTENDED))


def has_vae_rule(elements: str) -> bool:
    """Whether one of the rules for elements has the VAE among its blocks.

    >>> has_vae_rule("IN05:attn:0.5, OUT11-VAE::1"), has_vae_rule("BASE:VAE:1, NOT VAE::1")
    (True, False)
    """
    blocks = [line.partition(":")[0].split() for line in re.split(r"[,\n]", elements)]
    return any(VAE in name.split("-") for names in blocks if names[:1] != ["NOT"] for name in names)


def _list_presets(family: Family) -> dict[str, str]:
    return {} if find_layouts(family) is FLUX_LAYOUTS else PRESETS


def read_presets_file(path: Path) -> dict[str, str]:
    """Presets of a file. Raises BadParameter."""
    try:
        text = read_text_file(path)
    except (OSError, ValueError) as error:
        raise BadParameter(f"cannot be read ({error})", where=str(path), fix="check the name") from error
    return read_presets(text.removeprefix("\ufeff"))


def read_presets(text: str) -> dict[str, str]:
    """Presets of a file of supermerger's: name, tab or colon, numbers with commas. Raises BadParameter."""
    found: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith(("preset_name", "#")):
            continue
        name, separator, values = line.partition("\t") if "\t" in line else line.partition(":")
        if not separator or not name.strip():
            fix = "write NAME, a tab, and numbers with commas between them"
            raise BadParameter(f"{line[:80]!r} is no preset", where=f"presets, line {number}", fix=fix)
        for value in values.split(","):
            check_weight(value, where=f"preset {name.strip()}")
        found[name.strip()] = values.strip()
    return found
