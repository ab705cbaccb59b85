"""Make outputs.npz: Google's own runtime (LiteRT) on the original networks and pieces of the bundled photographs.

    pip install ai-edge-litert==2.3.0 opencv-python-headless numpy
    python tests/golden/mediapipe/make.py mediapipe-0.10.21-cp311-cp311-manylinux_2_28_x86_64.whl

Arrays are called <network>.<output>, float32, reduced by `crops.sample`. The runtime's reference kernels are used;
selfie_segmentation needs its default ones, which alone know Convolution2DTransposeBias.
"""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType  # pyright: ignore[reportMissingImports]
from numpy.typing import NDArray

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[2] / "tools")]

from convert_mediapipe import OUTPUTS  # noqa: E402  # pyright: ignore
from crops import LOW, crops, sample  # noqa: E402  # pyright: ignore


def run(content: bytes, name: str, pictures: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
    """Outputs by our names; pictures one by one."""
    kernels = OpResolverType.AUTO if name == "selfie_segmentation" else OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter = Interpreter(model_content=content, num_threads=1, experimental_op_resolver_type=kernels)
    interpreter.allocate_tensors()
    source = interpreter.get_input_details()[0]["index"]
    places = {detail["name"]: detail["index"] for detail in interpreter.get_output_details()}
    rows: dict[str, list[Any]] = {ours: [] for ours in OUTPUTS[name][1]}
    for picture in pictures.astype(np.float32):
        scaled = picture / 127.5 - 1 if LOW.get(name) else picture / 255
        interpreter.set_tensor(source, scaled[None])
        interpreter.invoke()
        for ours, theirs in OUTPUTS[name][1].items():
            value = interpreter.get_tensor(places[theirs])
            rows[ours].append(value.transpose(0, 3, 1, 2) if value.ndim == 4 else value)
    return {ours: np.concatenate(each) for ours, each in rows.items()}


def main() -> None:
    """Run every network on its pieces."""
    kept: dict[str, NDArray[np.float32]] = {}
    with zipfile.ZipFile(sys.argv[1]) as wheel:
        for name, pictures in crops().items():
            content = wheel.read(f"mediapipe/modules/{OUTPUTS[name][0]}.tflite")
            for output, value in run(content, name, pictures).items():
                kept[f"{name}.{output}"] = sample(output, value)
    np.savez_compressed(HERE / "outputs.npz", **kept)  # pyright: ignore[reportArgumentType]


if __name__ == "__main__":
    main()
