"""Blocks of models, and the weights that a merge gives them. The grammar is that of LoRA block weights.

Blocks of SD1, SD2, SDXL and its refiner, in the original numbering: BASE (text encoders and what belongs to no block),
IN00-IN11, MID, OUT00-OUT11, VAE. Of Flux: CLIP, T5, IN, D00-D18, S00-S37, OUT, VAE. Lists of 110 values name the
modules and transformer blocks of SDXL, as supermerger's extended list does. Blocks of other models with transformers
are those of `adapters.modules.block_names`, and VAE.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ..adapters.modules.architectures import TRANSFORMER_MODELS
from ..adapters.modules.block_names import find_transformer_block, list_block_layouts, spell_block
from ..adapters.modules.parts import TRANSFORMER
from ..adapters.modules.transformers.flux1 import ARCHITECTURE as FLUX1
from ..adapters.prompts.block_lists import list_block_values, parse_rules
from ..adapters.prompts.block_presets import BLOCKS, LAYOUTS
from ..adapters.prompts.model_block_weights import spell_rules
from ..adapters.reading.recognition import strip_prefix
from ..core.errors import BadParameter
from ..core.regular_files import read_text_file
from .block_presets import COUNTS, PRESETS, explain_blocks
from .extended_blocks import DIFFUSERS, EXTENDED, VAE, find_diffusers_block, find_extended_block
from .keys import VAE_PREFIXES, find_part
from .random_weights import check_weight, draw_list, read_spread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from ..adapters.prompts.block_lists import ElementRule
    from .families import Family
    from .random_weights import Limits, Spread

    Weigh = Callable[[str], float]

UNET_LAYOUTS = {**LAYOUTS, 21: (*LAYOUTS[20], VAE), 27: (*BLOCKS, VAE)}
"""Number of values → blocks; 21 and 27 are the lists of 20 and 26 with the VAE."""
_TRANSFORMERS = {model.title: name for name, model in TRANSFORMER_MODELS.items()}
TRANSFORMER_LAYOUTS = {
    title: {
        count + extra: (*names, *((VAE,) if extra else ()))
        for count, names in list_block_layouts(name).items()
        for extra in (0, 1)
    }
    for title, name in _TRANSFORMERS.items()
}
"""Of models with transformers by their title: number of values → blocks, without the VAE and with it."""
ALL_LAYOUTS = {**UNET_LAYOUTS, **TRANSFORMER_LAYOUTS[FLUX1.title], len(EXTENDED): EXTENDED}
_LDM = re.compile(r"(input|middle|output)_blocks?\.(\d+)\.")
_STEM = ("conv_in.", "time_embed", "label_emb", "add_embedding.")
_END = ("out.0.", "out.2.", "conv_norm_out.", "conv_out.")


def find_layouts(family: Family) -> dict[int, tuple[str, ...]]:
    """Lists of block weights that a family knows."""
    return TRANSFORMER_LAYOUTS.get(family.id, UNET_LAYOUTS)


def find_block(key: str, family: Family) -> str:
    """Block of a checkpoint's key. The time embedding belongs to IN00, the output layers to the last block."""
    part = find_part(key)
    if part == "vae" or key.startswith(VAE_PREFIXES):
        return VAE
    if (architecture := _TRANSFORMERS.get(family.id)) is not None:
        return _find_transformer_block(key, architecture)
    if part == "text_encoder":
        return "BASE"
    if found := _LDM.search(key):
        number = f"{int(found[2]):02}"
        return {"input": f"IN{number}", "middle": "MID", "output": f"OUT{number}"}[found[1]]
    if found := DIFFUSERS.search(key):
        return find_diffusers_block(found)
    own = key.rpartition("diffusion_model.")[2].removeprefix("unet.")
    if own.startswith("mid_block."):
        return "MID"
    if own.startswith(_STEM):
        return "IN00"
    if own.startswith(_END) and part in ("unet", None):
        return "OUT08" if family.id == "sdxl" else "OUT11"
    return "BASE"


def _find_transformer_block(key: str, architecture: str) -> str:
    if find_part(key) == "text_encoder":
        names = TRANSFORMER_MODELS[architecture].encoder_blocks
        is_t5 = "t5" in key.lower() or "SelfAttention" in key or "DenseReluDense" in key
        second = is_t5 or "text_encoder_2" in key or "conditioner.embedders.1" in key
        return names[-1 if second else 0]
    name = strip_prefix(key).rpartition(".")[0]
    return find_transformer_block(architecture, f"{TRANSFORMER}.{name or key}")


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
    if family.id in _TRANSFORMERS:
        blocks = blocks if "," in blocks else "-".join(map(spell_block, blocks.split("-")))
        elements = spell_rules(elements)
    extended = blocks.count(",") + 1 == len(EXTENDED)
    if extended and family.id != "sdxl":
        what = f"{len(EXTENDED)} values name the modules of SDXL, and this is {family.title}"
        raise BadParameter(what, where="blocks", fix="give 26 values, or rules in elements")
    layouts = {len(EXTENDED): EXTENDED} if extended else find_layouts(family)
    counts = _write_counts(layouts) if family.id in _TRANSFORMERS else COUNTS
    with explain_blocks(blocks, known, family.title, where, counts):
        values = _list_values(base, blocks, family, known, layouts) if blocks else {}
    with explain_blocks(elements, (), family.title, "elements"):
        rules = list(_read_rules(elements, layouts[max(layouts)]))

    def weigh(key: str) -> float:
        block = find_extended_block(key) if extended else find_block(key, family)
        taken = [
            rule.weight if spread is None else spread.draw(key) for rule, spread in rules if rule.takes(key, block)
        ]
        return taken[-1] if taken else values.get(block, base if not values else values.get("BASE", 0.0))

    return weigh


def _list_values(
    base: float, blocks: str, family: Family, presets: Mapping[str, str], layouts: Mapping[int, tuple[str, ...]]
) -> dict[str, float]:
    """Block → weight, without the VAE where it goes with BASE."""
    sdxl = family.id.startswith("sdxl")
    values = list_block_values(blocks, dynamic=base, presets=presets, sdxl=sdxl, layouts=layouts, inside=base)
    return values if has_own_vae(blocks, family) else {name: value for name, value in values.items() if name != VAE}


def _write_counts(layouts: Mapping[int, tuple[str, ...]]) -> str:
    *others, last = map(str, sorted(layouts))
    return f"{', '.join(others)} or {last} values"


def _read_rules(text: str, known: tuple[str, ...]) -> Iterator[tuple[ElementRule, Spread | None]]:
    """Rules in order, and what those draw their weights from that say so."""
    for line in filter(None, (line.strip() for line in re.split(r"[,\n]", text))):
        head, colon, weight = line.rpartition(":")
        spread = read_spread(weight) if colon else None
        yield parse_rules(line if spread is None else f"{head}:0", known)[0], spread


def expand_weights(text: str, presets: Mapping[str, str], seed: int, limits: Limits | None = None) -> tuple[str, str]:
    """Block weights as a recipe can repeat them without the file of the presets, random ones drawn, and rules.

    Raises BadParameter.

    >>> expand_weights("own", {"own": "0,0.5,1"}, 0), expand_weights("GRAD_V", {}, 0)
    (('0,0.5,1', ''), ('GRAD_V', ''))
    """
    drawn = re.search("[A-Z]", PRESETS.get(text, "")) is not None
    return draw_list(presets.get(text, PRESETS[text] if drawn else text), ALL_LAYOUTS, seed, limits)


def has_own_vae(blocks: str, family: Family) -> bool:
    """Whether block weights or rules say something of the VAE, which otherwise goes with BASE."""
    layouts = {**find_layouts(family), len(EXTENDED): EXTENDED}
    return VAE in re.split(r"[-\s:,]", blocks) or VAE in layouts.get(blocks.count(",") + 1, ())


def has_vae_rule(elements: str) -> bool:
    """Whether one of the rules for elements has the VAE among its blocks.

    >>> has_vae_rule("IN05:attn:0.5, OUT11-VAE::1"), has_vae_rule("BASE:VAE:1, NOT VAE::1")
    (True, False)
    """
    blocks = [line.partition(":")[0].split() for line in re.split(r"[,\n]", elements)]
    return any(VAE in name.split("-") for names in blocks if names[:1] != ["NOT"] for name in names)


def _list_presets(family: Family) -> dict[str, str]:
    return {} if family.id in _TRANSFORMERS else PRESETS


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
