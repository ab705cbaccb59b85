"""Make leres.npz and bae.npz: controlnet-aux's LeReS and Normal BAE on random weights and a crop of a photograph.

    pip install --no-deps controlnet-aux==0.0.10 einops; pip install scikit-image huggingface_hub
    python tests/golden/surfaces/make.py

The crop is from scikit-image's astronaut (NASA, public domain). Weights: support/random_weights.py with the gains of
peers/peer_surfaces.py of the benchmarks under the published names. Arrays of both: image uint8 [H, W, 3]; shapes
uint8, JSON of the published names with their shapes. leres.npz: distance and parity float32 [H, W], the peer's network
on the right input and on the one its detector gives it; map and removed uint8 [H, W], its detector's calls. bae.npz:
normals int16 [3, H, W], 32767 = 1; map uint8 [H, W, 3].
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from skimage import data

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[2] / "benchmarks"))

import peer_surfaces  # noqa: E402  # pyright: ignore[reportMissingImports]

CROP = (slice(64, 128), slice(128, 320))
REMOVED = {"thr_a": 20.0, "thr_b": 30.5}
MEAN, STD = ([[[[a]], [[b]], [[c]]]] for a, b, c in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))


def main() -> None:
    """Run both."""
    image = np.ascontiguousarray(data.astronaut()[CROP])
    for name, make in (("leres", _leres), ("bae", _bae)):
        np.savez_compressed(HERE / f"{name}.npz", allow_pickle=False, image=image, **make(image))


def _leres(image: Any) -> dict[str, Any]:
    detector, tensors = peer_surfaces.leres()
    right = _standardised(torch.from_numpy(image).permute(2, 0, 1)[None] / 255)
    wrong = _standardised(torch.from_numpy(image[..., ::-1].copy()).permute(2, 0, 1)[None].float())
    with torch.no_grad():
        distance, parity = (detector.model.depth_model(x)[0, 0].numpy() for x in (right, wrong))
    maps = {"map": _map(detector, image)[..., 0], "removed": _map(detector, image, **REMOVED)[..., 0]}
    return {"distance": distance, "parity": parity, "shapes": _shapes(tensors), **maps}


def _bae(image: Any) -> dict[str, Any]:
    detector, tensors = peer_surfaces.bae()
    with torch.no_grad():
        every = detector.model(_standardised(torch.from_numpy(image).permute(2, 0, 1)[None] / 255))
    normals = np.round(every[0][-1][0, :3].numpy() * 32767).astype(np.int16)
    return {"normals": normals, "map": _map(detector, image), "shapes": _shapes(tensors)}


def _standardised(x: torch.Tensor) -> torch.Tensor:
    return (x - torch.tensor(MEAN)) / torch.tensor(STD)


def _map(detector: Any, image: Any, **options: float) -> Any:
    side = min(image.shape[:2])
    return detector(image, detect_resolution=side, image_resolution=side, output_type="np", **options)


def _shapes(tensors: dict[str, torch.Tensor]) -> Any:
    text = json.dumps({name: list(tensor.shape) for name, tensor in tensors.items()})
    return np.frombuffer(text.encode(), np.uint8)


if __name__ == "__main__":
    main()
