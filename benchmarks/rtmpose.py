"""Speed of YOLOX-L and RTMPose on torch beside ONNX Runtime, the same random weights in both.

    pip install onnx onnxruntime
    PYTHONPATH=.dev:. python benchmarks/rtmpose.py [--rounds 5]

The ONNX files are exported from our own modules by torch (batch norms folded, as those that DWPose publishes are), so
both compute the same function; results are compared first. One thread, CPU time. Prints Markdown.
"""

from __future__ import annotations

import argparse
import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime
import torch
from interleave import interleave, load, processor, set_threads, table
from tests.support import random_weights

from underdrawing.preprocessors.nets import rtmpose, yolox

if TYPE_CHECKING:
    from collections.abc import Callable

CLOSE = 1e-4
NETWORKS: dict[str, tuple[Callable[[Any], torch.nn.Module], tuple[int, int], tuple[int, ...]]] = {
    "YOLOX-L, 640 x 640": (yolox.build, (640, 640), (1,)),
    "RTMPose-l, 133 points, crops of 288 x 384": (rtmpose.build_whole_body, (384, 288), (1, 4)),
    "RTMPose-m, 17 points, crops of 256 x 256": (rtmpose.build_animal, (256, 256), (1, 4)),
}
"""Builder, height and width of the input, and batches."""


def session(module: torch.nn.Module, size: tuple[int, int], folder: str) -> Any:
    """Export a module and open it with one thread, as core/networks/onnx.py does."""
    path = Path(folder) / "net.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module, (torch.zeros(1, 3, *size),), path, dynamo=False, input_names=["x"], dynamic_axes={"x": {0: "b"}}
        )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def compare(name: str, rounds: int) -> None:
    """Time one network."""
    build, size, batches = NETWORKS[name]
    module = random_weights.fill(build({})).eval()
    with tempfile.TemporaryDirectory() as folder:
        runtime = session(module, size, folder)
    module = module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    for batch in batches:
        x = np.random.RandomState(0).random_sample((batch, 3, *size)).astype(np.float32)

        def ours(x: Any = x) -> list[Any]:
            with torch.inference_mode():
                found = module(torch.from_numpy(x).contiguous(memory_format=torch.channels_last))
            return [one.numpy() for one in (found if isinstance(found, tuple) else (found,))]

        def theirs(x: Any = x) -> list[Any]:
            return runtime.run(None, {"x": x})

        for one, other in zip(ours(), theirs(), strict=True):
            assert np.abs(one - other).max() <= CLOSE * np.abs(other).max(), "outputs differ"
        timings = interleave({"ONNX Runtime": theirs, "torch": ours}, rounds, warm=False)
        table(f"{name}, batch {batch}", timings, 1)


def main() -> None:
    """Print every table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    set_threads(1)
    print(f"## Pose networks on torch and ONNX Runtime\n\n{processor()}; {load()}")
    print(f"torch {torch.__version__}, onnxruntime {onnxruntime.__version__}, one thread, CPU time")
    for name in NETWORKS:
        compare(name, asked.rounds)


if __name__ == "__main__":
    main()
