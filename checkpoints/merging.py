"""Runs a recipe: everything is checked first, then one pass reads the inputs and writes the result."""

from __future__ import annotations

import json
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from ..core.errors import BadWeights
from ..core.file_state import describe_files
from ..core.operation import Report
from ..core.progress import Progress
from ..core.weights.hashes import HashMemory
from ..core.weights.search_paths import find_cache_folder
from .families import find_family
from .graph import Graph, check_counts, find_dtype_of
from .layouts.folder_reader import hash_model, list_model_files
from .layouts.output import check_place, write_values
from .live_models import hash_lives
from .metadata import make_metadata
from .nodes import RepairedValues
from .recipe import (
    Apply,
    Load,
    encode_recipe,
    hash_recipe,
    list_inputs,
    list_loads,
    list_loras,
    list_sources,
    make_recipe,
    pin_files,
)
from .writer import ValueWriter, lay_out

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Generator, Iterable, Mapping

    from torch import Tensor

    from .layouts.output import Form
    from .recipe import Node, Recipe
    from .values import Values

    Step = Callable[[int, int], None]

_MIB = 1 << 20


class Prepared(NamedTuple):
    """What a recipe comes to before anything is computed."""

    values: Values
    notes: tuple[str, ...]
    recipe: Recipe
    pinned: Node
    hashes: dict[str, str]


def merge(
    recipe: Recipe | Node | dict[str, Any] | str | Path,
    out: str | os.PathLike[str],
    progress: Step | None = None,
    *,
    presets: Mapping[str, str] | None = None,
    allow_damaged: bool = False,
    form: Form = "auto",
    verify: bool = False,
) -> Report:
    """Write the checkpoint of a recipe: a node, its JSON as a table or text, or the path of a recipe file.

    One pass, chunk by chunk, float32 inside, rounded once; memory does not grow with the model. The same recipe on the
    same files gives the same bytes. presets: block weights by name. progress: called with bytes done and bytes of all,
    may raise to stop. form: a file, a diffusers folder, or what the name says: one without an ending is a folder's.
    verify: what was written is read back, and its hash compared. Raises BadParameter, UnknownName, BadWeights (inputs
    that do not fit, results that are not finite unless allow_damaged), UnsafeFile, WriteFailed; then nothing is written
    and what stood there is untouched.
    """
    return run_recipe(
        make_recipe(recipe), Path(out), progress, presets or {}, allow_damaged=allow_damaged, form=form, verify=verify
    )


def run_recipe(
    recipe: Recipe,
    out: Path,
    progress: Step | None = None,
    presets: Mapping[str, str] | None = None,
    *,
    allow_damaged: bool = False,
    form: Form = "auto",
    verify: bool = False,
) -> Report:
    """As `merge`, of a recipe."""
    check_place(out, form, list_files(recipe))
    with open_recipe(recipe, progress, presets) as (ready, metadata, check):
        first = list_sources(recipe.node)[0]
        start = recipe.find(first.path) if isinstance(first, Load) else None
        written = write_values(
            ready.values, out, metadata, check, form=form, first=start, allow_damaged=allow_damaged, verify=verify
        )
    notes = (*ready.notes, *written.notes, *(f"{key}: {why}" for key, why in written.damaged.items()))
    data = {
        **describe_plan(ready),
        "file": str(out),
        "keys": written.keys,
        "size": written.size,
        "sha256": written.sha256,
        "notes": list(notes),
    }
    text = f"{out.name}: {written.keys} keys, {written.size / _MIB:.1f} MiB, sha256 {written.sha256}"
    return Report(text=text, data=data, files=(out,), notes=notes)


def compute_recipe(
    recipe: Recipe, progress: Step | None = None, presets: Mapping[str, str] | None = None
) -> tuple[dict[str, Tensor], dict[str, str], Prepared]:
    """The tensors and metadata of the file that `merge` would write, in memory, and what is known of them.

    Raises as `merge`.
    """
    with open_recipe(recipe, progress, presets) as (ready, metadata, check):
        return ValueWriter(ready.values, check).compute(), metadata, ready


@contextmanager
def open_recipe(
    recipe: Recipe, progress: Step | None, presets: Mapping[str, str] | None
) -> Generator[tuple[Prepared, dict[str, str], Step]]:
    """A recipe with everything checked and its files open, the metadata of its result, and what to call while reading.

    Raises as `merge`.
    """
    check_counts(recipe.node)
    step = progress or Progress()
    with ExitStack() as stack:
        stack.enter_context(_compute_alone())
        files = list_files(recipe)
        before = describe_files(files)
        ready = prepare(recipe, stack, presets or {}, hash_files(recipe, step))
        family = find_family(ready.values.entries, ready.values.metadata)
        metadata = make_metadata(ready.pinned, ready.values, (family.id, family.variant), recipe, ready.hashes)

        def check(done: int, total: int) -> None:
            if done == total:
                _check_unchanged(files, before)
            step(done, total)

        yield ready, metadata, check


def prepare(recipe: Recipe, stack: ExitStack, presets: Mapping[str, str], hashes: dict[str, str]) -> Prepared:
    """Open the files and check everything. Raises BadParameter, UnknownName, BadWeights, UnsafeFile."""
    graph = Graph(recipe, stack, hashes, dict(presets))
    values = graph.build(recipe.node)
    if not _keeps_positions(recipe.node):
        values = RepairedValues(values)
    notes = tuple(dict.fromkeys(graph.notes))
    return Prepared(values, notes, recipe, pin_files(recipe.node, hashes), hashes)


def describe_plan(ready: Prepared) -> dict[str, Any]:
    """What a recipe comes to, for programs."""
    family = find_family(ready.values.entries, ready.values.metadata)
    return {
        "family": family.id,
        "variant": family.variant,
        "dtype": find_dtype_of(ready.values),
        "keys": len(ready.values.entries),
        "bytes": lay_out(ready.values).size,
        "recipe": json.loads(encode_recipe(ready.pinned)),
        "recipe_sha256": hash_recipe(ready.pinned),
        "inputs": [{"path": path, "sha256": sha256} for path, sha256 in ready.hashes.items()],
        "notes": list(ready.notes),
    }


def plan_recipe(recipe: Recipe, presets: Mapping[str, str] | None = None, progress: Step | None = None) -> Report:
    """What `merge` would do, checked as far as that is possible without computing. Raises as `merge`."""
    check_counts(recipe.node)
    with ExitStack() as stack:
        ready = prepare(recipe, stack, presets or {}, hash_files(recipe, progress or Progress()))
        data = describe_plan(ready)
        merged = _count_merged(ready.values)
        with _compute_alone():
            seconds = ValueWriter(ready.values, Progress(), hashed=False).estimate_seconds()
    lines = [
        f"{data['family']}, {data['keys']} keys, {merged} of them computed, {data['dtype']}",
        f"  writes {data['bytes'] / _MIB:.1f} MiB",
        f"  reads {sum(file.stat().st_size for file in list_files(recipe)) / _MIB:.1f} MiB",
        f"  takes some {max(1, round(seconds))} s here, without the time that the disk needs to write",
        f"  recipe {data['recipe_sha256']}",
    ]
    return Report(
        text="\n".join(lines), data={**data, "merged": merged, "seconds": round(seconds, 1)}, notes=ready.notes
    )


def list_files(recipe: Recipe) -> list[Path]:
    """Files that a recipe reads."""
    return [file for path in _list_paths(recipe.node) for file in list_model_files(recipe.find(path))]


def hash_files(recipe: Recipe, step: Step) -> dict[str, str]:
    """Path as the recipe has it → sha256; files that were hashed before are not read again. Raises BadWeights."""
    memory, found = HashMemory(find_cache_folder() / "hashes.json"), dict[str, str]()
    for path in dict.fromkeys(_list_paths(recipe.node)):
        step(0, 0)
        try:
            found[path] = hash_model(recipe.find(path), memory.sha256)
        except OSError as error:
            what = f"cannot be read ({error.strerror or error})"
            raise BadWeights(what, where=str(recipe.find(path)), fix="check the name") from error
    return found | hash_lives(recipe, step)


def _list_paths(node: Node) -> Iterable[str]:
    return [*(load.path for load in list_loads(node)), *(lora.path for lora in list_loras(node))]


def _check_unchanged(files: list[Path], before: str) -> None:
    if describe_files(files) != before:
        raise BadWeights("an input changed while it was read", fix="merge again when nothing writes to it")


def _keeps_positions(node: Node) -> bool:
    """Whether A1111's arithmetic is asked for, which copies lists of positions as they are."""
    return (isinstance(node, Apply) and node.arithmetic == "a1111") or any(map(_keeps_positions, list_inputs(node)))


def _count_merged(values: Values) -> int:
    return sum(values.find_source(key) is None for key in values.entries)


@contextmanager
def _compute_alone() -> Generator[None]:
    """One thread, without gradients: the result is the same on any number of cores, and chunks are small."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.no_grad():
            yield
    finally:
        torch.set_num_threads(threads)
