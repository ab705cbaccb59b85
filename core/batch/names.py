"""Names of the maps of every input, so that no two inputs of a run want one name."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from .inputs import Source


class Name(NamedTuple):
    """Folder below the output folder and stem of an input's maps. note: why it is not the plain one."""

    folder: Path
    stem: str
    note: str = ""


def plan_names(sources: Iterable[Source], can_decode: Callable[[Path], bool]) -> dict[Source, Name]:
    """Choose a name for every source, whatever their order.

    The plain name is the source's folder and the stem of its file. Where several files that can be decoded share it,
    each keeps its whole file name (``photo.jpg``); where even that is shared, by files of several folders, the files of
    these folders go into sub folders. can_decode: whether a file can be read; files that cannot hold no name.
    """
    every = [source for source in sources if not source.problem]
    names = {source: Name(source.folder, source.path.stem) for source in every}
    shared = _find_shared(names, can_decode)
    roots = {_find_root(source) for group in shared for source in _find_equal(group)}
    if moved := _name_sub_folders(roots):
        for source in every:
            if (sub := moved.get(_find_root(source))) is not None:
                note = (
                    f"its maps go into {sub.as_posix()}, as other inputs have files of the same names"
                    if sub.parts
                    else ""
                )
                names[source] = Name(sub / source.folder, source.path.stem, note)
        shared = _find_shared(names, can_decode)
    for group in shared:
        for source in group:
            other = next(one for one in group if one != source)
            note = f"its maps bear the whole file name, as {other.path.name} has the same stem"
            names[source] = Name(names[source].folder, source.path.name, note)
    return names


def _find_shared(names: Mapping[Source, Name], can_decode: Callable[[Path], bool]) -> list[list[Source]]:
    """Groups of sources that can be decoded and have one name."""
    groups = defaultdict[tuple[Path, str], list[Source]](list)
    for source, name in names.items():
        groups[name.folder, name.stem].append(source)
    several = ([s for s in group if can_decode(s.path)] for group in groups.values() if len(group) > 1)
    return [group for group in several if len(group) > 1]


def _find_equal(group: Iterable[Source]) -> list[Source]:
    """Sources of a group whose whole file names are shared."""
    by_name = defaultdict[str, list[Source]](list)
    for source in group:
        by_name[source.path.name].append(source)
    return [source for same in by_name.values() if len(same) > 1 for source in same]


def _find_root(source: Source) -> str:
    """Folder that a source was found below."""
    folder = Path(os.path.abspath(source.path.parent))  # noqa: PTH100 - links stay what they are
    depth = len(source.folder.parts)
    return str(folder.parents[depth - 1] if depth else folder)


def _name_sub_folders(roots: set[str]) -> dict[str, Path]:
    """Sub folder for each of several folders: the path from their common one."""
    if len(roots) < 2:
        return {}
    try:
        common = os.path.commonpath(roots)
    except ValueError:  # on several drives
        return {}
    return {root: Path(root).relative_to(common) for root in roots}
