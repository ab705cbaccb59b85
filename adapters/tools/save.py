"""Deltas written as kohya and LyCORIS write them, and what the tools report."""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from ... import __version__
from ...core.errors import BadParameter, BadWeights
from ...core.files import hash_file
from ...core.tensor_files.safetensors_io import write_safetensors
from ..applying.experts import note_lost_expert
from ..deltas.dense import Sum
from ..modules.architectures import ARCHITECTURES
from ..modules.parts import TEXT_ENCODER, UNET
from .export_names import find_kernel, make_kohya_names

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from torch import Tensor

    from ..adapter import Adapter
    from ..deltas.base import Delta
    from .export_names import KohyaStyle

    Progress = Callable[[int, int], None]

MAX_ELEMENTS = 1 << 26
"""Numbers in the largest product that is formed, 256 MiB in float32; SDXL's largest weight has 29 million."""
_SHOWN = 3
"""Names in a line of what was left out."""
DTYPES = {"float16": torch.float16, "bfloat16": torch.bfloat16, "float32": torch.float32}


@dataclass(frozen=True)
class ToolReport:
    """What extract, merge, resize and convert did.

    modules: written. ranks: rank → modules. errors: module → Frobenius error relative to its change, where
    something was left out. dropped: module, or key of a source → why it is not in the file. files: all that was
    written.
    """

    path: Path
    modules: int
    base_model: str
    ranks: dict[int, int]
    errors: dict[str, float] = field(default_factory=dict[str, float])
    dropped: dict[str, str] = field(default_factory=dict[str, str])
    notes: tuple[str, ...] = ()
    files: tuple[Path, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """JSON-serialisable, complete."""
        return {
            "file": str(self.path),
            "files": [str(file) for file in self.files],
            "modules": self.modules,
            "base_model": self.base_model,
            "ranks": {str(rank): count for rank, count in self.ranks.items()},
            "worst_error": max(self.errors.values(), default=0.0),
            "errors": self.errors,
            "dropped": self.dropped,
            "notes": list(self.notes),
        }

    def __str__(self) -> str:
        """A few lines for people."""
        ranks = ", ".join(f"{count} of rank {rank}" for rank, count in self.ranks.items())
        lines = [f"{self.path.name}: {self.modules} modules ({self.base_model}; {ranks or 'no factors'})"]
        if self.errors:
            worst = max(self.errors, key=lambda name: self.errors[name])
            lines.append(f"  largest error {self.errors[worst]:.2%} of the change, in {worst}")
        lines += [f"  left out {_name_some(self.dropped, r)}: {r}" for r in Counter(self.dropped.values())]
        return "\n".join([*lines, *(f"  note: {note}" for note in self.notes)])


def _name_some(dropped: Mapping[str, str], reason: str) -> str:
    """How many were dropped for a reason, and the names of the first of them."""
    names = [name for name, own in dropped.items() if own == reason]
    shown = ", ".join(name[:120] for name in names[:_SHOWN])
    return f"{len(names)} ({shown}{', ...' if len(names) > _SHOWN else ''})"


def list_unused(adapters: Sequence[Adapter]) -> dict[str, str]:
    """Key → why it is not used, of all sources; where these are several, behind the name of its file."""
    several = len(adapters) > 1
    return {
        f"{adapter.name}: {key}" if several else key: reason
        for adapter in adapters
        for key, reason in adapter.unused.items()
    }


def list_notes(adapters: Sequence[Adapter], output: Path) -> list[str]:
    """What reading the sources found worth knowing, where these are several behind the name of its file, and what the
    name of the new file does not say any more."""
    several = len(adapters) > 1
    notes = [f"{adapter.name}: {note}" if several else note for adapter in adapters for note in adapter.notes]
    return [*notes, *note_lost_expert(adapters, output)]


def parse_dtype(name: str) -> torch.dtype:
    """float16, bfloat16 or float32 by its name; raises BadParameter."""
    if name not in DTYPES:
        raise BadParameter(f"{name!r} is no dtype to save in", where="dtype", fix=f"use one of {', '.join(DTYPES)}")
    return DTYPES[name]


def check_output(output: str | os.PathLike[str], inputs: Iterable[Path]) -> Path:
    """The output's path, if it is a safetensors file and none of the inputs; raises BadParameter."""
    path = Path(output)
    if path.suffix.lower() != ".safetensors":
        raise BadParameter("results are safetensors files", where=str(path), fix="let the name end in .safetensors")
    for other in inputs:
        if path.resolve() == other.resolve() or (path.exists() and other.exists() and path.samefile(other)):
            raise BadParameter("is one of the inputs, which stay as they are", where=str(path), fix="choose another")
    return path


def make_factor_tensors(up: Tensor, down: Tensor, kernel: tuple[int, ...], dtype: torch.dtype) -> dict[str, Tensor]:
    """kohya's tensors of up [O, r] @ down [r, I*k*k] at scale 1. Raises BadWeights for what the dtype cannot hold."""
    rank = down.shape[0]
    if kernel:
        if not down.numel() or down.shape[1] % math.prod(kernel):
            what = f"its factors for {down.shape[1]} inputs fit no convolution with a kernel of {list(kernel)}"
            raise BadWeights(what, fix="check which base model it was made for")
        up, down = up.reshape(*up.shape, *(1 for _ in kernel)), down.reshape(rank, -1, *kernel)
    pair = {"lora_up.weight": up.to(dtype).contiguous(), "lora_down.weight": down.to(dtype).contiguous()}
    if not all(bool(torch.isfinite(tensor).all()) for tensor in pair.values()):
        raise BadWeights(f"its factors are infinite or NaN in {dtype}", fix="save in float32")
    return {**pair, "alpha": torch.tensor(float(rank))}


def find_weight_shape(name: str, delta: Delta) -> tuple[int, ...]:
    """Shape of the weight a delta is for: rows, inputs and the kernel that factors or architecture show."""
    extent = delta.extent
    if extent is None:
        raise BadWeights(f"a layer of type {delta.algorithm} does not show the shape it was made for", where=name)
    kernel = extent.kernel or find_kernel(name)
    area = math.prod(kernel)
    if extent.cols % area:
        kernel, area = (), 1
    return (extent.rows, extent.cols // area, *kernel)


def is_linear(delta: Delta) -> bool:
    """Whether the change is the same whatever weight it meets."""
    return all(is_linear(part) for part in delta.terms) if isinstance(delta, Sum) else not delta.uses_base


def compute_dense_change(name: str, delta: Delta) -> Tensor:
    """The change at strength 1 of a delta that does not depend on the weight, float32 in the weight's shape."""
    if not is_linear(delta):
        raise BadWeights(
            f"a layer of type {delta.algorithm} depends on the weight it meets and has no change of its own",
            where=name,
            fix="bake it into a checkpoint and extract from that",
        )
    shape = find_weight_shape(name, delta)
    check_size(name, *shape)
    return delta.change(torch.zeros(shape))


def check_size(name: str, *sides: int) -> None:
    """Raise BadWeights when a product of these sides is larger than any layer of the supported models."""
    if math.prod(sides) > MAX_ELEMENTS:
        size = " x ".join(map(str, sides))
        what = f"its factors ask for a product of {size} numbers, more than any layer of a supported model has"
        raise BadWeights(what, where=name, fix="check where the file is from")


def make_provenance(step: Mapping[str, Any], before: Mapping[str, str] | None = None) -> dict[str, str]:
    """The metadata entry `underdrawing`: JSON of all steps that led to a file, this one last."""
    steps: list[Any] = []
    try:
        earlier = json.loads((before or {}).get("underdrawing", "{}")[: 1 << 20])
        if isinstance(earlier, dict) and isinstance(earlier.get("steps"), list):
            steps = earlier["steps"]
    except (ValueError, RecursionError):
        steps = []  # another program's entry, or a damaged one
    table = {"steps": [*steps, {**step, "version": __version__}]}
    return {"underdrawing": json.dumps(table, sort_keys=True)}


def make_source_entry(adapter: Adapter, unet: float, encoder: float) -> dict[str, Any]:
    """An adapter with its strengths on UNet and text encoders, for a step of the provenance."""
    return {"name": adapter.name, "sha256": hash_source(adapter), UNET: unet, TEXT_ENCODER: encoder}


def list_source_files(adapter: Adapter) -> list[Path]:
    """The file that an adapter was read from, or the files of PEFT's folders for the parts of a model."""
    if not adapter.path.is_dir():
        return [adapter.path]
    endings = (".safetensors", ".bin", ".json")
    return sorted(file for file in adapter.path.glob("*/*") if file.suffix in endings and file.is_file())


def hash_source(adapter: Adapter) -> str:
    """SHA-256 of an adapter's file; of a folder's files, that of their names and hashes."""
    if not adapter.path.is_dir():
        return hash_file(adapter.path)
    lines = [f"{hash_file(file)}  {file.relative_to(adapter.path).as_posix()}" for file in list_source_files(adapter)]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def count_ranks(modules: Mapping[str, Mapping[str, Tensor]]) -> dict[int, int]:
    """Rank → modules, of suffix tables in kohya's form."""
    found = Counter(
        int(table["lora_down.weight"].shape[0]) for table in modules.values() if "lora_down.weight" in table
    )
    return dict(sorted(found.items()))


def save_kohya(
    path: Path,
    modules: Mapping[str, Mapping[str, Tensor]],
    base_model: str,
    step: Mapping[str, Any],
    carried: Mapping[str, str] | None = None,
    before: Mapping[str, str] | None = None,
    *,
    style: KohyaStyle | None = None,
) -> Path:
    """Write suffix → tensor tables of canonical modules under kohya's names, atomically.

    carried: metadata of the sources that stays true. before: a source's whole metadata, whose steps come first.
    style: of the names, where it is not the usual one.
    """
    names = make_kohya_names(modules, base_model, style)
    tensors = {f"{names[m]}.{suffix}": tensor for m, table in modules.items() for suffix, tensor in table.items()}
    ranks = count_ranks(modules)
    dim = {"ss_network_dim": str(max(ranks)), "ss_network_alpha": str(max(ranks))} if ranks else {}
    known = ARCHITECTURES[base_model].metadata if base_model in ARCHITECTURES else {}
    kind = {"ss_network_module": "networks.lora"} if ranks else {}
    metadata = {**known, **(carried or {}), **dim, **kind, **make_provenance(step, before)}
    return write_safetensors(path, {key: tensor.contiguous() for key, tensor in tensors.items()}, metadata)
