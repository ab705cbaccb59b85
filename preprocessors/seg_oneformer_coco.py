"""Class colours of COCO by OneFormer."""

from __future__ import annotations

from ..core.annotator import Alias, Annotator, ControlMap, Kind, Request, Spec
from ..core.aux_inputs import RESOLUTION
from ..core.params import Params
from .weights.segmentation_files import COCO_CONSUMERS, ONEFORMER_COCO


class SegOneformerCoco(Annotator[Params]):
    """What every pixel belongs to, in the 133 flat colours of COCO.

    OneFormer with a large Swin backbone, asked for the task "semantic": exact, and slow without a graphics card. It
    sees the picture with its shorter side at 800, whatever the resolution of the map. Colours are flat: A1111's maps
    have white outlines, those of ComfyUI's present nodes colours that no ControlNet was trained. `values` holds the
    number of each pixel's class, `segments` their names, colours and shares.
    """

    spec = Spec(
        id="seg_oneformer_coco",
        title="Segmentation, COCO (OneFormer)",
        kind=Kind.SEGMENTATION,
        licence="MIT",
        commercial=True,
        source="Jain et al. 2022, arXiv:2211.06220; SHI-Labs/OneFormer",
        aliases=(
            Alias("oneformer_coco", "a1111"),
            Alias("seg_ofcoco", "a1111"),
            Alias("OneFormer-COCO-SemSegPreprocessor", "comfyui", {}, "OneFormer COCO Segmentor", (RESOLUTION,)),
        ),
        consumers=COCO_CONSUMERS,
        weights=(ONEFORMER_COCO,),
        requires=("cv2", "torch", "transformers.models.oneformer", "transformers.models.swin"),
        input_size="original",
        smooth=False,
        values="labels",
    )

    def run(self, request: Request[Params]) -> ControlMap:
        """Return class colours and, as values, the classes' numbers."""
        from .nets import segmentation

        return segmentation.make_control_map(request, segmentation.ONEFORMER_COCO, ONEFORMER_COCO, self.placement)
