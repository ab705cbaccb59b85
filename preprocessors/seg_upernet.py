"""Class colours of ADE20K by UperNet with ConvNeXt."""

from __future__ import annotations

from ..core.annotator import Alias, Annotator, ControlMap, Kind, Request, Spec
from ..core.aux_inputs import RESOLUTION
from ..core.params import Params
from .weights.segmentation_files import ADE20K_CONSUMERS, UPERNET

INSTEAD = "UniFormer + UperNet (upernet_global_small.pth)"
LEGACY = "Semantic Segmentor (legacy, alias for UniFormer)"


class SegUpernet(Annotator[Params]):
    """What every pixel belongs to, in the 150 flat colours of ADE20K.

    UperNet with a small ConvNeXt. It sees the picture with its shorter side at 512, whatever the resolution of the map.
    `values` holds the number of each pixel's class, `segments` their names, colours and shares.
    """

    spec = Spec(
        id="seg_upernet",
        title="Segmentation, ADE20K (UperNet)",
        kind=Kind.SEGMENTATION,
        licence="MIT",
        commercial=True,
        source="Xiao et al. 2018, arXiv:1807.10221; Liu et al. 2022, arXiv:2201.03545; open-mmlab/mmsegmentation",
        aliases=(
            Alias("segmentation", "a1111", instead=INSTEAD),
            Alias("seg_ufade20k", "a1111", instead=INSTEAD),
            Alias("UniFormer-SemSegPreprocessor", "comfyui", {}, "UniFormer Segmentor", (RESOLUTION,), INSTEAD),
            Alias("SemSegPreprocessor", "comfyui", {}, LEGACY, (RESOLUTION,), INSTEAD),
        ),
        consumers=ADE20K_CONSUMERS,
        weights=(UPERNET,),
        requires=("cv2", "torch", "transformers.models.convnext", "transformers.models.upernet"),
        input_size="original",
        smooth=False,
        values="labels",
    )

    def run(self, request: Request[Params]) -> ControlMap:
        """Return class colours and, as values, the classes' numbers."""
        from .nets import segmentation

        return segmentation.make_control_map(request, segmentation.UPERNET, UPERNET, self.placement)
