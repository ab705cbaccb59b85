"""Makes the golden maps with controlnet-aux 0.0.10's own classes, unchanged.

    python -m venv VENV && VENV/bin/pip install numpy opencv-python-headless pillow scikit-image
    VENV/bin/pip download --no-deps controlnet-aux==0.0.10 && unzip controlnet_aux-0.0.10-py3-none-any.whl -d WHERE
    VENV/bin/python make.py WHERE

The picture is a part of scikit-image's `astronaut` (NASA, public domain), 128 x 128, so that controlnet-aux's rounding
to multiples of 64 leaves it as it is. Only two modules of controlnet-aux are loaded: the package as a whole needs more.
"""

from __future__ import annotations

import importlib
import sys
import types
from pathlib import Path

import cv2
import numpy as np
from skimage import data

HERE = Path(__file__).resolve().parent


def main(where: Path) -> None:
    package = types.ModuleType("controlnet_aux")
    package.__path__ = [str(where / "controlnet_aux")]
    util = types.ModuleType("torch")  # imported by controlnet_aux.util, used by neither class
    sys.modules.update({"controlnet_aux": package, "torch": util})
    canny = importlib.import_module("controlnet_aux.canny").CannyDetector()
    lineart = importlib.import_module("controlnet_aux.lineart_standard").LineartStandardDetector()

    picture = np.ascontiguousarray(data.astronaut()[40:168, 150:278])
    size = {"detect_resolution": 128, "output_type": "np"}
    write("picture", picture)
    write("canny", canny(picture, image_resolution=128, **size))
    write("canny_50_255", canny(picture, 50, 255, image_resolution=128, **size))
    write("lineart_standard", lineart(picture, **size))
    write("lineart_standard_2_4", lineart(picture, 2.0, 4, **size))


def write(name: str, picture: np.ndarray) -> None:
    grey = bool((picture == picture[..., :1]).all())
    stored = picture[..., 0] if grey else picture[..., ::-1]
    cv2.imwrite(str(HERE / f"{name}.png"), stored, [cv2.IMWRITE_PNG_COMPRESSION, 9])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
