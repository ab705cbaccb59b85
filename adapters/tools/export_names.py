"""Names that other programs expect in LoRA files, from canonical module names."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from ..modules.architectures import ARCHITECTURES, list_modules
from ..modules.parts import PARTS, TEXT_ENCODER_2, UNET, find_part
from ..modules.spellings import to_file_name, to_ldm_name

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable


def make_kohya_names(names: Collection[str], base_model: str, *, ldm: bool = False) -> dict[str, str]:
    """Canonical name → kohya's: the UNet in LDM's spelling for SDXL and where that is asked for, else diffusers'."""
    known = ARCHITECTURES.get(base_model)
    usual = known is not None and known.ldm_named
    several = any(find_part(name) == TEXT_ENCODER_2 for name in names) or usual
    own = _list_unet(base_model) if ldm or usual else frozenset[str]()
    return {name: _kohya(name, own, several) for name in names}


def has_ldm_names(keys: Iterable[str]) -> bool:
    """Whether a kohya file spells the modules of its UNet as LDM does."""
    sides = ("lora_unet_input_blocks_", "lora_unet_middle_block_", "lora_unet_output_blocks_")
    return any(key.startswith(sides) for key in keys)


def _kohya(name: str, own: frozenset[str], several: bool) -> str:
    part, _, rest = name.partition(".")
    prefix = PARTS[part].export if several else PARTS[part].export_alone
    if part == UNET:
        return f"{prefix}{(to_ldm_name(rest, own) if rest in own else rest).replace('.', '_')}"
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
