"""Where the loss counts: masks from files or from an annotator."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np

from ....core.errors import BadImage, BadParameter
from ....core.images.geometry import Size
from ....core.images.mask_values import COVERS_NOTHING, describe_fit, find_coverage
from ....core.images.pixels import compute_luminance
from ....core.images.reading import decode_file
from ....core.images.resize import resize_image
from ....preprocessors import load_annotator, registry

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from ...request import Pixels
    from .samples import Sample

    Levels = NDArray[np.float32]


class MaskReader:
    """Masks of samples, 1 where the loss counts in full, weight elsewhere.

    annotator: its name, or empty for the samples' files. note: gets what a user should know.
    """

    def __init__(
        self, annotator: str = "", *, weight: float = 0.0, device: str = "auto", note: Callable[[str], None]
    ) -> None:
        """Raises UnknownName; BadParameter for an annotator that makes no masks; WeightsMissing; MissingExtra."""
        self._weight, self._note = weight, note
        self._annotator: Any = None
        self._version = ""
        if annotator:
            spec = registry.resolve(annotator).annotator.spec
            if not spec.makes_mask:
                makers = ", ".join(sorted(one.spec.id for one in registry if one.spec.makes_mask))
                raise BadParameter("makes no masks", where=f"mask_from {annotator}", fix=f"choose one of {makers}")
            self._annotator = load_annotator(annotator, device=device)
            self._version = f"{spec.id} {spec.version}"

    def name(self, sample: Sample) -> str:
        """What the mask of a sample is made of, for the name of what is made with it."""
        if self._annotator is not None:
            return f"{self._version} {self._weight}"
        return "" if sample.mask is None else f"{hashlib.sha256(sample.mask.read()).hexdigest()} {self._weight}"

    def read(self, sample: Sample, pixels: Pixels) -> Levels | None:
        """The mask of a picture, float32 [H, W]; None where the loss counts everywhere. Raises BadImage."""
        if self._annotator is not None:
            answer = self._annotator(pixels[None], resolution=0)
            for text in answer.notes:
                self._note(f"{sample.name}: {text}")
            levels = answer.images[0].mean(-1, dtype=np.float32) / 255
        elif sample.mask is not None:
            levels = _read_file(sample, self._note)
        else:
            return None
        size = Size(*pixels.shape[:2])
        if text := describe_fit(Size(*levels.shape), size):
            self._note(f"{sample.name}: {text}")
        sized: Levels = resize_image(levels.astype(np.float32), size)
        return self._weight + (1 - self._weight) * np.clip(sized, 0, 1)


def _read_file(sample: Sample, note: Callable[[str], None]) -> Levels:
    assert sample.mask is not None
    try:
        picture = decode_file(sample.mask.read(), sample.mask.name)
    except BadImage as error:
        raise BadImage(f"its mask {sample.mask.name} cannot be used: {error.what}", where=sample.name) from error
    found = find_coverage(compute_luminance(picture.pixels) if picture.alpha is None else picture.alpha)
    for text in found.notes:
        text = text.replace(COVERS_NOTHING, "the mask covers nothing")
        note(f"{sample.name}: {text}".replace("is to be repainted", "teaches").replace("to be repainted", "white"))
    return found.covered.astype(np.float32)
