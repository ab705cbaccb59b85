"""Load a file as an `Adapter`: each key is looked up in the dialects and ends up used, or unused with its reason."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from ...core.errors import BadWeights
from ..adapter import Adapter, Embeddings
from ..deltas.build import build
from ..deltas.module_tensors import is_finite
from ..embeddings.vectors import read_vectors
from ..modules.architectures import ARCHITECTURES
from ..modules.parts import TRANSFORMER, UNET, find_part
from ..modules.spellings import find_ldm_names
from .bundled_tokens import TokenKey, read_token_key
from .dialects.base import Dialect, ModuleKey, Rejection, find_dialects
from .files import RawFile, find_part_folders, read_file
from .foreign import make_unknown, refuse_foreign
from .joined_layers import find_misfits, find_repetitions, restore_rows
from .joined_parts import join_parts
from .metadata import FileMetadata
from .recognition import Recognition
from .trainers import count_precisions, find_noise, find_trainer

if TYPE_CHECKING:
    import os

    from torch import Tensor

    from ..deltas.base import Delta

LONGEST_KEY = 80
_SECOND_EXPERT = (
    "is for the second expert, that of low noise: save its keys in their own file, with transformer. in front and "
    "low_noise in its name"
)


@dataclass
class _KeyGroups:
    """Keys by where they belong."""

    groups: dict[str, dict[str, str]] = field(default_factory=lambda: defaultdict(dict))
    """Module → {suffix: key}."""
    places: dict[str, ModuleKey] = field(default_factory=dict["str", "ModuleKey"])
    """Module → where the first of its keys was found."""
    ambiguous: dict[str, str] = field(default_factory=dict[str, str])
    """Module → why two of its keys contradict each other."""
    tokens: dict[TokenKey, str] = field(default_factory=dict["TokenKey", str])
    unused: dict[str, str] = field(default_factory=dict[str, str])
    dialects: Counter[str] = field(default_factory=Counter[str])
    rejected: dict[str, str] = field(default_factory=dict[str, str])


def load_adapter(path: str | os.PathLike[str]) -> Adapter:
    """Read a LoRA-family file of any dialect: safetensors, pickled, or a folder of PEFT's, also one with such folders
    for the parts of a model ("unet", "text_encoder", "text_encoder_2"); its keys then begin with the folder's name.

    Raises BadWeights for a damaged file, a file of another kind (named) or one in which nothing is understood;
    UnsafeFile for a pickle that holds more than tensors.
    """
    folders = find_part_folders(Path(path))
    files = {folder: read_file(folder) for folder in folders} or {Path(path): read_file(path)}
    named = (file.recognition for folder, file in files.items() if not folders or folder.name == TRANSFORMER)
    return _read(Path(path), list(files.values()), next(named, None), in_parts=bool(folders))


def _read(path: Path, files: list[RawFile], model: Recognition | None, *, in_parts: bool) -> Adapter:
    """One adapter of files, all of that base model."""
    parts = [_load(replace(file, beside=model)) for file in files]
    whole = join_parts(path, parts) if in_parts else parts[0]
    if model is None or not model.candidates:
        return whole
    return replace(whole, could_be=model.candidates, reader=partial(_read_as, path, files, model, in_parts))


def _read_as(path: Path, files: list[RawFile], model: Recognition, in_parts: bool, architecture: str) -> Adapter:
    """The files as those of another base model, which their names and shapes fit, too."""
    title = ARCHITECTURES[architecture].title
    note = f"names and shapes fit {model.title}; read as a file for {title}, as the model is"
    return _read(path, files, Recognition(architecture, notes=(note,)), in_parts=in_parts)


def _load(file: RawFile) -> Adapter:
    for dialect in find_dialects():
        file = dialect.prepare(file)
    refuse_foreign(file)
    found = _group_keys(file)
    metadata = FileMetadata(file)
    modules, used = _build_modules(file, found, metadata)
    embeddings = _read_embeddings(file, found, used)
    if not modules and not embeddings:
        raise make_unknown(file, _explain(found, file))
    return Adapter(
        path=file.path,
        modules=modules,
        embeddings=embeddings,
        dialect="+".join(name for name, _ in found.dialects.most_common()) or "embeddings only",
        metadata=file.metadata,
        used=used,
        unused={**found.unused, **dict.fromkeys(file.rest, "is no tensor")},
        rejected=found.rejected,
        notes=(*metadata.notes(modules), *(file.recognition.notes if file.recognition is not None else ())),
        finite=all(is_finite(file.tensors[key]) for key in found.unused if key in file.tensors),
        ldm=_find_ldm_names(found, modules),
        architecture=file.recognition.architecture if file.recognition is not None else "",
        variant=file.recognition.variant if file.recognition is not None else "",
        trainer=find_trainer(file),
        precisions=count_precisions(file.tensors),
        noise=find_noise(file),
    )


def _read_embeddings(file: RawFile, found: _KeyGroups, used: dict[str, str]) -> Embeddings:
    embeddings: Embeddings = defaultdict(dict)
    for learned, key in found.tokens.items():
        try:
            rows = read_vectors(file.tensors[key], key, file.path)
        except BadWeights as error:
            found.unused[key] = error.what
            continue
        if not is_finite(rows):
            found.unused[key] = "holds NaN or infinite values"
            continue
        embeddings[learned.token][learned.encoder] = rows
        used[key] = learned.token
    return dict(embeddings)


def _group_keys(file: RawFile) -> _KeyGroups:
    found, order = _KeyGroups(), find_dialects()
    for key in file.tensors:
        learned = read_token_key(key, file)
        if isinstance(learned, TokenKey):
            found.tokens[learned] = key
        elif learned is not None:
            found.unused[key] = learned
        else:
            order = _place_key(key, file, found, order)
    return found


def _explain_twin(key: str, other: str, file: RawFile) -> tuple[str, bool]:
    """Why a key that names the same as another is not used, and whether they contradict each other."""
    first, second = file.tensors[other], file.tensors[key]
    if first.shape == second.shape and first.dtype == second.dtype and torch.equal(first, second):
        return f"is a copy of {other}, which is used", False
    return f"{other} and {key} name the same and differ: perhaps two adapters in one file; save one alone", True


def _place_key(key: str, file: RawFile, found: _KeyGroups, order: tuple[Dialect, ...]) -> tuple[Dialect, ...]:
    """Look a key up in the dialects; the one that knows it is tried first for the next."""
    rejections: dict[str, Rejection] = {}
    for dialect in order:
        place = dialect.locate(key, file)
        if isinstance(place, ModuleKey):
            return _add_key(key, dialect, place, (file, found), order)
        rejections[dialect.id] = place
    near = next((rejection.reason for rejection in rejections.values() if not rejection.foreign), "")
    second = _SECOND_EXPERT if key.startswith(f"{TRANSFORMER}_2.") else ""
    found.unused[key] = near or second or "no dialect knows this name"
    for name, rejection in rejections.items():
        found.rejected.setdefault(name, f"{key[:LONGEST_KEY]}: {rejection.reason}")
    return order


def _add_key(
    key: str, dialect: Dialect, place: ModuleKey, where: tuple[RawFile, _KeyGroups], order: tuple[Dialect, ...]
) -> tuple[Dialect, ...]:
    file, found = where
    group = found.groups[place.module]
    found.places.setdefault(place.module, place)
    if place.suffix in group:
        found.unused[key], differs = _explain_twin(key, group[place.suffix], file)
        if differs:
            found.ambiguous.setdefault(place.module, found.unused[key])
        return order
    group[place.suffix] = key
    found.dialects[dialect.id] += 1
    return order if order[0] is dialect else (dialect, *(other for other in order if other is not dialect))


def _build_modules(file: RawFile, found: _KeyGroups, metadata: FileMetadata) -> tuple[dict[str, Delta], dict[str, str]]:
    modules: dict[str, Delta] = {}
    used: dict[str, str] = {}
    for module, keys in found.groups.items():
        tensors: dict[str, Tensor] = {suffix: file.tensors[key] for suffix, key in keys.items()}
        place = found.places[module]
        reason = found.ambiguous.get(module) or metadata.find_refusal(place, tensors)
        if reason is not None:
            found.unused |= dict.fromkeys(keys.values(), reason)
            continue
        built = build(tensors, metadata.hints(place, tensors))
        if built.delta is not None:
            modules[module] = built.delta
        for suffix, key in keys.items():
            if built.delta is not None and suffix in built.used:
                used[key] = module
            else:
                found.unused[key] = built.problems.get(suffix, "its module could not be read")
    originals = {module: place.original for module, place in found.places.items() if place.original}
    left_out = restore_rows(file.architecture, modules, {m: o for m, o in originals.items() if m in modules})
    for find in (find_misfits, find_repetitions):
        for module, reason in find(file.architecture, modules).items():
            left_out[module] = reason
            del modules[module]
    found.unused |= {key: left_out[owner] for key, owner in used.items() if owner in left_out}
    return modules, {key: owner for key, owner in used.items() if owner in modules}


def _find_ldm_names(found: _KeyGroups, modules: dict[str, Delta]) -> dict[str, str]:
    """Modules of the UNet that the file names by block numbers."""
    known = find_ldm_names()
    unet = [(module, place.name) for module, place in found.places.items() if find_part(module) == UNET]
    return {module: known[name] for module, name in unet if module in modules and name in known}


def _explain(found: _KeyGroups, file: RawFile) -> str:
    if not file.tensors:
        return "it holds no tensors"
    reasons = Counter(found.unused.values()).most_common(2)
    firsts = [next(key for key, why in found.unused.items() if why == reason)[:LONGEST_KEY] for reason, _ in reasons]
    return "; ".join(
        f"{total} keys such as {first!r}: {reason}" for (reason, total), first in zip(reasons, firsts, strict=True)
    )
