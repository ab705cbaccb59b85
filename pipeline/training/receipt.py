"""What a run did: options, data, tensors that moved, and sizes against full fine-tuning."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import msgspec

from ...core.report_text import comma_list, count, printable, table_lines
from .trainable import TensorRow

if TYPE_CHECKING:
    from pathlib import Path

    from .trainable import Trainable


def hash_tensors(trainable: Trainable) -> dict[str, str]:
    """Hash of each tensor that is trained."""
    import torch

    found: dict[str, str] = {}
    for group in trainable.groups():
        for name, tensor in group.tensors.items():
            data = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
            found[name] = hashlib.blake2b(data, digest_size=16).hexdigest()
    return found


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """options: name → value and whether it was given. data: facts of the training set. tensors: see `TensorRow`.

    trained: numbers that are trained; full: numbers of the networks that full fine-tuning would train; file_bytes: of
    the result; full_bytes: of those networks in float16.
    """

    kind: str
    base: str
    steps: int
    loss: float
    options: dict[str, Any]
    given: tuple[str, ...]
    data: dict[str, Any]
    tensors: tuple[TensorRow, ...]
    trained: int
    full: int
    file_bytes: int
    full_bytes: int
    files: tuple[str, ...]
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Complete."""
        return json.loads(json.dumps(msgspec.to_builtins(self)))

    def __str__(self) -> str:
        """A page for people."""
        names = {row.name for row in self.tensors if row.moved}
        still = Counter(row.reason for row in self.tensors if not row.moved)
        data = self.data
        left_out = [f"{name}: {reason}" for name, reason in data["left_out"]]
        size = (
            f"{self.file_bytes / 1e6:.2f} MB, {_share(self.file_bytes, self.full_bytes)} of {self.full_bytes / 1e6:.1f}"
        )
        table = (
            ("trained", f"{self.kind} on {self.base}, {self.steps} steps, loss {self.loss:.4f} at the end"),
            ("pictures", f"{data['pictures']} ({data['contents']} different), {data['passes']} batches an epoch"),
            ("sizes", comma_list(f"{size} ({number})" for size, number in data["buckets"].items())),
            ("left out", [*left_out[:8], *([f"and {len(left_out) - 8} more"] if len(left_out) > 8 else [])]),
            ("data", list(data["notes"])),
            ("moved", count(len(names), "tensor")),
            ("not moved", [f"{number}: {reason}" for reason, number in still.most_common(12)]),
            (
                "numbers",
                f"{self.trained} trained, {_share(self.trained, self.full)} of {self.full} of full fine-tuning",
            ),
            ("file", f"{size} MB (float16)"),
            ("options", ", ".join(f"{name} {self.options[name]}" for name in self.given) or "as usual"),
        )
        return "\n".join(printable(line, 400) for line in table_lines(table))


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.2%}" if whole else "all"


def list_tensors(trainable: Trainable, before: dict[str, str]) -> tuple[TensorRow, ...]:
    """Each trained tensor and whether it moved, then those that the trainable names besides.

    before: hashes of the values that the training began with.
    """
    own = {row.name: row for row in trainable.describe()}
    now = hash_tensors(trainable)
    rows: list[TensorRow] = []
    for group in trainable.groups():
        for name, tensor in group.tensors.items():
            moved = before.get(name) != now[name]
            reason = "" if moved else _explain(own.get(name), group.rate, tensor)
            rows.append(TensorRow(name=name, shape=tuple(tensor.shape), moved=moved, reason=reason))
    return (*rows, *(row for name, row in own.items() if name not in now))


def _explain(row: TensorRow | None, rate: float, tensor: Any) -> str:
    if row is not None and row.reason:
        return row.reason
    if not rate:
        return "its learning rate is 0"
    return (
        "no gradient reached it" if tensor.grad is None or not bool(tensor.grad.any()) else "its steps were too small"
    )


def measure_files(files: tuple[Path, ...]) -> int:
    """Bytes of files."""
    return sum(path.stat().st_size for path in files if path.is_file())
