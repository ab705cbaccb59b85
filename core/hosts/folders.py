"""Files of a host that a text names: a name below one of its folders, and never anything else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import BadParameter
from ..file_names import check_relative_name

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def find_in_folders(kind: str, name: str, folders: Sequence[Path]) -> Path:
    """File of a name, or sub-folder/name, in the first folder that has it.

    A link counts only where its target stands in that folder too. Raises BadParameter.
    """
    relative = check_relative_name(name)
    for folder in folders:
        path = folder / relative
        if path.is_file() and path.resolve().is_relative_to(folder.resolve()):
            return path
    places = ", ".join(map(str, folders))
    raise BadParameter(f"no {kind} file {name!r} is in {places}", where=kind, fix="choose one of the list")
