"""Make lines.npz: controlnet-aux's M-LSD and PiDiNet on random weights, and its decoder on synthetic outputs.

    pip install --no-deps controlnet-aux==0.0.10 einops
    PYTHONPATH=.dev:. python tests/golden/lines/make.py

Arrays: image uint8 [H, W, 3]; for M-LSD's two arrangements keys_*, output_* float32 [5, H/2, W/2] and segments_*
float64 [n, 4]; lines_N the decoder's segments of synthetic.output(N); for PiDiNet keys, probability float32 [H, W] and
the 8-bit maps [H, W] of its detector's calls. Keys are lines of "name shape".
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks"), str(HERE)]

import peer_lines  # noqa: E402  # pyright: ignore[reportMissingImports]
import synthetic  # noqa: E402  # pyright: ignore[reportMissingImports]

CROP = (slice(40, 104), slice(150, 278))
DISTANCE = 2.0
"""Threshold with which synthetic outputs are decoded."""


def main() -> None:
    """Run the peer once for each array."""
    read = cv2.imread(str(ROOT / "examples" / "photos" / "astronaut.png"), cv2.IMREAD_COLOR)
    if read is None:
        raise SystemExit("the photograph is missing")
    image = np.ascontiguousarray(read[CROP][..., ::-1])
    arrays: dict[str, NDArray[Any]] = {"image": image}
    for model in ("large", "tiny"):
        network = peer_lines.mlsd(model)
        arrays[f"keys_{model}"] = keys(network)
        arrays[f"output_{model}"] = peer_lines.mlsd_output(network, image)[:5]
        arrays[f"segments_{model}"] = peer_lines.segments(network, image)
    for count in synthetic.COUNTS:
        arrays[f"lines_{count}"] = peer_lines.decoded(synthetic.output(count), 0.1, DISTANCE)
    detector = peer_lines.pidinet()
    arrays["keys_pidinet"] = keys(detector.netNetwork)
    arrays["probability"] = peer_lines.edge_probability(detector, image)
    for name, options in {"edges": {}, "safe": {"safe": True}, "sketch": {"apply_filter": True}}.items():
        arrays[name] = peer_lines.edge_map(detector, image, **options)
    arrays["scribble"] = peer_lines.edge_map(detector, image, scribble=True)
    np.savez_compressed(HERE / "lines.npz", allow_pickle=False, **arrays)


def keys(network: torch.nn.Module) -> NDArray[Any]:
    """Names and shapes of a network's tensors."""
    lines = [f"{name} {' '.join(map(str, value.shape))}".strip() for name, value in network.state_dict().items()]
    return np.frombuffer("\n".join(lines).encode(), np.uint8)


if __name__ == "__main__":
    main()
