"""Files of a recipe in the folders of a host whose users may not name others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from .recipe import Adapt, Apply, BakeVae, Cast, Load, Recipe

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ..core.hooks import FileKind
    from .recipe import Node

    Find = Callable[[FileKind, str], Path]


def place_recipe(recipe: Recipe, find: Find) -> Recipe:
    """The same with every checkpoint, LoRA and VAE where `find` has it by its name. Raises what `find` raises."""
    return Recipe(node=_place(recipe.node, find))


def _place(node: Node, find: Find) -> Node:
    match node:
        case Load():
            return _place_load(node, find)
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
