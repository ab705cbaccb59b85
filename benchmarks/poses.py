"""Speed of what stands around DWPose's and ViTPose's networks, boxes, crops and points, on the same answers of these.

    PYTHONPATH=.dev:. python benchmarks/poses.py [--rounds 9] [--a1111 sd-webui-controlnet/annotator/openpose]

Peers: A1111's extension (its DWPose is what ComfyUI's pack runs too; matplotlib and scipy must be importable) and
transformers' own processor of ViTPose (scipy). What is not there is left out. Results are compared first. The networks
themselves are the same files in the same runtime on both sides, but A1111 reads both files anew at every call; with
--detector and --estimator, the paths of the two files, that is timed as well. Prints Markdown, CPU time of one thread.
"""

from __future__ import annotations

import argparse
import types
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from interleave import interleave, load, processor, set_threads
from tests.golden.poses import inputs

from underdrawing.preprocessors.people import rtmpose, vitpose, yolo

if TYPE_CHECKING:
    from collections.abc import Callable

SIZE = (288, 384)
COUNTS = (1, 4, 20)


def table(title: str, candidates: dict[str, Callable[[], object]], rounds: int) -> None:
    """Print median CPU times, the first candidate being 1."""
    timings = interleave(candidates, rounds)
    base = timings[next(iter(candidates))].figure(1)
    print(f"\n### {title}\n\n| | CPU ms (median) | ratio |\n|---|---|---|")
    for name, timing in timings.items():
        figure = timing.figure(1)
        print(f"| {name} | {figure * 1e3:.2f} | {base / figure:.2f} |")


def crowd(count: int) -> Any:
    """Boxes [N, 4] of people side by side."""
    left = np.linspace(0, 400, count, dtype=np.float32)
    return np.stack([left, np.full(count, 20, np.float32), left + 90, np.full(count, 480, np.float32)], 1)


def detection(rounds: int, code: Any, answer: Any) -> None:
    """Letterbox, decoding and suppression."""
    image, output = inputs.photo(), inputs.detections()

    def ours() -> Any:
        seen = yolo.letterbox(image[..., ::-1])
        return yolo.decode_yolox(output[0], seen.scale, (0,)).corners

    candidates: dict[str, Callable[[], object]] = {}
    if code:
        candidates["A1111"] = lambda: code.cv_ox_det.inference_detector(answer([[output.copy()]]), image, [0])
        assert np.array_equal(ours(), np.asarray(candidates["A1111"](), np.float32)), "boxes differ"
    table("Boxes of people (150 candidates of five classes)", candidates | {"ours": ours}, rounds)


def pose(rounds: int, code: Any, answer: Any, count: int) -> None:
    """Crops and SimCC."""
    image, boxes = inputs.photo(), crowd(count)
    across, down = inputs.curves(count, 133, SIZE)

    def ours() -> Any:
        areas = rtmpose.crop_regions(boxes, SIZE)
        rtmpose.crop_images(image, areas, SIZE)
        return rtmpose.to_image(rtmpose.decode_simcc(across, down), areas, SIZE)

    def theirs() -> Any:
        each = [(across[i : i + 1], down[i : i + 1]) for i in range(count)]
        return code.cv_ox_pose.inference_pose(answer(each), boxes, image, SIZE)[0]

    candidates: dict[str, Callable[[], object]] = {}
    if code:
        seen = np.minimum(across.max(-1), down.max(-1)) > 0
        assert np.abs(ours()[..., :2] - theirs())[seen].max() < 1e-3, "points differ"
        candidates["A1111"] = theirs
    table(f"DWPose: crops and points of {count}", candidates | {"ours": ours}, rounds)


def heat(rounds: int, count: int) -> None:
    """Heat maps of ViTPose."""
    from transformers.models.vitpose.image_processing_pil_vitpose import VitPoseImageProcessorPil

    maps, boxes = torch.from_numpy(inputs.heat(count)), crowd(count)
    areas, corners = vitpose.crop_regions(boxes), boxes.copy()
    corners[:, 2:] -= corners[:, :2]
    processor_: Any = VitPoseImageProcessorPil()

    def ours() -> Any:
        return vitpose.to_image(vitpose.decode_heatmaps(maps).numpy(), areas, (48, 64))

    def theirs() -> Any:
        return processor_.post_process_pose_estimation(types.SimpleNamespace(heatmaps=maps), boxes=[corners.tolist()])

    found = np.stack([result["keypoints"].numpy() for result in theirs()[0]])
    assert np.abs(ours()[..., :2] - found).max() < 1e-2, "points differ"
    table(f"ViTPose: points of {count} from heat maps", {"transformers": theirs, "ours": ours}, rounds)


def reading(rounds: int, files: list[str]) -> None:
    """What reading the files at every call costs."""
    import onnxruntime

    def read() -> None:
        for file in files:
            onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])

    table("Reading both files (A1111: at every call; ours: once)", {"A1111": read}, min(rounds, 3))


def main() -> None:
    """Print every table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--a1111", type=Path)
    parser.add_argument("--detector")
    parser.add_argument("--estimator")
    asked = parser.parse_args()
    set_threads(1)
    print(f"## Around the pose networks\n\n{processor()}; {load()}")
    from tests.golden.poses import make

    code = make.peer(asked.a1111) if asked.a1111 else None
    detection(asked.rounds, code, make.Answer)
    for count in COUNTS:
        pose(asked.rounds, code, make.Answer, count)
    for count in COUNTS:
        heat(asked.rounds, count)
    if asked.detector and asked.estimator:
        reading(asked.rounds, [asked.detector, asked.estimator])


if __name__ == "__main__":
    main()
