"""Class colours of ADE20K by OneFormer."""

from __future__ import annotations

from ..core.annotator import Alias, Annotator, ControlMap, Kind, Request, Spec
from ..core.aux_inputs import RESOLUTION
from ..core.params import Params
from .weights.segmentation_files import ADE20K_CONSUMERS, ONEFORMER_ADE20K


class SegOneformerAde20k(Annotator[Params]):
    """What every pixel belongs to, in the 150 flat colours of ADE20K.

    OneFormer with a large Swin backbone, asked for the task "semantic": exact, and slow without a graphics card. It
    sees the picture with its shorter side at 640, whatever the resolution of the map. Colours are flat: A1111's maps
    have white outlines, those of ComfyUI's present nodes colours that no ControlNet was trained. `values` holds the
    number of each pixel's class, `segments` their names, colours and shares.
    """

    spec = Spec(
        id="seg_oneformer_ade20k",
        title="Segmentation, ADE20K (OneFormer)",
        kind=Kind.SEGMENTATION,
        licence="MIT",
        commercial=True,
        source="Jain et al. 2022, arXiv:2211.06220; SHI-Labs/OneFormer",
        aliases=(
            Alias("oneformer_ade20k", "a1111"),
            Alias("seg_ofade20k", "a1111"),
            Alias("OneFormer-ADE20K-SemSegPreprocessor", "comfyui", {}, "OneFormer ADE20K Segmentor", (RESOLUTION,)),
        ),
        consumers=ADE20K_CONSUMERS,
        weights=(ONEFORMER_ADE20K,),
        requires=("cv2", "torch", "transformers.models.oneformer", "transformers.models.swin"),
        input_size="original",
        smooth=False,
        values="labels",
    )

    def run(self, request: Request[Params]) -> ControlMap:
        """Return class colours and, as values, the classes' numbers."""
        from .nets import segmentation

        return segmentation.make_control_map(request, segmentation.ONEFORMER_ADE20K, ONEFORMER_ADE20K, self.placement)
