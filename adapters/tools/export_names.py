"""Names that other programs expect in LoRA files, from canonical module names."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from ..modules.architectures import ARCHITECTURES, TRANSFORMER_MODELS, list_modules
from ..modules.language_models import T5
from ..modules.parts import (
    PARTS,
    TEXT_ENCODER,
    TEXT_ENCODER_2,
    TEXT_ENCODER_3,
    TRANSFORMER,
    UNET,
    find_part,
)
from ..modules.spellings import to_file_name, to_ldm_name

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping


STYLE_KEYS = ("unet_names", "encoder_names")
"""Entries of a conversion's step that hold the style of the file that was converted."""
_UNET_NAMES = {
    "ldm": tuple(f"lora_unet_{side}_" for side in ("input_blocks", "middle_block", "output_blocks")),
    "diffusers": tuple(f"lora_unet_{side}_" for side in ("down_blocks", "mid_block", "up_blocks")),
}
_ENCODER_NAMES = {"alone": ("lora_te_",), "numbered": ("lora_te1_", "lora_te2_")}


class KohyaStyle(NamedTuple):
    """How a kohya file spells names; None is what is usual for its base model.

    unet: "ldm" or "diffusers". encoder: whether a model's only text encoder is "alone" (`lora_te_`) or "numbered".
    """

    unet: str | None = None
    encoder: str | None = None


def find_style(keys: Iterable[str], before: Mapping[str, Any], *, usual: bool = False) -> KohyaStyle:
    """The style of a file's keys; what they do not show is taken from the step of the conversion that wrote it.

    usual: diffusers' spelling in the keys is not kept where kohya uses LDM's.
    """
    held = list(keys)
    found = [_find_only(held, kinds) for kinds in (_UNET_NAMES, _ENCODER_NAMES)]
    noted = [str(before[key]) if key in before else None for key in STYLE_KEYS]
    shown = None if usual and found[0] == "diffusers" else found[0]
    return KohyaStyle(shown or noted[0], found[1] or noted[1])


def _find_only(keys: list[str], kinds: Mapping[str, tuple[str, ...]]) -> str | None:
    found = [kind for kind, starts in kinds.items() if any(key.startswith(starts) for key in keys)]
    return found[0] if len(found) == 1 else None


def make_kohya_names(names: Collection[str], base_model: str, style: KohyaStyle | None = None) -> dict[str, str]:
    """Canonical name → kohya's, in a style; usual is LDM's spelling for SDXL's UNet and diffusers' for others."""
    style, known = style or KohyaStyle(), ARCHITECTURES.get(base_model)
    usual = known is not None and known.ldm_named
    encoders = {part for part in map(find_part, names) if part not in (UNET, TRANSFORMER)}
    several = TEXT_ENCODER_2 in encoders or usual
    if style.encoder is not None and len(encoders) == 1:
        several = style.encoder == "numbered"
    ldm = usual if style.unet is None else style.unet == "ldm"
    own = _list_unet(base_model) if ldm else frozenset[str]()
    if base_model in TRANSFORMER_MODELS:
        return {name: _name_transformer(name, base_model) for name in names}
    return {name: _kohya(name, own, several) for name in names}


def _name_transformer(name: str, base_model: str) -> str:
    """As sd-scripts and musubi-tuner name layers of a transformer, by its maker's names, and of its text encoders."""
    part, _, rest = name.partition(".")
    network = ARCHITECTURES[base_model].networks.get(part)
    prefix = PARTS[TEXT_ENCODER_3 if isinstance(network, T5) else part].export
    return f"{prefix}{to_file_name(part, rest).replace('.', '_')}"


def _kohya(name: str, own: frozenset[str], several: bool) -> str:
    part, _, rest = name.partition(".")
    if part == UNET:
        return f"{PARTS[part].export}{(to_ldm_name(rest, own) if rest in own else rest).replace('.', '_')}"
    prefix = PARTS[part].export if several else PARTS[TEXT_ENCODER].export_alone
    return f"{prefix}{to_file_name(part, rest).replace('.', '_')}"


@cache
def _list_unet(base_model: str) -> frozenset[str]:
    """The modules of a known model's UNet."""
    known = ARCHITECTURES.get(base_model)
    return frozenset(known.networks[UNET].modules()) if known else frozenset()


def make_dotted_name(name: str) -> str:
    """Canonical name → diffusers' with its part in front and `text_model.` as files on disk have it."""
    part, _, rest = name.partition(".")
    return f"{part}.{to_file_name(part, rest)}"


@cache
def find_kernel(name: str) -> tuple[int, ...]:
    """Kernel of a convolution by its canonical name; () for other layers and for 1x1, which factors need not tell."""
    for base_model in ARCHITECTURES:
        module = list_modules(base_model).get(name)
        if module is not None:
            kernel = module.shape[2:]
            return kernel if any(size > 1 for size in kernel) else ()
    return ()
