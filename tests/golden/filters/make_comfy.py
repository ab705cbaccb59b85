"""Makes the golden maps of two filters that only comfyui_controlnet_aux has, with its own classes, unchanged.

    python tests/golden/filters/make_comfy.py WHERE     # WHERE: its clone at e8b689a

Of that pack only the folders pyracanny and tile and its util module are loaded, under an empty parent. The picture is
picture.png, 128 x 128, so that its rounding to multiples of 64 leaves it as it is.
"""

from __future__ import annotations

import importlib
import sys
import types
from pathlib import Path

import cv2
import numpy as np

HERE = Path(__file__).parent


def main(where: Path) -> None:
    """Call each class once."""
    package = types.ModuleType("custom_controlnet_aux")
    package.__path__ = [str(where / "src" / "custom_controlnet_aux")]
    sys.modules["custom_controlnet_aux"] = package
    read = cv2.imread(str(HERE / "picture.png"))
    assert read is not None
    picture = np.ascontiguousarray(read[..., ::-1])
    tile = importlib.import_module("custom_controlnet_aux.tile")
    edges = importlib.import_module("custom_controlnet_aux.pyracanny").PyraCannyDetector()
    chosen = {"scale_factor": 2.0, "blur_strength": 3.0, "output_type": "np"}
    maps = {
        "canny_pyramid": edges(picture, 64, 128, detect_resolution=128, output_type="np"),
        "ttplanet_simple": tile.TTPLanet_Tile_Detector_Simple()(picture, **chosen),
        "ttplanet_guided": tile.TTPlanet_Tile_Detector_GF()(
            picture, **{**chosen, "scale_factor": 1.0}, radius=7, eps=0.01
        ),
    }
    for name, shown in maps.items():
        cv2.imwrite(str(HERE / f"{name}.png"), shown[..., ::-1])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
