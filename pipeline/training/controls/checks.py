"""What of a ControlNet's training is wrong before anything is loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ....core.errors import BadParameter
from ..data.finding import find_samples

if TYPE_CHECKING:
    from pathlib import Path

    from .maps import MapReader
    from .params import ControlParams


def check_params(params: ControlParams) -> None:
    """Raise BadParameter for a rank without effect."""
    if params.form == "full" and params.rank != type(params)().rank:
        fix = "leave it out, or give --form lora"
        raise BadParameter("a whole ControlNet has no rank", where="rank", fix=fix)


def check_maps(maps: MapReader, data: Path) -> None:
    """Raise BadParameter where no picture has a map, with the folders that hold maps of their names."""
    samples = find_samples(data).samples
    faults = [(sample.name, maps.explain_missing(sample)) for sample in samples]
    if all(why for _, why in faults):
        listed = "; ".join(f"{name}: {why}" for name, why in faults[:3])
        what = f"none of the {len(samples)} pictures has a map ({listed})"
        inside = maps.list_subfolders(samples)
        fix = f"give --maps {' or --maps '.join(map(str, inside))}" if inside else "give --annotator or --maps"
        raise BadParameter(what, where=str(data), fix=fix)
