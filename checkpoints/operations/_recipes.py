"""What several operations make a recipe of: checkpoints, a method and its parameters, block weights."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from msgspec.structs import replace

from ...core.errors import BadParameter
from ...core.params import Params, about, items
from ..method_registry import make_fields_struct, methods, pick_params
from ._fields import Arithmetic, DType, Vae

if TYPE_CHECKING:
    from collections.abc import Collection

    from ...core.hooks import HostHooks
    from ..live_models import LiveModel
    from ..recipe import Node, Recipe

    MethodFields = Params
else:
    MethodFields = make_fields_struct(Params)


class RecipeParams(MethodFields, frozen=True, kw_only=True):
    """The method and the parameters of all methods, then what else belongs to the result."""

    blocks: Annotated[
        str,
        about("Weights in place of alpha, block by block: 12, 17, 20, 21, 26, 61 or 110 numbers, a preset, IN04-OUT05"),
    ] = ""
    beta_blocks: Annotated[str, about("The same in place of beta")] = ""
    elements: Annotated[
        str, about("Rules BLOCKS:WORDS:WEIGHT that come before blocks, such as IN05-OUT05:attn:0.5")
    ] = ""
    presets: Annotated[str, about("Block weight presets, a file or lines: a name, a tab, numbers with commas")] = ""
    vae: Annotated[Vae, about("VAE of the result: that of A, or merged as the rest")] = "keep"
    lora: Annotated[
        str, about("LoRA file that is baked into A first, as FILE or FILE:STRENGTH; of several one a line", many=True)
    ] = ""
    dtype: Annotated[DType, about("dtype of the new checkpoint's weights; auto: as A stores them")] = "auto"
    arithmetic: Annotated[
        Arithmetic,
        about("exact: float32, rounded once; a1111: in the files' dtype and with the VAE, as A1111's merger"),
    ] = "exact"
    recipe: Annotated[str, about("Recipe in place of checkpoints and a method: a JSON file, or the JSON itself")] = ""
    lower: Annotated[str, about("Lowest weight of X, width of D in blocks and rules: one number, or one for each")] = (
        "0"
    )
    upper: Annotated[
        str, about("Highest weight of X, middle of D in blocks and rules: one number, or one for each")
    ] = "1"


def recipe_hints() -> dict[str, dict[str, Any]]:
    """Hints for hosts with windows, as `Operation.hints`."""
    from ..block_presets import PRESETS
    from ..blocks import ALL_LAYOUTS

    uses = {method.spec.id: [field.name for field in method.fields()] for method in methods()}
    layouts = {str(count): list(names) for count, names in ALL_LAYOUTS.items()}
    blocks = {"layouts": layouts, "presets": PRESETS}
    return {"method": {"uses": uses}, "blocks": blocks, "beta_blocks": blocks}


def choose_presets(text: str, host: HostHooks) -> dict[str, str]:
    """Presets from a file, or from the lines themselves. Raises BadParameter."""
    from ..blocks import read_presets, read_presets_file

    if "\t" in text or "\n" in text:
        return read_presets(text)
    return read_presets_file(host.find_file("checkpoint", text)) if text else {}


def choose_recipe(
    checkpoints: tuple[Path | LiveModel, ...], params: RecipeParams, host: HostHooks, given: Collection[str] = ()
) -> tuple[Recipe, list[str]]:
    """The recipe that inputs and parameters stand for, and notes. given: parameters that count as they are.

    Loaded models beside a recipe are those that it names.

    Raises BadParameter.
    """
    from ..recipe import Cast, Recipe

    notes = list[str]()
    if params.recipe:
        if any(isinstance(one, Path) for one in checkpoints):
            raise BadParameter("a recipe names its own checkpoints", where="recipe", fix="leave the others out")
        recipe = _read_recipe(params.recipe, host)
    else:
        node, notes = _make_node(checkpoints, params, host, given)
        recipe = Recipe(node=node)
    if params.dtype != "auto":
        recipe = Recipe(node=Cast(input=recipe.node, dtype=params.dtype), folder=recipe.folder)
    live = {one.label: one for one in checkpoints if not isinstance(one, Path)}
    return msgspec.structs.replace(recipe, live=live), notes


def _read_recipe(text: str, host: HostHooks) -> Recipe:
    from ..places import place_recipe
    from ..recipe import make_recipe

    is_json = text.lstrip().startswith("{")
    recipe = make_recipe(text if is_json else host.find_file("checkpoint", text))
    return place_recipe(recipe, host.find_file) if host.confined else recipe


def _make_node(
    checkpoints: tuple[Path | LiveModel, ...], params: RecipeParams, host: HostHooks, given: Collection[str]
) -> tuple[Node, list[str]]:
    from ..recipe import Apply

    values: dict[str, Any] = msgspec.structs.asdict(params)
    method = methods()[values["method"]]
    names = {field.name for other in methods() for field in other.fields()}
    defaults = msgspec.structs.asdict(type(params)())
    chosen, others = pick_params(method, {n: values[n] for n in names}, {n: defaults[n] for n in names}, given)
    presets, seed = choose_presets(params.presets, host), int(values["seed"])
    weights = draw_weights(params, presets, seed)
    if weights != {name: values[name] for name in weights}:
        others = [name for name in others if name != "seed"]
    notes = [f"{method.spec.id} has no {name}; it was left out" for name in sorted(others)]
    limits = [name for name in ("lower", "upper") if values[name] != defaults[name]]
    if limits and draw_weights(replace(params, lower="-8", upper="9"), presets, seed) == weights:
        notes.append(f"no X or D in block weights or rules uses {' and '.join(limits)}")
    node = Apply(
        method=method.spec.id,
        inputs=_make_inputs(checkpoints, params, host),
        params=chosen,
        vae=params.vae,
        arithmetic=params.arithmetic,
        **weights,
    )
    return node, notes


def draw_weights(params: RecipeParams, presets: dict[str, str], seed: int) -> dict[str, str]:
    """Block weights and rules with what is drawn by chance in them. Raises BadParameter."""
    from ..blocks import expand_weights
    from ..random_weights import draw_rules, read_limits

    limits = read_limits(params.lower, params.upper)
    blocks, rules = expand_weights(params.blocks, presets, seed, limits)
    betas, others = expand_weights(params.beta_blocks, presets, seed + 1, limits)
    if others:
        what, fix = "E draws for every weight by rules, which beta does not have", "write R, U or X"
        raise BadParameter(what, where="beta_blocks", fix=fix)
    elements = draw_rules(params.elements, seed + 2, limits)
    return {"blocks": blocks, "beta_blocks": betas, "elements": ",".join(filter(None, (elements, rules)))}


def _make_inputs(checkpoints: tuple[Path | LiveModel, ...], params: RecipeParams, host: HostHooks) -> tuple[Node, ...]:
    """Files and loaded models, the first with its LoRAs. Raises BadParameter."""
    from ..live_models import make_source
    from ..recipe import Adapt, Live

    if not checkpoints:
        raise BadParameter("no checkpoints were given", where="checkpoints", fix="give them in order, or a recipe")
    nodes: list[Node] = [make_source(one, "keep" if params.arithmetic == "a1111" else "drop") for one in checkpoints]
    if params.lora:
        first = make_source(checkpoints[0])
        if isinstance(first, Live):
            what = "is baked into a file, and A is a loaded model"
            raise BadParameter(what, where="lora", fix="put the LoRA on the model before it comes here")
        nodes[0] = Adapt(input=first, loras=_parse_loras(params.lora, host))
    return tuple(nodes)


def _parse_loras(text: str, host: HostHooks) -> tuple[Any, ...]:
    from ..recipe import Lora

    found: list[Lora] = []
    for item in items(text.replace(" ", "\0")):
        name = item.replace("\0", " ")
        path, colon, strength = name.rpartition(":")
        try:
            unet = float(strength) if colon else 1.0
        except ValueError:
            path, colon, unet = "", "", 1.0
        found.append(Lora(path=str(host.find_file("lora", path if colon else name)), unet=unet))
    return tuple(found)
