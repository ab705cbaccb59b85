"""Blocks of models, and the weights that a merge gives them. The grammar is that of LoRA block weights.

Blocks of SD1, SD2, SDXL and its refiner, in the original numbering: BASE (text encoders and what belongs to no block),
IN00-IN11, MID, OUT00-OUT11, VAE. Of Flux: CLIP, T5, IN, D00-D18, S00-S37, OUT, VAE.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ..adapters.prompts.block_presets import BLOCKS, LAYOUTS
from ..adapters.prompts.block_weights import list_block_values, parse_rules
from ..adapters.prompts.numbers import parse_number
from ..core.errors import BadParameter
from ..core.regular_files import read_text_file
from .block_presets import PRESETS, RANDOM, UNKNOWN_RANDOM
from .keys import VAE_PREFIXES, find_part

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from .families import Family

    Weigh = Callable[[str], float]

VAE = "VAE"
_FLUX_BLOCKS = ("CLIP", "T5", "IN", *(f"D{i:02}" for i in range(19)), *(f"S{i:02}" for i in range(38)), "OUT")
UNET_LAYOUTS = {**LAYOUTS, 21: (*LAYOUTS[20], VAE), 27: (*BLOCKS, VAE)}
"""Number of values → blocks; 21 and 27 are the lists of 20 and 26 with the VAE."""
FLUX_LAYOUTS = {61: _FLUX_BLOCKS, 62: (*_FLUX_BLOCKS, VAE)}
_LDM = re.compile(r"(input|middle|output)_blocks?\.(\d+)\.")
_DIFFUSERS = re.compile(r"(down|up)_blocks\.(\d+)\.(resnets|attentions|downsamplers|upsamplers)\.(\d+)\.")
_FLUX = re.compile(r"(double|single|single_transformer|transformer)_blocks\.(\d+)\.")
_STEM = ("conv_in.", "time_embed", "label_emb", "add_embedding.")
_END = ("out.0.", "out.2.", "conv_norm_out.", "conv_out.")


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
    base: float, blocks: str, elements: str, family: Family, presets: Mapping[str, str] | None = None
) -> Weigh:
    """Weight of a key. base: where nothing else is said, and in the blocks of a range such as IN04-OUT05.

    blocks: a list, a preset, a block or a range; elements: rules ``blocks:words:weight``, the last of which that takes
    a key wins over the list. Raises BadParameter.
    """
    layouts = find_layouts(family)
    known = {**_list_presets(family), **(presets or {})}
    values: dict[str, float] = {}
    if blocks:
        if blocks.count(",") + 1 == 110:
            what = "110 values are supermerger's list of single SDXL transformer blocks, which is not supported"
            raise BadParameter(what, where="blocks", fix="give 20 or 26 values, or rules in elements")
        values = list_block_values(
            blocks, dynamic=base, presets=known, sdxl=family.id.startswith("sdxl"), layouts=layouts, inside=base
        )
        if not has_own_vae(blocks):
            values.pop(VAE)
    rules = parse_rules(elements, layouts[max(layouts)]) if elements else ()

    def weigh(key: str) -> float:
        block = find_block(key, family)
        taken = [rule.weight for rule in rules if rule.takes(key, block)]
        return taken[-1] if taken else values.get(block, base if not values else values.get("BASE", 0.0))

    return weigh


def has_own_vae(blocks: str) -> bool:
    """Whether block weights or rules say something of the VAE, which otherwise goes with BASE."""
    return VAE in re.split(r"[-\s:,]", blocks) or blocks.count(",") + 1 in (21, 27, 62)


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
            if value.strip() in RANDOM:
                continue
            if value.strip()[:1] in UNKNOWN_RANDOM:
                what = f"{value.strip()} asks for a random weight whose limits stand in supermerger's window"
                raise BadParameter(
                    what, where=f"preset {name.strip()}", fix="write numbers, R (0 to 1) or U (-0.5 to 1.5)"
                )
            parse_number(value.strip(), where=f"preset {name.strip()}")
        found[name.strip()] = values.strip()
    return found
