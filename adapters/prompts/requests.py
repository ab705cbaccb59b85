"""From tags to adapters, for every host: which file a name means, how many ranks count, and when."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ...core.errors import BadParameter, UnderdrawingError, UnknownName
from .curves import Curve
from .library import Library

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..adapter import Adapter
    from .tags import AdapterCall

GRID, CURVE_GRID = 100, 20
"""Steps assumed when their number is not known: for a start and a stop, and for a curve."""


def find_adapter(name: str, folders: Sequence[Path], tag: str = "", spare: Sequence[Path] = ()) -> Path:
    """File that a tag means: by its name in the folders, else by the alias its trainer noted in it, as in A1111.

    tag: as it was written, for messages. spare: folders that count where the others have no file of that name.
    Headers are read only when no file has the name. Raises as Library.find.
    """
    library = Library.scan(folders, spare=spare)
    try:
        return library.find(name)
    except UnknownName:
        found = ((entry.path, _alias(entry.path)) for entry in library.entries)
        by_alias = Library.scan(folders, aliases={path: alias for path, alias in found if alias}, spare=spare)
    try:
        return by_alias.find(name)
    except UnknownName as error:
        looked = [*folders, *spare]
        places = ", ".join(map(str, looked)) or "no folder"
        what = f"no LoRA is called {name!r} (looked for in {places})"
        raise UnknownName(what, where=tag, fix=error.fix if looked else "name the folder of your LoRAs") from error


def _alias(path: Path) -> str:
    from ...core.tensor_files.safetensors_io import read_header

    try:
        return read_header(path).metadata.get("ss_output_name", "") if path.suffix.lower() == ".safetensors" else ""
    except UnderdrawingError:
        return ""  # a damaged file has no alias, and is named when it is asked for


def read_presets(lines: str) -> dict[str, str]:
    """Own presets for `lbw=`, one `NAME:values` per line, as in hako-mikan's file. Raises BadParameter."""
    found = [line.strip().partition(":") for line in lines.splitlines() if line.strip()]
    if wrong := [name for name, colon, _ in found if not colon]:
        raise BadParameter(f"{wrong[0][:60]!r} is no preset", where="presets", fix="write NAME:1,0.5,...")
    return {name.strip(): values.strip() for name, _, values in found}


def truncate_ranks(adapter: Adapter, ranks: int | None) -> Adapter:
    """Only the first ranks of plain LoRAs, their scale unchanged: A1111's `dyn`. None: the adapter itself."""
    from ..deltas.lowrank import LowRank

    if ranks is None:
        return adapter
    modules = {
        name: replace(d, up=d.up[:, :ranks], down=d.down[:ranks]) if isinstance(d, LowRank) and d.mid is None else d
        for name, d in adapter.modules.items()
    }

    def read_as(architecture: str) -> Adapter:
        return truncate_ranks(adapter.read_as(architecture), ranks)

    return replace(adapter, modules=modules, reader=read_as)


def is_timed(call: AdapterCall) -> bool:
    """Whether a tag's strengths change while sampling."""
    return bool(call.start or call.stop) or isinstance(call.unet, Curve) or isinstance(call.te, Curve)


def make_timeline(call: AdapterCall, steps: int = 0) -> list[tuple[float, float, float]]:
    """(fraction of the sampling where it begins, text encoder strength, UNet strength), only where one changes.

    steps: 0 when their number is not known; fractions are then exact to 1/100, curves stand in 20 stairs.
    Raises BadParameter for a place given in steps when their number is not known.
    """
    curves = [strength for strength in (call.te, call.unet) if isinstance(strength, Curve)]
    moments = [moment for moment in (call.start, call.stop) if moment]
    if not steps and (any(not m.fraction for m in moments) or any(c.points[-1][1] > 1 for c in curves)):
        what = "it counts steps, and how many there will be is not known here"
        raise BadParameter(what, where=str(call), fix="write fractions such as start=0.25, or say how many steps")
    count, found = steps or (CURVE_GRID if curves else GRID), list[tuple[float, float, float]]()
    for step in range(1, count + 1):
        strengths = call.strengths(step, count)
        if not found or found[-1][1:] != strengths:
            found.append(((step - 1) / count, *strengths))
    return found
