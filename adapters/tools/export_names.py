"""Names that other programs expect in LoRA files, from canonical module names."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from ..modules.architectures import ARCHITECTURES, list_modules
from ..modules.parts import PARTS, TEXT_ENCODER_2, UNET, find_part
from ..modules.spellings import to_file_name, to_ldm_name

if TYPE_CHECKING:
    from collections.abc import Collection


def make_kohya_names(names: Collection[str], base_model: str) -> dict[str, str]:
    """Canonical name → kohya's: diffusers spelling for SD1 and SD2, LDM spelling for SDXL's UNet."""
    several = any(find_part(name) == TEXT_ENCODER_2 for name in names) or bool(_ldm_names(base_model))
    return {name: _kohya(name, base_model, several) for name in names}


def _kohya(name: str, base_model: str, several: bool) -> str:
    part, _, rest = name.partition(".")
    prefix = PARTS[part].export if several else PARTS[part].export_alone
    if part == UNET:
        own = _ldm_names(base_model)
        return f"{prefix}{(to_ldm_name(rest, own) if rest in own else rest).replace('.', '_')}"
    return f"{prefix}{to_file_name(part, rest).replace('.', '_')}"


@cache
def _ldm_names(base_model: str) -> frozenset[str]:
    """The UNet's modules where kohya's files name them the LDM way, else none."""
    known = ARCHITECTURES.get(base_model)
    return frozenset(known.networks[UNET].modules()) if known and known.ldm_named else frozenset()


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
