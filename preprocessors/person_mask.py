"""Mask of people from MediaPipe's selfie segmentation."""

from __future__ import annotations

from typing import Annotated

from ..core.annotator import Annotator, ControlMap, Kind, Request, Spec
from ..core.params import Params, about, between
from .weights import mediapipe_files


class MaskParams(Params, frozen=True):
    """How the probability of a person becomes a mask."""

    threshold: Annotated[float, between(0, 1, "White from this probability on; 0 keeps a soft mask", step=0.05)] = 0.5
    invert: Annotated[bool, about("White is everything but people")] = False


class PersonMask(Annotator[MaskParams]):
    """White where people are, black elsewhere: a mask for inpainting.

    The network sees the picture at 256 x 256 and was trained on people near the camera: small people in wide views are
    missed, outlines are soft, and of a thing alone near the camera, as a cup, it is sometimes sure that it is a person,
    which no threshold changes. `values` holds the probability of a person, whatever the threshold.
    """

    spec = Spec(
        id="person_mask",
        title="Person mask (MediaPipe)",
        kind=Kind.MASK,
        licence="Apache-2.0",
        commercial=True,
        source="https://github.com/google-ai-edge/mediapipe (Selfie Segmentation)",
        consumers=("inpaint", "inpainting models (as their mask)"),
        weights=(mediapipe_files.SELFIE_SEGMENTATION,),
        requires=("cv2", "torch"),
        input_size="original",
        smooth=False,
        makes_mask=True,
        values="scalar",
    )

    def run(self, request: Request[MaskParams]) -> ControlMap:
        """Grey maps of the mask, and probabilities [B, H, W]."""
        import numpy as np

        from .nets.mediapipe.masks import PersonSegmenter

        p, find = request.params, PersonSegmenter(self.placement)
        chance = np.stack([find(image, request.size) for image in request.images])
        shown = chance if p.threshold == 0 else (chance >= p.threshold).astype(np.float32)
        if p.invert:
            shown = 1 - shown
        empty = [str(i + 1) for i, one in enumerate(chance) if one.max() < (p.threshold or 0.5)]
        notes = (f"nobody was found in picture {', '.join(empty)}",) if empty else ()
        grey = np.rint(shown * 255).astype(np.uint8)[..., None]
        return ControlMap(np.repeat(grey, 3, axis=-1), chance, notes=notes)
