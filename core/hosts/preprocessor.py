"""One call of an annotator as hosts with a registry of preprocessors make it: a raw picture and a few sliders in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..annotator import Kind
from ..batch.chunks import annotate_batch
from ..poses.files import to_documents
from .raw_pictures import read_raw_picture
from .sliders import SLIDERS, choose_sliders, read_sliders

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy import uint8
    from numpy.typing import NDArray

    from ..hooks import HostHooks
    from ..registry import NameMatch

RESOLUTION = 512
"""Where a host gives none."""


class Preprocessed(NamedTuple):
    """A map. picture: uint8 [H, W, 3]. poses: OpenPose document of poses, also of nobody.

    with_mask: of what is to be repainted, uint8 [H, W, 4] at the input's size, the mask last. is_marked: whether the
    ControlNet wants -1 under the mask, which no picture holds; true also of an empty mask, under which nothing is.
    """

    picture: NDArray[uint8]
    poses: dict[str, Any] | None = None
    with_mask: NDArray[uint8] | None = None
    is_marked: bool = False


def preprocess(
    match: NameMatch, image: Any, mask: Any, resolution: Any, numbers: Iterable[object], host: HostHooks
) -> Preprocessed:
    """Make the map of a raw picture. numbers: of the sliders that `choose_sliders` chooses; see `Slider.read`.

    resolution: None or not above 0 for the usual one. Raises what annotators raise.
    """
    annotator = match.annotator
    raw = read_raw_picture(image, mask, takes_mask=annotator.spec.takes_mask)
    values = match.presets | read_sliders(choose_sliders(match.fields(), SLIDERS), numbers)
    size = int(resolution) if resolution and resolution > 0 else RESOLUTION
    result = annotate_batch(annotator, raw.images, values, host, resolution=size, masks=raw.masks, note=match.note)
    poses = None if result.poses is None else to_documents(result.poses)[0]
    if annotator.spec.kind is not Kind.INPAINT or raw.masks is None or result.values is None:
        return Preprocessed(result.images[0], poses)
    whole = np.concatenate([raw.images[0], raw.masks[0, ..., None].astype(np.uint8) * np.uint8(255)], axis=2)
    is_marked = float(result.values.min()) < 0 or not raw.masks.any()
    return Preprocessed(result.images[0], poses, whole, is_marked)
