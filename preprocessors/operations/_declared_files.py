"""Files that a user declares to be some weights: accepted when a network of ours takes them, else refused at once."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np

from ...core.errors import BadWeights, MissingExtra, UnderdrawingError, WeightsMissing
from ...core.weights.search_paths import find_path_below
from ...core.weights.store import get_store
from ..weights.catalogue import list_loads

if TYPE_CHECKING:
    import os

    from ...core.weights.record import Weight

SIDE = 64
PICTURE = np.zeros((SIDE, SIDE, 3), np.uint8)


def import_declared(path: str | os.PathLike[str], weight: Weight) -> str:
    """Copy a file into the cache as this weight; returns what could not be tried, empty when a network took it.

    Raises BadWeights, UnsafeFile, WriteFailed; then neither the file nor a pin is kept.
    """
    store = get_store()
    known = not weight.unpinned or store.pins.get(weight) is not None
    store.import_as(path, weight)
    if known:
        return ""
    try:
        return _try_load(weight)
    except UnderdrawingError as error:
        for kept in (find_path_below(store.folder, weight), store.pins.path(weight)):
            with suppress(OSError):
                kept.unlink()
        what = f"does not fit: {error.what}"
        raise BadWeights(what, where=str(path), fix=f"get the file {weight.id}; nothing was imported") from error


def _try_load(weight: Weight) -> str:
    """Run the first annotator that can with the weight, small; returns why none can. Raises UnderdrawingError."""
    from ...core.networks import cache

    reason = "no annotator loads it"
    for annotator, params in list_loads(weight):
        try:
            annotator.create(params, device="cpu", dtype="float32")(PICTURE, resolution=SIDE)
        except (MissingExtra, WeightsMissing) as error:
            reason = f"not tried in {annotator.spec.id}: {error.what}"
            continue
        cache.unload()
        return ""
    return reason
