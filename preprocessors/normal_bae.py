"""Surface normals by Normal BAE."""

from __future__ import annotations

from ..core.annotator import Alias, Annotator, ControlMap, Kind, Request, Spec
from ..core.aux_inputs import RESOLUTION
from ..core.params import Params
from .weights.bae_files import SCANNET
from .weights.transformer_controls import list_controls


class NormalBae(Annotator[Params]):
    """Directions in which surfaces face: red left, green up, blue towards the viewer.

    The normal map that ControlNet 1.1 was trained on, in the colours of ScanNet. Values are the normals (x, y, z) of
    length 1.
    """

    spec = Spec(
        id="normal_bae",
        title="Normal BAE",
        kind=Kind.NORMALS,
        licence="MIT",
        commercial=True,
        source="Bae, Budvytis and Cipolla 2021, arXiv:2109.09881; baegwangbin/surface_normal_uncertainty",
        aliases=(
            Alias("normalbae", "a1111"),
            Alias("BAE-NormalMapPreprocessor", "comfyui", title="BAE Normal Map", widgets=(RESOLUTION,)),
            Alias("NormalBaeDetector", "controlnet_aux"),
        ),
        consumers=(
            "control_v11p_sd15_normalbae",
            "SDXL union, type 4",
            *list_controls("normals"),
        ),
        weights=(SCANNET,),
        requires=("cv2", "torch"),
        multiple=32,
        bf16=True,
        values="rgb",
    )

    def run(self, request: Request[Params]) -> ControlMap:
        """Return normals as values, and as colours."""
        from .nets import bae

        values = bae.estimate_normals(request.images, self.placement)
        return ControlMap(bae.render_normals(values), values)
