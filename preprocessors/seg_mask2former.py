"""Class colours of ADE20K by Mask2Former."""

from __future__ import annotations

from ..core.annotator import Annotator, ControlMap, Kind, Request, Spec
from ..core.params import Params
from .weights.segmentation_files import ADE20K_CONSUMERS, MASK2FORMER


class SegMask2former(Annotator[Params]):
    """What every pixel belongs to, in the 150 flat colours of ADE20K, exact and slow.

    Mask2Former with a large Swin backbone, whose weights Meta does not allow for commercial use. It sees the picture
    with its shorter side at 640, as it was trained, whatever the resolution of the map. `values` holds the number of
    each pixel's class, `segments` their names, colours and shares.
    """

    spec = Spec(
        id="seg_mask2former",
        title="Segmentation, ADE20K (Mask2Former)",
        kind=Kind.SEGMENTATION,
        licence="CC-BY-NC-4.0",
        commercial=False,
        source="Cheng et al. 2021, arXiv:2112.01527; facebookresearch/Mask2Former",
        consumers=ADE20K_CONSUMERS,
        weights=(MASK2FORMER,),
        requires=("cv2", "torch", "transformers.models.mask2former", "transformers.models.swin"),
        input_size="original",
        smooth=False,
        values="labels",
    )

    def run(self, request: Request[Params]) -> ControlMap:
        """Return class colours and, as values, the classes' numbers."""
        from .nets import segmentation

        return segmentation.make_control_map(request, segmentation.MASK2FORMER, MASK2FORMER, self.placement)
