"""LoRA files for small transformers as each trainer writes them, and what every layer should become of them.

A writer is a way of naming; an algorithm is the tensors of one layer with its change, computed here from the formula
in float64. Files have all layers of a model, in turn of each algorithm that the writer knows.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import torch
from tests.support.transformer_models import PREFIX, shrink
from torch import Tensor

from underdrawing.adapters.modules.rows import canonical_modules, match_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from underdrawing.adapters.modules.layers import Module

Tensors = dict[str, Tensor]
Change = Callable[[Tensor], Tensor]
RANK, ALPHA = 2, 3.0
_BLOCK = 4


@dataclass(frozen=True)
class Algorithm:
    """Tensors of a layer by our names for their suffixes, and the new weight by the formula."""

    tensors: Tensors
    apply: Change


def _rand(*shape: int) -> Tensor:
    return torch.randn(shape) * 0.2


def _lora(rows: int, columns: int, *, alpha: bool = True) -> Algorithm:
    up, down = _rand(rows, RANK), _rand(RANK, columns)
    scale = ALPHA / RANK if alpha else 1.0
    tensors = {"up": up, "down": down} | ({"alpha": torch.tensor(ALPHA)} if alpha else {})
    return Algorithm(tensors, lambda base: base + scale * up.double() @ down.double())


def _plain(rows: int, columns: int) -> Algorithm:
    return _lora(rows, columns, alpha=False)


def _dora(rows: int, columns: int, name: str, axis: int, *, alpha: bool = True) -> Algorithm:
    inner = _lora(rows, columns, alpha=alpha)
    size = (rows, 1) if axis == 0 else (1, columns)
    magnitude = torch.rand(size) + 0.5

    def apply(base: Tensor) -> Tensor:
        changed = inner.apply(base)
        return magnitude.double() * changed / changed.norm(dim=1 - axis, keepdim=True)

    stored = magnitude.reshape(-1) if name != "dora_scale" else magnitude
    return Algorithm({**inner.tensors, name: stored}, apply)


def _dora_out(rows: int, columns: int) -> Algorithm:
    return _dora(rows, columns, "dora_scale", 0)


def _dora_in(rows: int, columns: int) -> Algorithm:
    return _dora(rows, columns, "dora_scale", 1)


def _dora_plain_in(rows: int, columns: int) -> Algorithm:
    return _dora(rows, columns, "dora_scale", 1, alpha=False)


def _dora_vector(rows: int, columns: int) -> Algorithm:
    return _dora(rows, columns, "lora_magnitude_vector.weight", 0, alpha=False)


def _dora_magnitude(rows: int, columns: int) -> Algorithm:
    return _dora(rows, columns, "magnitude", 0, alpha=False)


def _loha(rows: int, columns: int) -> Algorithm:
    one, two = (_rand(rows, RANK), _rand(RANK, columns)), (_rand(rows, RANK), _rand(RANK, columns))
    names = ("hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b")
    tensors = dict(zip(names, (*one, *two), strict=True)) | {"alpha": torch.tensor(ALPHA)}
    product = (one[0].double() @ one[1].double()) * (two[0].double() @ two[1].double())
    return Algorithm(tensors, lambda base: base + ALPHA / RANK * product)


def _lokr(rows: int, columns: int, *, alpha: float = ALPHA, full: bool = False) -> Algorithm:
    split = [next(size for size in (3, 2, 1) if count % size == 0) for count in (rows, columns)]
    small, large = _rand(*split), (rows // split[0], columns // split[1])
    tensors = {"lokr_w1": small, "alpha": torch.tensor(alpha)}
    if full:
        whole = _rand(*large)
        return Algorithm({**tensors, "lokr_w2": whole}, lambda base: base + torch.kron(small.double(), whole.double()))
    a, b = _rand(large[0], RANK), _rand(RANK, large[1])
    change = alpha / RANK * torch.kron(small.double(), a.double() @ b.double())
    return Algorithm({**tensors, "lokr_w2_a": a, "lokr_w2_b": b}, lambda base: base + change)


def _lokr_full(rows: int, columns: int) -> Algorithm:
    """ai-toolkit's: an alpha of 9999999999, which has no part where both factors are whole."""
    return _lokr(rows, columns, alpha=9999999999.0, full=True)


def _lokr_square(rows: int, columns: int, *, alpha: float, full: bool) -> Algorithm:
    """LyCORIS' own sizes, its factor left at -1: as near to square as the layer's numbers let."""
    one, two = (max(size for size in range(1, int(n**0.5) + 1) if n % size == 0) for n in (rows, columns))
    small, rest = _rand(one, two), (rows // one, columns // two)
    tensors = {"lokr_w1": small, "alpha": torch.tensor(alpha)}
    a, b = (_rand(*rest), torch.eye(rest[1])) if full else (_rand(rest[0], 1), _rand(1, rest[1]))
    product = torch.kron(small.double(), a.double() @ b.double()) * (1 if full else alpha)
    factors = {"lokr_w2": a} if full else {"lokr_w2_a": a, "lokr_w2_b": b}
    return Algorithm(tensors | factors, lambda base: base + product)


def _lokr_whole(rows: int, columns: int) -> Algorithm:
    return _lokr_square(rows, columns, alpha=9999999999.0, full=True)


def _lokr_low(rows: int, columns: int) -> Algorithm:
    return _lokr_square(rows, columns, alpha=ALPHA, full=False)


def _oft(rows: int, columns: int, *, scaled: bool = False) -> Algorithm:
    """PEFT's: turns the inputs, the Cayley series up to the fourth power."""
    size = _BLOCK if columns % _BLOCK == 0 else columns
    count = columns // size
    packed = _rand(count, size * (size - 1) // 2) * 0.2
    skew = torch.zeros(count, size, size, dtype=torch.float64)
    row, column = torch.triu_indices(size, size, 1)
    skew[:, row, column] = packed.double()
    skew = skew - skew.mT
    if scaled:
        skew = skew / (2 * (size - 1) ** 0.5)
    two, three, four = skew @ skew, skew @ skew @ skew, skew @ skew @ skew @ skew
    turn: Tensor = torch.block_diag(*(torch.eye(size) + 2 * skew + 2 * two + 2 * three + four))
    tensors = {"oft_R.weight": packed} | ({"oft_R.scaled_oft": torch.tensor(True)} if scaled else {})

    def apply(base: Tensor) -> Tensor:
        return base @ turn.mT

    return Algorithm(tensors, apply)


def _oft_scaled(rows: int, columns: int) -> Algorithm:
    return _oft(rows, columns, scaled=True)


def _difference(rows: int, columns: int) -> Algorithm:
    diff = _rand(rows, columns)
    return Algorithm({"diff": diff, "diff_b": _rand(rows)}, lambda base: base + diff.double())


def _replacement(rows: int, columns: int) -> Algorithm:
    weight = _rand(rows, columns)
    return Algorithm({"set_weight": weight}, lambda _: weight.double())


_OLD = {"up": "lora_up.weight", "down": "lora_down.weight"}
_NEW = {"up": "lora_B.weight", "down": "lora_A.weight"}
_DOTTED = {"up": "lora.up.weight", "down": "lora.down.weight"}
_DEFAULT = {"up": "lora_B.default.weight", "down": "lora_A.default.weight"}
_ONE_TRAINER = (_lora, _dora_out, _dora_in, _loha, _lokr, _oft, _oft_scaled)


@dataclass(frozen=True)
class Writer:
    """A trainer's way of naming. names: whose names of layers; "parts" are the maker's, with numbers for the joined."""

    id: str
    names: str
    prefix: str
    suffixes: dict[str, str]
    algorithms: tuple[Callable[[int, int], Algorithm], ...] = (_plain,)
    joint: str = "."
    metadata: dict[str, str] = field(default_factory=dict[str, str])
    config: dict[str, object] = field(default_factory=dict[str, object])


_HEADER = json.dumps({f"transformer.{key}": value for key, value in {"r": RANK, "lora_alpha": RANK}.items()})
_OWN_HEADER = json.dumps({"r": RANK, "lora_alpha": RANK, "target_modules": None})
WRITERS = (
    Writer("sd-scripts", "original", "lora_unet_", _OLD, (_lora, _loha, _lokr, _difference), "_"),
    Writer("musubi converted", "original", "diffusion_model.", _NEW),
    Writer("ai-toolkit", "canonical", "diffusion_model.", _NEW, (_plain, _lokr_full, _dora_magnitude)),
    Writer("ai-toolkit original", "original", "diffusion_model.", _NEW, (_plain, _lokr_full, _dora_magnitude)),
    Writer("ai-toolkit transformer", "canonical", "transformer.", _NEW, (_plain, _lokr_full, _dora_magnitude)),
    Writer("ai-toolkit old LoKr", "canonical", "lycoris_", _OLD, (_lokr_full,), "_"),
    Writer(
        "OneTrainer DIFFUSERS",
        "canonical",
        "transformer.",
        _NEW,
        (_plain, _dora_vector, _dora_plain_in, _loha, _lokr, _oft, _oft_scaled),
    ),
    Writer("OneTrainer KOHYA", "original", "lora_unet_", _OLD, _ONE_TRAINER, "_"),
    Writer("OneTrainer COMFY", "original", "diffusion_model.", _NEW, _ONE_TRAINER),
    Writer("OneTrainer ORIGINAL", "original", "", _NEW, _ONE_TRAINER),
    Writer("OneTrainer LEGACY", "canonical", "lora_transformer_", _OLD, _ONE_TRAINER, "_"),
    Writer("OneTrainer LEGACY dotted", "canonical", "transformer.", _OLD, _ONE_TRAINER),
    Writer("OneTrainer OMI", "parts", "transformer.", _OLD, _ONE_TRAINER),
    Writer("SimpleTuner", "canonical", "transformer.", _DOTTED),
    Writer("SimpleTuner old", "canonical", "transformer.base_model.model.", _NEW),
    Writer("SimpleTuner LyCORIS", "canonical", "lycoris_", _OLD, (_lora, _loha, _lokr, _difference), "_"),
    Writer("diffusers", "canonical", "transformer.", _NEW, metadata={"lora_adapter_metadata": _HEADER}),
    Writer("save_lora_adapter", "canonical", "", _NEW, metadata={"lora_adapter_metadata": _OWN_HEADER}),
    Writer("PEFT", "canonical", "base_model.model.", _NEW, (_plain, _dora_vector), config={"r": 2, "lora_alpha": 2}),
    Writer("PEFT original", "original", "base_model.model.", _NEW, config={"r": 2, "lora_alpha": 2}),
    Writer("DiffSynth", "canonical", "", _DEFAULT),
    Writer("ComfyUI", "original", "diffusion_model.", _NEW, (_plain, _difference, _replacement)),
)

LOKR_SQUARE = (
    Writer("LoKr bare", "canonical", "", _OLD, (_lokr_whole, _lokr_low)),
    Writer("LoKr dotted", "canonical", "diffusion_model.", _OLD, (_lokr_whole, _lokr_low)),
    Writer("LoKr lycoris", "canonical", "lycoris_", _OLD, (_lokr_whole, _lokr_low), "_"),
)
"""LoKr files whose factors PEFT can have, too."""


class Expected(NamedTuple):
    """A layer of a file: the weight that it is for, in the rows of the result, and what it becomes."""

    base: Tensor
    result: Tensor


@dataclass
class Sample:
    """A file's tensors, and what the layers should become, by the names that they are read under."""

    tensors: Tensors
    expected: dict[str, Expected]


def make_sample(
    architecture: str, writer: Writer, modules: Mapping[str, Module] | None = None, *, results: bool = True
) -> Sample:
    """A file of all linear layers of a model, else of a small one. results: whether what they become is computed."""
    torch.manual_seed(0)
    sample = Sample({}, {})
    layers = list_layers(architecture, writer, modules or shrink(architecture, divisor=256))
    for number, (stem, module, shape, swapped) in enumerate(layers):
        made = writer.algorithms[number % len(writer.algorithms)](*shape)
        for name, tensor in made.tensors.items():
            sample.tensors[f"{writer.prefix}{stem}.{writer.suffixes.get(name, name)}"] = tensor
        if not results:
            continue
        base = torch.randn(shape)
        result = made.apply(base.double())
        halves = shape[0] // 2 if swapped else 0
        sample.expected[module] = Expected(base.roll(halves, 0), result.roll(halves, 0))
    return sample


def list_layers(
    architecture: str, writer: Writer, every: Mapping[str, Module]
) -> Iterator[tuple[str, str, tuple[int, int], bool]]:
    """Name in the file, name that it is read under, shape, and whether its halves are the other way round."""
    modules = {name: module for name, module in every.items() if module.kind == "Linear"}
    for name, module in modules.items():
        rows, columns = module.shape
        if writer.names == "canonical":
            yield name.replace(".", writer.joint), f"{PREFIX}{name}", (rows, columns), False
            continue
        match = match_name(architecture, name)
        assert match is not None
        whole = match_name(architecture, match.original)
        assert whole is not None
        parts = [part.removeprefix(PREFIX) for part in whole.canonical]
        if writer.names == "parts" and len(parts) > 1:
            yield f"{match.original}.{parts.index(name)}", f"{PREFIX}{name}", (rows, columns), False
        elif name == parts[0]:
            yield from _list_joined(architecture, match.original, parts, modules, writer.joint)


def _list_joined(
    architecture: str, original: str, parts: list[str], modules: Mapping[str, Module], joint: str
) -> Iterator[tuple[str, str, tuple[int, int], bool]]:
    shape = (sum(modules[part].shape[0] for part in parts), modules[parts[0]].shape[1])
    rows = canonical_modules(architecture, original, shape)
    assert [row.length for row in rows] == [modules[part].shape[0] for part in parts]
    name = f"{PREFIX}{parts[0] if len(parts) == 1 else original}"
    yield original.replace(".", joint), name, shape, len(parts) == 1 and rows[0].swapped
