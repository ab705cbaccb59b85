"""Class colours of ADE20K by SegFormer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from ..core.annotator import Annotator, ControlMap, Kind, Request, Spec
from ..core.params import Params, about
from .weights.segmentation_files import ADE20K_CONSUMERS, SEGFORMER, SEGFORMER_HELP, Segformer

if TYPE_CHECKING:
    from ..core.weights.record import Weight


class SegformerParams(Params, frozen=True):
    """Choices of SegFormer."""

    model: Annotated[Segformer, about(SEGFORMER_HELP)] = "b0"


class SegSegformer(Annotator[SegformerParams]):
    """What every pixel belongs to, in the 150 flat colours of ADE20K, fast.

    SegFormer, whose weights NVIDIA does not allow for commercial use. It sees the picture with its shorter side at 512
    (b5: 640), whatever the resolution of the map. `values` holds the number of each pixel's class, `segments` their
    names, colours and shares.
    """

    spec = Spec(
        id="seg_segformer",
        title="Segmentation, ADE20K (SegFormer)",
        kind=Kind.SEGMENTATION,
        licence="NVIDIA Source Code License for SegFormer (non-commercial)",
        commercial=False,
        source="Xie et al. 2021, arXiv:2105.15203; NVlabs/SegFormer",
        consumers=ADE20K_CONSUMERS,
        weights=tuple(SEGFORMER.values()),
        requires=("cv2", "torch", "transformers.models.segformer"),
        input_size="original",
        smooth=False,
        values="labels",
    )

    @classmethod
    def weights_for(cls, params: SegformerParams) -> tuple[Weight, ...]:
        """Return the file of the chosen model."""
        return (SEGFORMER[params.model],)

    def run(self, request: Request[SegformerParams]) -> ControlMap:
        """Return class colours and, as values, the classes' numbers."""
        from .nets import segmentation

        model = request.params.model
        return segmentation.make_control_map(
            request, segmentation.build_segformer(model), SEGFORMER[model], self.placement
        )
