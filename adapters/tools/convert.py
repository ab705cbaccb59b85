"""Any understood adapter file under other programs' names, with the same effect."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch

from ...core.errors import BadParameter, BadWeights
from ...core.tensor_files.safetensors_io import write_safetensors
from ..applying.fitness import check_finite
from ..deltas.dora import Dora
from ..deltas.lowrank import LowRank
from ..deltas.products import Hadamard
from ..modules.architectures import SDXL_PAIR
from ..modules.parts import PARTS, TEXT_ENCODER, find_part
from .carried_metadata import carry_metadata
from .decompose import truncate_delta
from .export_names import STYLE_KEYS, find_style
from .kohya_form import (
    drop_alpha,
    find_alpha_dtype,
    lacks_alpha,
    make_kohya_tensors,
    read_last_step,
    store_alpha,
)
from .peft_form import write_peft
from .save import (
    ToolReport,
    check_output,
    find_weight_shape,
    hash_source,
    is_linear,
    list_notes,
    list_source_files,
    list_unused,
    make_factor_tensors,
    make_provenance,
    save_kohya,
)
from .transformer_form import respell

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    from ..adapter import Adapter
    from ..deltas.base import Delta
    from .save import Progress
    from .svd import RankRule

Naming = Literal["kohya", "peft", "diffusers"]
NAMINGS: tuple[Naming, ...] = ("kohya", "peft", "diffusers")
_UNSAFE = re.compile(r"[^\w.-]+")


@dataclass
class _Result:
    """Files written, and what became of modules that had to be approximated."""

    files: list[Path] = field(default_factory=list[Path])
    errors: dict[str, float] = field(default_factory=dict[str, float])
    notes: list[str] = field(default_factory=list[str])


def convert(
    adapter: Adapter,
    output: str | os.PathLike[str],
    naming: Naming = "kohya",
    *,
    dense: RankRule | None = None,
    progress: Progress | None = None,
) -> ToolReport:
    """Write an adapter in kohya's names (output: a file), diffusers' (a file) or PEFT's (a folder).

    Factors are copied as they are, so the effect is the same to the last bit of the scale: kohya readers find it as
    alpha, PEFT readers in adapter_config.json, diffusers in the header entry lora_adapter_metadata, with patterns where
    modules differ. Of a transformer, kohya's names are its maker's, which join layers that diffusers keeps apart: these
    are joined or cut, exactly. PEFT's form holds one model, so an adapter of several parts becomes a folder for each.
    Kinds that a form lacks are refused by name, or with `dense` become LoRA of that rank by SVD. Learned tokens are
    saved beside, each in an embedding file of its own. Keys that are left out are in the report, with the reason.
    Raises BadWeights, also for NaN or infinite values; BadParameter.
    """
    if naming not in NAMINGS:
        raise BadParameter(f"{naming!r} is no naming", where="to", fix=f"use one of {', '.join(NAMINGS)}")
    path = _check_output(adapter, Path(output), naming)
    check_finite(adapter)
    result, base = _Result(), adapter.base_model
    modules = _fit_modules(adapter, naming, dense, result, progress)
    if modules:
        _save(path, adapter, modules, naming, result)
    folder, stem = (path, adapter.name) if naming == "peft" else (path.parent, path.stem)
    _save_tokens(folder, stem, adapter, result)
    ranks = dict(sorted(Counter(d.rank for d in modules.values() if d.rank is not None).items()))
    left, notes = list_unused([adapter]), (*list_notes([adapter], path), *result.notes)
    return ToolReport(path, len(modules), base, ranks, result.errors, left, notes, tuple(result.files))


def _check_output(adapter: Adapter, path: Path, naming: Naming) -> Path:
    sources = list_source_files(adapter)
    if naming != "peft":
        return check_output(path, sources)
    folders = {path.resolve(), *(path.resolve() / part for part in PARTS)}
    if folders & {file.resolve().parent for file in sources}:
        raise BadParameter("holds the input, which stays as it is", where=str(path), fix="choose another folder")
    return path


def _save(path: Path, adapter: Adapter, modules: Mapping[str, Delta], naming: Naming, result: _Result) -> None:
    step: dict[str, Any] = {
        "tool": "convert",
        "from": adapter.dialect,
        "name": adapter.name,
        "sha256": hash_source(adapter),
    }
    alpha = find_alpha_dtype(adapter)
    if alpha is not None:
        step["alpha_dtype"] = str(alpha).removeprefix("torch.")
    before = read_last_step(adapter)
    style = find_style(adapter.used, before, usual=naming == "kohya")
    step |= {key: value for key, value in zip(STYLE_KEYS, style, strict=True) if value is not None}
    if without_alpha := before.get("without_alpha", False) or lacks_alpha(adapter):
        step["without_alpha"] = True
    carried = carry_metadata(adapter.metadata)
    if naming != "kohya":
        metadata = {**carried, "format": "pt", **make_provenance(step, adapter.metadata)}
        folder = naming == "peft"
        result.files += write_peft(path, modules, metadata, folder=folder, base_model=adapter.base_model)
        return
    tables = {name: store_alpha(make_kohya_tensors(delta), alpha) for name, delta in modules.items()}
    if without_alpha:
        tables = {name: drop_alpha(table, modules[name]) for name, table in tables.items()}
    result.files.append(save_kohya(path, tables, adapter.base_model, step, carried, adapter.metadata, style=style))


def _fit_modules(
    adapter: Adapter, naming: Naming, dense: RankRule | None, result: _Result, progress: Progress | None
) -> dict[str, Delta]:
    """The deltas; those that the naming cannot hold are approximated or refused."""
    modules: dict[str, Delta] = {}
    faults: dict[str, list[str]] = {}
    held = respell(adapter.base_model, adapter.modules, maker=naming == "kohya")
    for done, (name, delta) in enumerate(held.items(), start=1):
        fault = _find_fault(delta, naming)
        if fault is None:
            modules[name] = delta
        elif dense is not None and is_linear(delta) and delta.bias is None:
            modules[name] = _approximate(name, delta, dense, result)
        else:
            faults.setdefault(fault, []).append(name)
        if progress is not None:
            progress(done, len(held))
    if faults:
        fault, names = next(iter(faults.items()))
        why = f"{fault} ({sum(map(len, faults.values()))} of {len(held)} modules, the first is {names[0]})"
        fix = "convert with --dense-rank" if dense is None and is_linear(held[names[0]]) else "keep the file as it is"
        raise BadWeights(why, where=str(adapter.path), fix=fix)
    return _check_kinds(modules, naming)


def _find_fault(delta: Delta, naming: Naming) -> str | None:
    """Why a naming has no place for a delta."""
    if naming == "kohya":
        try:
            make_kohya_tensors(delta)
        except BadWeights as error:
            return error.what
        return None
    inner = delta.inner if isinstance(delta, Dora) else delta
    form = "PEFT's form" if naming == "peft" else "diffusers' form"
    if isinstance(delta, Dora) and delta.axis == "in":
        return f"{form} has no DoRA along the inputs"
    if isinstance(delta, Hadamard) and naming == "peft":
        return None if delta.bias is None else f"{form} has no biases beside a loha"
    if not isinstance(inner, LowRank) or inner.mid is not None:
        kind = "lora with a core (Tucker)" if isinstance(inner, LowRank) else inner.algorithm
        return f"{form} has no layers of type {kind}"
    if delta.bias is not None and (not inner.scale or isinstance(delta, Dora)):
        return f"{form} has no bias beside this"
    return None


def _approximate(name: str, delta: Delta, rule: RankRule, result: _Result) -> LowRank:
    shape = find_weight_shape(name, delta)
    if len(shape) < 2:
        raise BadWeights(
            f"a layer of type {delta.algorithm} with one axis cannot become a LoRA",
            where=name,
            fix="keep the file as it is",
        )
    up, down, result.errors[name] = truncate_delta(name, delta, rule)
    table = make_factor_tensors(up, down, shape[2:], torch.float32)
    return LowRank(up=table["lora_up.weight"], down=table["lora_down.weight"])


def _check_kinds(modules: dict[str, Delta], naming: Naming) -> dict[str, Delta]:
    """PEFT's form is of one kind per model; raises BadWeights for mixtures."""
    if naming == "kohya":
        return modules
    for part in {find_part(name) for name in modules}:
        kinds = {delta.algorithm for name, delta in modules.items() if name.startswith(f"{part}.")}
        if len(kinds) > 1:
            raise BadWeights(
                f"PEFT's form holds one kind per model, and this mixes {', '.join(sorted(kinds))}",
                where=part,
                fix="write it in kohya's names",
            )
    return modules


def _save_tokens(folder: Path, stem: str, adapter: Adapter, result: _Result) -> None:
    """One embedding file per learned token: {token: vectors}, or clip_l and clip_g where both encoders have some."""
    for token, vectors in adapter.embeddings.items():
        safe = _UNSAFE.sub("", token).strip(".")[:80] or f"token{len(result.files)}"
        path = folder / f"{stem}.{safe}.safetensors"
        if path in result.files or path.resolve() == adapter.path.resolve():
            path = folder / f"{stem}.{safe}.{len(result.files)}.safetensors"
        both = {key: vectors.get(part) for key, part in SDXL_PAIR.items()}
        named = {token: vectors[TEXT_ENCODER]} if set(vectors) == {TEXT_ENCODER} else both
        result.files.append(write_safetensors(path, {key: t for key, t in named.items() if t is not None}))
        result.notes.append(f"the learned token {token!r} is in {path.name}")
