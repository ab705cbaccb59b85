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
    """Raise BadParameter naming pictures that have no map."""
    samples = find_samples(data).samples
    missing = [(sample.name, why) for sample in samples if (why := maps.explain_missing(sample))]
    if missing:
        listed = "; ".join(f"{name}: {why}" for name, why in missing[:3])
        what = f"{len(missing)} of {len(samples)} pictures have no map ({listed})"
        raise BadParameter(what, where=str(data), fix="give --annotator or --maps, or leave these pictures out")
