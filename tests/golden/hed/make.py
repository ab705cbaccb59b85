"""Make hed.npz: controlnet-aux's HED on the bundled weights and a crop of a real photograph.

    pip install --no-deps controlnet-aux==0.0.10 einops; pip install scikit-image
    python tests/golden/hed/make.py

The crop is from scikit-image's astronaut (NASA, public domain). Arrays: image uint8 [H, W, 3]; probability uint16
[H, W], 65535 = 1, from the detector's network and its formula; edges, safe and scribble uint8 [H, W] from its calls.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from skimage import data

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))

import peer_hed  # noqa: E402  # pyright: ignore[reportMissingImports]

CROP = (slice(0, 128), slice(128, 320))


def main() -> None:
    """Run the peer once for each kind of map."""
    detector, _ = peer_hed.load(ROOT / "preprocessors" / "bundled" / "hed_bsds500.safetensors")
    image = np.ascontiguousarray(data.astronaut()[CROP])
    height, width = image.shape[:2]
    logits = peer_hed.sides(detector, torch.from_numpy(image).permute(2, 0, 1)[None].float())
    sides = [cv2.resize(side[0, 0].numpy(), (width, height), interpolation=cv2.INTER_LINEAR) for side in logits]
    probability = 1 / (1 + np.exp(-np.mean(sides, axis=0).astype(np.float64)))
    calls: dict[str, dict[str, bool]] = {"edges": {}, "safe": {"safe": True}, "scribble": {"scribble": True}}
    maps: dict[str, NDArray[Any]] = {name: _map(detector, image, options) for name, options in calls.items()}
    maps |= {"image": image, "probability": np.round(probability * 65535).astype(np.uint16)}
    np.savez_compressed(HERE / "hed.npz", allow_pickle=False, **maps)


def _map(detector: Any, image: NDArray[np.uint8], options: dict[str, bool]) -> NDArray[np.uint8]:
    side = min(image.shape[:2])
    return detector(image, detect_resolution=side, image_resolution=side, output_type="np", **options)[..., 0]


if __name__ == "__main__":
    main()
