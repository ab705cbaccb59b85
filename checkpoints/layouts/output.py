"""Writes values in the form that is asked for: one file, or a diffusers folder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from ...adapters.tools.save import check_output
from ...core.errors import BadParameter, BadWeights
from ...core.files import check_new_folder
from ..keys import is_position_ids
from ..nodes import PassedValues
from ..writer import ValueWriter
from .folder_reader import is_model_folder, list_networks
from .folder_writer import FolderWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from ..values import Values

Form = Literal["auto", "file", "diffusers"]
_SHOWN = 3


class Output(NamedTuple):
    """What was written. sha256: of the file, or of a folder's files of weights; size: of these, in bytes.

    keys: how many. damaged: key → why its values are not finite. notes: what was left out.
    """

    files: tuple[Path, ...]
    sha256: str
    size: int
    keys: int
    damaged: dict[str, str]
    notes: tuple[str, ...] = ()


def choose_form(out: Path, form: Form) -> Literal["file", "diffusers"]:
    """auto: a folder for a name without an ending, else a file."""
    if form == "auto":
        return "file" if out.suffix else "diffusers"
    return form


def check_place(out: Path, form: Form, inputs: Sequence[Path]) -> None:
    """Raise BadParameter for a file that is no .safetensors file, or one of the inputs, WriteFailed for a folder that
    holds something.
    """
    if choose_form(out, form) == "file":
        check_output(out, inputs)
        return
    if out.exists() and any(one.resolve().is_relative_to(out.resolve()) for one in inputs):
        raise BadParameter("is one of the inputs, which stay as they are", where=str(out), fix="choose another")
    check_new_folder(out)


def write_values(
    values: Values,
    out: Path,
    metadata: Mapping[str, str],
    check: Callable[[int, int], None],
    *,
    form: Form = "auto",
    first: Path | None = None,
    allow_damaged: bool = False,
    verify: bool = False,
) -> Output:
    """Write a file or folder, complete or not at all. first: the first input, whose folder the others come from.

    verify: read it back. Raises BadWeights for values that are not finite, or have no name in that form; WriteFailed.
    """
    folder = first if first is not None and is_model_folder(first) else None
    if choose_form(out, form) == "diffusers":
        writer = FolderWriter(values, folder, check, allow_damaged=allow_damaged)
        made = writer.write(out, metadata, verify=verify)
        return Output(made.files, made.sha256, made.size, writer.keys, made.damaged, made.notes)
    values, notes = (values, ()) if folder is None else drop_folder_names(values, folder)
    plain = ValueWriter(values, check, allow_damaged=allow_damaged)
    written = plain.write(out, metadata, verify=verify)
    damaged = plain.list_damaged()
    return Output((out,), written.sha256, written.size, len(values.entries), damaged, notes)


def drop_folder_names(values: Values, folder: Path) -> tuple[Values, tuple[str, ...]]:
    """Values that a single file has names for, and notes. Raises BadWeights when others are more than positions."""
    networks = list_networks(folder)
    left = [key for key in values.entries if key.partition(".")[0] in networks]
    if weights := [key for key in left if not is_position_ids(key)]:
        what = f"has {len(weights)} weights that single files have no names for: {', '.join(weights[:_SHOWN])}"
        raise BadWeights(what, where=values.label, fix="write a folder: --to diffusers")
    if not left:
        return values, ()
    kept = {key: entry for key, entry in values.entries.items() if key not in left}
    return PassedValues(values, kept), (f"{', '.join(left)}: left out, as single files count positions themselves",)
