"""Files of a recipe in the folders of a host whose users may not name others."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from .recipe import Adapt, Apply, BakeVae, Cast, Live, Load, Recipe, write_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..core.hooks import FileKind, HostHooks
    from .recipe import Node

    Find = Callable[[FileKind, str], Path]


def place_recipe(recipe: Recipe, find: Find) -> Recipe:
    """The same with every checkpoint, LoRA and VAE where `find` has it by its name. Raises what `find` raises."""
    return replace(recipe, node=_place(recipe.node, find))


def name_in_folders(host: HostHooks) -> Callable[[str], str]:
    """What a host calls files: their paths below its folders of checkpoints, LoRAs and VAEs, else their names."""
    kinds: tuple[FileKind, ...] = ("checkpoint", "lora", "vae")
    folders = [folder.absolute() for kind in kinds for folder in host.folders(kind)]

    def name(path: str) -> str:
        place = Path(path).absolute()
        return next(
            (place.relative_to(one).as_posix() for one in folders if place.is_relative_to(one)), write_name(path)
        )

    return name


def _place(node: Node, find: Find) -> Node:
    match node:
        case Load():
            return _place_load(node, find)
        case Live():
            return node
        case Adapt():
            loras = tuple(replace(lora, path=str(find("lora", lora.path))) for lora in node.loras)
            return replace(node, input=_place_load(node.input, find), loras=loras)
        case Cast():
            return replace(node, input=_place(node.input, find))
        case BakeVae():
            vae = replace(node.vae, path=str(find("vae", node.vae.path)))
            return replace(node, input=_place(node.input, find), vae=vae)
        case Apply():
            return replace(node, inputs=tuple(_place(one, find) for one in node.inputs))


def _place_load(load: Load, find: Find) -> Load:
    return replace(load, path=str(find("checkpoint", load.path)))
