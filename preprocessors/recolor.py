"""Brightness of a picture, to be coloured anew."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from ..core.annotator import Alias, Annotator, ControlMap, Kind, Request, Spec
from ..core.aux_inputs import RESOLUTION, number
from ..core.params import Params, about, between
from .weights.transformer_controls import list_controls

if TYPE_CHECKING:
    from ..core.images.types import Images, Values

Y_WEIGHTS = (0.2126, 0.7152, 0.0722)
"""Luminance of sRGB's red, green and blue primaries (IEC 61966-2-1)."""


WIDGETS = (number("gamma_correction", 1.0, 0.1, 2, "gamma", step=0.001), RESOLUTION)


class RecolorParams(Params, frozen=True):
    """Which brightness, and on what curve."""

    old_names: ClassVar[dict[str, str]] = {"parity": "reference_compat"}

    channel: Annotated[
        Literal["luminance", "intensity"],
        about("Lightness as the eye sees it (CIE L*), or the largest channel (HSV value)"),
    ] = "luminance"
    gamma: Annotated[float, between(0.1, 2, "Exponent of the brightness; below 1 brightens", step=0.001)] = 1.0
    reference_compat: Annotated[
        bool, about("As A1111 and ComfyUI: red and blue are swapped when the luminance is computed")
    ] = False


class Recolor(Annotator[RecolorParams]):
    """Black and white version of a picture, from which a model chooses new colours.

    `values` is the brightness behind it, float32 [B, H, W], 0..1. A1111 and ComfyUI swap red and blue when they compute
    the luminance, which `reference_compat` repeats; here pure red has L* 53 and pure blue 32, as CIELAB says.
    """

    spec = Spec(
        id="recolor",
        title="Recolour",
        kind=Kind.COLOUR,
        licence="Apache-2.0 (own code)",
        commercial=True,
        source="Mikubill/sd-webui-controlnet; CIE 15, CIELAB; IEC 61966-2-1, sRGB",
        aliases=(
            Alias("recolor_luminance", "a1111", {"channel": "luminance"}),
            Alias("recolor_intensity", "a1111", {"channel": "intensity"}),
            Alias("ImageLuminanceDetector", "comfyui", {"channel": "luminance"}, "Image Luminance", WIDGETS),
            Alias("ImageIntensityDetector", "comfyui", {"channel": "intensity"}, "Image Intensity", WIDGETS),
        ),
        consumers=(
            "ioclab_sd15_recolor",
            "sai_xl_recolor_256lora",
            *list_controls("gray"),
        ),
        values="scalar",
    )

    def run(self, request: Request[RecolorParams]) -> ControlMap:
        """Grey maps and the brightness behind them."""
        import numpy as np

        from .maps.edges import to_rgb
        from .maps.filters import apply_each

        brightness = _lightness if request.params.channel == "luminance" else _largest
        images = request.images[..., ::-1] if request.params.reference_compat else request.images
        values = apply_each(images, brightness) ** np.float32(request.params.gamma)
        return ControlMap(to_rgb(np.rint(values * 255).astype(np.uint8)), values)


def _largest(picture: Images) -> Values:
    import numpy as np

    return picture.max(axis=-1) / np.float32(255)


def _lightness(picture: Images) -> Values:
    """CIE L* / 100 of sRGB under its own white point."""
    import numpy as np

    code = np.arange(256) / 255
    linear = np.where(code <= 0.04045, code / 12.92, ((code + 0.055) / 1.055) ** 2.4)
    y = np.zeros(picture.shape[:-1], np.float32)
    for channel, weight in enumerate(Y_WEIGHTS):
        y += (weight * linear).astype(np.float32)[picture[..., channel]]
    straight = y <= (6 / 29) ** 3
    return np.clip(np.where(straight, y * np.float32((29 / 3) ** 3 / 100), 1.16 * np.cbrt(y) - 0.16), 0, 1).astype(
        np.float32
    )
