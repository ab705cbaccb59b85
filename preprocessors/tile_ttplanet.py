"""Picture smoothed for TTPlanet's tile models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from ..core.annotator import Alias, Annotator, ControlMap, Kind, Request, Spec
from ..core.aux_inputs import RESOLUTION, number
from ..core.params import Params, about, between

if TYPE_CHECKING:
    from numpy.typing import NDArray

TOOLSET = "Comfyui_TTP_Toolset"
"""Pack of TTPlanet's own node."""
SCALE = number("scale_factor", 1.0, 1.0, 8.0, "scale_factor", step=0.01)
BLUR = number("blur_strength", 2.0, 1.0, 10.0, "blur_strength", step=0.01)
GUIDED = (
    SCALE,
    BLUR,
    number("radius", 7, 1, 20, "radius"),
    number("eps", 0.01, 0.001, 0.1, "eps", step=0.001),
    RESOLUTION,
)


class TtplanetParams(Params, frozen=True):
    """How the picture is smoothed."""

    method: Annotated[
        Literal["guided", "simple"], about("guided: blur, smooth but keep edges, coarsen; simple: coarsen, then blur")
    ] = "guided"
    scale_factor: Annotated[float, between(1, 8, "Factor by which detail is coarsened", step=0.01)] = 1.0
    blur_strength: Annotated[float, between(1, 20, "Width of the blur's window in pixels", step=0.01)] = 2.0
    radius: Annotated[int, between(1, 20, "guided: how far a pixel's neighbourhood reaches")] = 7
    eps: Annotated[float, between(0.001, 0.1, "guided: variance below which a neighbourhood is flat", step=0.001)] = (
        0.01
    )


class TileTtplanet(Annotator[TtplanetParams]):
    """The picture without its fine detail, with its edges kept, as TTPlanet's tile ControlNets were trained.

    The guided filter takes the picture as its own guide. Where it is computed on a coarse copy, that copy is averaged;
    the original picks single pixels, which moves the picture by up to half a step.
    """

    spec = Spec(
        id="tile_ttplanet",
        title="Tile (TTPlanet)",
        kind=Kind.TILE,
        licence="Apache-2.0 (own code)",
        commercial=True,
        source="K. He, J. Sun, X. Tang, Guided Image Filtering, 2010; TTPlanet/TTPLanet_SDXL_Controlnet_Tile_Realistic",
        aliases=(
            Alias("TTPlanet_TileGF_Preprocessor", "comfyui", {}, "TTPlanet Tile GuidedFilter", GUIDED),
            Alias(
                "TTPlanet_TileSimple_Preprocessor",
                "comfyui",
                {"method": "simple"},
                "TTPlanet Tile Simple",
                (SCALE, BLUR),
            ),
            Alias(
                "TTPlanet_Tile_Preprocessor_Simple",
                "comfyui",
                {"method": "simple", "scale_factor": 2.0, "blur_strength": 1.0},
                "TTPlanet_Tile_Preprocessor_Simple",
                (
                    number("scale_factor", 2.0, 1.0, 8.0, "scale_factor", step=0.05),
                    number("blur_strength", 1.0, 1.0, 20.0, "blur_strength", step=0.1),
                ),
                pack=TOOLSET,
            ),
        ),
        consumers=("TTPlanet/TTPLanet_SDXL_Controlnet_Tile_Realistic",),
    )

    def run(self, request: Request[TtplanetParams]) -> ControlMap:
        """Smoothed pictures."""
        from .maps.filters import apply_each

        smooth = _guided if request.params.method == "guided" else _simple
        return ControlMap(apply_each(request.images, lambda picture: smooth(picture, request.params)))


def _guided(picture: NDArray[Any], p: TtplanetParams) -> NDArray[Any]:
    import cv2
    import numpy as np

    from .maps.filters import coarsen

    blurred = _blurred(picture, p.blur_strength)
    kept = self_guided(blurred / np.float32(255), p.radius, p.eps, p.scale_factor)
    bytes_ = np.clip(np.rint(kept * 255), 0, 255).astype(np.uint8)
    return coarsen(bytes_, p.scale_factor, cv2.INTER_CUBIC)


def _simple(picture: NDArray[Any], p: TtplanetParams) -> NDArray[Any]:
    import cv2

    from .maps.filters import coarsen

    return _blurred(coarsen(picture, p.scale_factor, cv2.INTER_LANCZOS4), p.blur_strength)


def _blurred(picture: NDArray[Any], strength: float) -> NDArray[Any]:
    import cv2

    window = int(strength) | 1
    return cv2.GaussianBlur(picture, (window, window), strength / 2)


def self_guided(picture: NDArray[Any], radius: int, eps: float, step: float) -> NDArray[Any]:
    """Guided filter of float32 [H, W, 3] by itself, its coefficients computed at 1 / step of the size.

    In a window with covariance S the best linear map of the colours, held back by eps, is S (S + eps)^-1: 1 where the
    window varies much, 0 where it is flat, so that flat parts become their mean and edges stay.
    """
    import cv2
    import numpy as np

    height, width = picture.shape[:2]
    cells = max(1, int(width / step)), max(1, int(height / step))
    small = cv2.resize(picture, cells, interpolation=cv2.INTER_AREA)
    side = 2 * int(radius / step) + 1

    def mean(x: NDArray[Any]) -> NDArray[Any]:
        flat = np.ascontiguousarray(x.reshape(*small.shape[:2], -1))
        return np.dstack([cv2.blur(one, (side, side)) for one in cv2.split(flat)]).reshape(x.shape)

    centre = mean(small)
    spread = mean(small[..., None] * small[..., None, :]) - centre[..., None] * centre[..., None, :]
    held = np.linalg.inv(spread + eps * np.eye(3, dtype=np.float32))
    slope = np.eye(3, dtype=np.float32) - eps * held
    offset = centre - np.einsum("hwij,hwj->hwi", slope, centre)
    slopes = _enlarged(mean(slope).reshape(*small.shape[:2], 9), width, height).reshape(height, width, 3, 3)
    return np.einsum("hwij,hwj->hwi", slopes, picture) + _enlarged(mean(offset), width, height)


def _enlarged(x: NDArray[Any], width: int, height: int) -> NDArray[Any]:
    import cv2
    import numpy as np

    return np.dstack([cv2.resize(one, (width, height), interpolation=cv2.INTER_LINEAR) for one in cv2.split(x)])
