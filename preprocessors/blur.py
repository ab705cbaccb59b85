"""Blurred picture."""

from __future__ import annotations

from typing import Annotated

from ..core.annotator import Alias, Annotator, ControlMap, Kind, Request, Spec
from ..core.params import Params, between
from .weights.transformer_controls import list_controls


class BlurParams(Params, frozen=True):
    """How strong the blur is."""

    sigma: Annotated[float, between(0.01, 64, "Standard deviation of the blur in pixels of the map", step=0.01)] = 9.0


class Blur(Annotator[BlurParams]):
    """The picture under a Gaussian blur, which keeps colours and composition and leaves the detail to the model."""

    spec = Spec(
        id="blur",
        title="Gaussian blur",
        kind=Kind.TILE,
        licence="Apache-2.0 (own code)",
        commercial=True,
        source="Mikubill/sd-webui-controlnet",
        aliases=(Alias("blur_gaussian", "a1111"),),
        consumers=(
            "control_v11f1e_sd15_tile",
            "kohya_controllllite_xl_blur",
            "xinsir/controlnet-tile-sdxl-1.0",
            *list_controls("blur"),
        ),
    )

    def run(self, request: Request[BlurParams]) -> ControlMap:
        """Blurred pictures."""
        from .maps.filters import apply_each, gaussian_blur

        return ControlMap(apply_each(request.images, lambda picture: gaussian_blur(picture, request.params.sigma)))
