"""From a recipe to values: files opened, inputs checked, methods and weights found. Nothing is computed yet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from ..adapters.applying.quantised import StorageIndex
from ..adapters.applying.quantised_names import MARKERS, find_packed
from ..core.errors import BadParameter, BadWeights
from ..core.params import make_params
from .aligning import align_names
from .applied import A1111Values, AppliedValues
from .blocks import has_own_vae, has_vae_rule, make_weigher
from .checks import check_inputs, choose_a1111_keys, choose_keys
from .families import find_family
from .keys import EMA, find_ema_names, normalise_name
from .layouts.folder_reader import FolderReader, open_model
from .live_models import LiveValues
from .method import Method
from .method_registry import methods
from .nodes import DTYPES, AdaptedValues, CastValues, VaeValues
from .recipe import Adapt, Apply, BakeVae, Cast, Live, Load, list_inputs
from .values import FileValues

if TYPE_CHECKING:
    from contextlib import ExitStack

    from ..core.params import Params
    from ..core.tensor_files.tensor_reader import TensorReader
    from .method_registry import MethodType
    from .recipe import Node, Recipe
    from .values import Values

_COMMAND = "checkpoint merge"


class Graph:
    """Builds the values of a recipe's nodes. notes: what a user should know. presets: of block weights, by name.

    hashes: path as the recipe has it → sha256.
    """

    def __init__(self, recipe: Recipe, stack: ExitStack, hashes: dict[str, str], presets: dict[str, str]) -> None:
        self._recipe, self._stack = recipe, stack
        self._hashes, self._presets = hashes, presets
        self.notes: list[str] = []

    def build(self, node: Node) -> Values:
        """Values of a node. Raises BadParameter, BadWeights, UnsafeFile, UnknownName."""
        match node:
            case Load():
                return self._load(node)
            case Live():
                return self._find_live(node)
            case Adapt():
                return self._adapt(node)
            case Cast():
                cast = CastValues(self.build(node.input), DTYPES.get(node.dtype), node.drop)
                self.notes += cast.notes
                return cast
            case BakeVae():
                baked = VaeValues(self.build(node.input), self._load(node.vae))
                self.notes += baked.notes
                return baked
            case Apply():
                return self._apply(node)

    def _load(self, node: Load) -> FileValues:
        return self._open_values(node, self._open(node))

    def _find_live(self, node: Live) -> LiveValues:
        model = self._recipe.live.get(node.name)
        if model is None:
            what = f"stands for a model that was loaded in a host (tensors_sha256 {node.sha256 or 'unknown'})"
            fix = f"connect that model as {node.name}, or write it to a file and name the file in a load node"
            raise BadParameter(what, where=f"recipe, live {node.name}", fix=fix)
        if node.sha256 and self._hashes.get(node.name, node.sha256) != node.sha256:
            what = f"has the tensors_sha256 {self._hashes[node.name]}, the recipe was made with {node.sha256}"
            raise BadWeights(what, where=model.label, fix="connect the model that the recipe means")
        self.notes += model.notes
        return LiveValues(model)

    def _open(self, node: Load) -> TensorReader:
        path = self._recipe.find(node.path)
        if node.sha256 and self._hashes.get(node.path, node.sha256) != node.sha256:
            what = f"has the sha256 {self._hashes[node.path]}, the recipe was made with {node.sha256}"
            raise BadWeights(what, where=str(path), fix="give the file that the recipe means, or take its sha256 out")
        reader = open_model(path, self._stack)
        self.notes += reader.notes if isinstance(reader, FolderReader) else ()
        if (packed := find_packed(reader.entries)) is not None:
            key, what = packed
            fix = "use the model before it was quantised"
            raise BadWeights(f"holds {what}, which cannot be computed with", where=f"{path}, {key}", fix=fix)
        if not reader.entries:
            raise BadWeights("holds no tensors", where=str(path), fix="check that it is a checkpoint")
        return reader

    def _open_values(self, node: Load, reader: TensorReader) -> FileValues:
        storages = StorageIndex(reader.entries, reader.metadata, reader.tensor)
        beside = {name for key in reader.entries for name in storages.companions(key)}
        plain = [n for n in reader.entries if n not in beside and n.rpartition(".")[2] not in MARKERS]
        names = {normalise_name(name): name for name in plain}
        averages = find_ema_names(names) if node.ema == "use" else {}
        if node.ema == "use" and not averages:
            raise BadWeights("holds no averaged weights (model_ema.)", where=str(reader.path), fix="use the others")
        if node.ema == "drop" and (count := sum(key.startswith(EMA) for key in names)):
            self.notes.append(f"{reader.path.name}: {count} averaged weights (model_ema.) are left out")
        keeps = node.ema == "keep"
        names = {key: averages.get(key, name) for key, name in names.items() if keeps or not key.startswith(EMA)}
        return FileValues(reader, storages, names)

    def _adapt(self, node: Adapt) -> Values:
        from .adapting import bake_loras

        reader = self._open(node.input)
        values = self._open_values(node.input, reader)
        loras = [msgspec.structs.replace(lora, path=str(self._recipe.find(lora.path))) for lora in node.loras]
        baked, notes = bake_loras(reader, loras)
        self.notes += notes
        return AdaptedValues(values, baked, {normalise_name(name): name for name in baked.changed})

    def _apply(self, node: Apply) -> AppliedValues:
        method = methods()[node.method]
        params = make_params(method.params_type, dict(node.params), where=f"method {node.method}", command=_COMMAND)
        inputs = [self.build(one) for one in node.inputs]
        inputs = inputs if method.spec.more else inputs[: len(method.spec.inputs)]
        for number, other in enumerate(inputs[1:], 1):
            inputs[number], note = align_names(inputs[0], other)
            self.notes += [note] if note else []
        check_inputs(inputs)
        as_a1111 = node.arithmetic == "a1111"
        if as_a1111:
            check_a1111(method, node)
        with_vae = node.vae == "merge" or as_a1111 or has_vae_rule(node.elements) or self._weighs_vae(node, inputs[0])
        merged, notes = choose_keys(inputs, with_vae=with_vae)
        if as_a1111:
            merged = choose_a1111_keys(inputs)
        self.notes += notes
        chosen = self._make_params(method, node, params, inputs[0])
        return (A1111Values if as_a1111 else AppliedValues)(method, inputs, merged, chosen)

    def _weighs_vae(self, node: Apply, first: Values) -> bool:
        """Whether the block weights say something of the VAE."""
        lists = [self._presets.get(text, text) for text in (node.blocks, node.beta_blocks) if text]
        family = find_family(first.entries, first.metadata) if lists else None
        return family is not None and any(has_own_vae(text, family) for text in lists)

    def _make_params(self, method: MethodType, node: Apply, params: Params, first: Values) -> Any:
        """The method's parameters for a key, one object for each pair of weights."""
        family, name = find_family(first.entries, first.metadata), method.spec.weight
        fields = {field.name for field in method.fields()}
        if (node.blocks or node.elements) and name not in fields:
            raise BadParameter(f"{node.method} has no weight for blocks", where="blocks", fix="leave them out")
        if node.beta_blocks and "beta" not in fields:
            raise BadParameter(f"{node.method} has no beta", where="beta_blocks", fix="leave them out")
        weighers = {
            field: make_weigher(float(getattr(params, field)), blocks, elements, family, self._presets, where=place)
            for field, blocks, elements, place in (
                (name, node.blocks, node.elements, "blocks"),
                ("beta", node.beta_blocks, "", "beta_blocks"),
            )
            if blocks or elements
        }
        made: dict[tuple[float, ...], Params] = {}
        where = f"block weights of {node.method}"

        def choose(key: str) -> Params:
            if not weighers:
                return params
            weights = tuple(weigh(key) for weigh in weighers.values())
            if weights not in made:
                values = {**msgspec.structs.asdict(params), **dict(zip(weighers, weights, strict=True))}
                made[weights] = make_params(method.params_type, values, where=where, command=_COMMAND)
            return made[weights]

        for key in first.entries:
            choose(key)
        return choose


def check_counts(node: Node) -> None:
    """Raise BadParameter or UnknownName for methods that are none or get another number of inputs, files unseen."""
    if isinstance(node, Apply):
        check_count(methods()[node.method], len(node.inputs))
    for one in list_inputs(node):
        check_counts(one)


def check_count(method: MethodType, count: int) -> None:
    """Raise BadParameter unless a method takes so many inputs."""
    least = len(method.spec.inputs)
    if not _takes(method, count):
        needs = f"{method.count_inputs()}, {least} {'or more ' if method.spec.more else ''}checkpoints"
        others = [other.spec.id for other in methods() if _takes(other, count)]
        near = sorted(others, key=lambda name: name != "weighted_sum")[:3]
        fix = f"give {least}{' or more' if method.spec.more else ''} in this order"
        fix += f", or choose a method that takes {count}, such as {', '.join(near)}" if near else ""
        raise BadParameter(f"{method.spec.id} takes {needs}; {count} were given", where="inputs", fix=fix)


def _takes(method: MethodType, count: int) -> bool:
    least = len(method.spec.inputs)
    return count == least or (count > least and method.spec.more)


def check_a1111(method: MethodType, node: Apply) -> None:
    """Raise BadParameter for what A1111's checkpoint merger does not offer."""
    if method.merge_as_a1111 is Method.merge_as_a1111 or node.blocks or node.elements or node.beta_blocks:
        what = "A1111's arithmetic is that of weighted_sum and add_difference, without block weights"
        raise BadParameter(what, where="arithmetic", fix="use exact")


def find_dtype_of(values: Values) -> str:
    """dtypes of a checkpoint's weights, the most common first, as "fp16" or "fp16, fp32"."""
    names = {dtype: name for name, dtype in DTYPES.items()}
    counts: dict[str, int] = {}
    for entry in values.entries.values():
        if entry.dtype.is_floating_point:
            name = names.get(entry.dtype, str(entry.dtype).removeprefix("torch."))
            counts[name] = counts.get(name, 0) + entry.numel
    return ", ".join(sorted(counts, key=lambda name: (-counts[name], name)))
