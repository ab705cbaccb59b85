"""Make poses.npz: what A1111's extension and transformers make of the inputs in inputs.py.

    git clone https://github.com/Mikubill/sd-webui-controlnet (56cec5b)
    pip install torch transformers==5.23 scipy matplotlib opencv-python-headless
    python tests/golden/poses/make.py sd-webui-controlnet/annotator/openpose

A1111's YOLOX and RTMPose code runs unchanged on networks that answer with the inputs. transformers' processors run
without torchvision. Arrays: see main.
"""

from __future__ import annotations

import importlib
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import torch

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / ".dev")]

from tests.golden.poses import inputs  # noqa: E402
from tests.support import random_weights, tiny_poses  # noqa: E402

ANIMALS = list(range(14, 24))
CANVAS = (160, 200)


class Answer:
    """Network in the form of OpenCV's, that gives answers in turn and keeps what it was given."""

    def __init__(self, answers: list[Any]) -> None:
        self.answers, self.given = answers, []

    def getUnconnectedOutLayersNames(self) -> list[str]:
        return []

    def setInput(self, blob: Any) -> None:
        self.given.append(np.array(blob))

    def forward(self, names: list[str]) -> Any:
        return self.answers[len(self.given) - 1]


def peer(folder: Path) -> Any:
    """Modules of the extension without its __init__; body.py asks for torchvision, which nothing here uses."""
    package = types.ModuleType("peer")
    package.__path__ = [str(folder)]
    sys.modules |= {"peer": package, "torchvision": types.ModuleType("torchvision")}
    sys.modules["torchvision"].transforms = None  # type: ignore[attr-defined]
    names = ("cv_ox_det", "cv_ox_pose", "wholebody", "animalpose", "util", "types")
    return types.SimpleNamespace(**{name: importlib.import_module(f"peer.{name}") for name in names})


def a1111(folder: Path) -> dict[str, Any]:
    """Boxes, crops, points, people and drawings."""
    code, image = peer(folder), inputs.photo()
    person = code.cv_ox_det.inference_detector(Answer([[inputs.detections()]]), image, [0])
    animal = code.cv_ox_det.inference_detector(Answer([[inputs.detections()]]), image, ANIMALS)
    across, down = inputs.curves(len(inputs.BOXES), 133, (288, 384))
    network = Answer([(across[i : i + 1], down[i : i + 1]) for i in range(len(across))])
    points, scores = code.cv_ox_pose.inference_pose(network, inputs.BOXES, image, (288, 384))
    crops = np.concatenate(network.given)[:, :, ::6, ::6]
    made = {"person": person, "animal": animal, "points": np.concatenate([points, scores[..., None]], -1)}
    return {**made, "crops": crops.astype(np.float16), **whole(code, image), **drawings(code)}


def whole(code: Any, image: Any) -> dict[str, Any]:
    """Everybody through the whole of DWPose: [N, 18 + 70 + 21 + 21, 3], NaN where a point or part is missing."""
    body = code.wholebody.Wholebody.__new__(code.wholebody.Wholebody)
    body.session_det = Answer([[inputs.detections()]])
    count = len(code.cv_ox_det.inference_detector(Answer([[inputs.detections()]]), image, [0]))
    across, down = inputs.curves(count, 133, (288, 384))
    body.session_pose = Answer([(across[i : i + 1], down[i : i + 1]) for i in range(count)])
    rows = [
        [p for part, n in ((r.body.keypoints, 18), (r.face, 70), (r.left_hand, 21), (r.right_hand, 21))
         for p in (part or [None] * n)]
        for r in code.wholebody.Wholebody.format_result(body(image))
    ]  # fmt: skip
    nothing = (np.nan,) * 3
    return {"whole": np.array([[nothing if p is None else (p.x, p.y, p.score) for p in row] for row in rows])}


def drawings(code: Any) -> dict[str, Any]:
    """Two people, and two animals, one over the other."""
    height, width = CANVAS
    people, beasts = np.zeros((height, width, 3), np.uint8), []

    def points(seed: int, count: int) -> list[Any]:
        key = code.types.Keypoint
        return [None if p is None else key(*p) for p in inputs.figure(seed, count, width, height)]

    for seed in (1, 2):
        code.util.draw_bodypose(people, points(seed, 18))
        code.util.draw_handpose(people, points(seed + 10, 21))
        code.util.draw_handpose(people, points(seed + 20, 21))
        code.util.draw_facepose(people, points(seed + 30, 70))
        beasts.append(points(seed + 40, 17))
    return {"drawn": people, "drawn_animals": code.animalpose.draw_animalposes(beasts, height, width)}


def hub() -> dict[str, Any]:
    """transformers' own processors, and its ViTPose on random weights from picture to points."""
    from transformers.models.rt_detr.image_processing_pil_rt_detr import RTDetrImageProcessorPil
    from transformers.models.vitpose.image_processing_pil_vitpose import VitPoseImageProcessorPil

    image, boxes = inputs.photo(), inputs.BOXES.copy()
    boxes[:, 2:] -= boxes[:, :2]
    square = RTDetrImageProcessorPil(do_normalize=False)(image, return_tensors="np")["pixel_values"]
    crop = VitPoseImageProcessorPil()
    pixels = crop(image, boxes=[boxes.tolist()], return_tensors="pt")["pixel_values"]
    model = random_weights.fill(tiny_poses.KNOWN.VitPoseForPoseEstimation(_config()), 3).eval()
    with torch.inference_mode():
        heat = model(pixels).heatmaps
    whole = _points(crop, heat, boxes)
    logits, places = map(torch.from_numpy, inputs.queries())
    found = RTDetrImageProcessorPil().post_process_object_detection(
        types.SimpleNamespace(logits=logits[None], pred_boxes=places[None]), 0.3, [(300, 500)]
    )[0]
    kept = found["labels"] == 0
    return {
        "square": np.round(square[0, :, ::5, ::5] * 255).astype(np.uint8),
        "vit_crops": pixels.numpy()[:, :, ::4, ::4].astype(np.float16),
        "vit_whole": whole,
        "vit_points": _points(crop, torch.from_numpy(inputs.heat(3)), boxes),
        "queries": np.concatenate([found["boxes"][kept].numpy(), found["scores"][kept, None].numpy()], 1),
    }


def _config() -> Any:
    return tiny_poses.estimator(types.SimpleNamespace(num_labels=17))


def _points(processor: Any, heat: Any, boxes: Any) -> Any:
    results = processor.post_process_pose_estimation(types.SimpleNamespace(heatmaps=heat), boxes=[boxes.tolist()])[0]
    return np.stack([np.concatenate([r["keypoints"].numpy(), r["scores"].numpy()[:, None]], 1) for r in results])


def main() -> None:
    """Write poses.npz.

    person, animal: boxes [N, 4]. crops: [N, 3, 64, 48] of every sixth pixel. points: [N, 133, 3]. whole: see `whole`.
    drawn, drawn_animals: uint8 [160, 200, 3]. square: uint8 [3, 128, 128] of every fifth pixel. vit_crops: every fourth
    pixel. vit_points, vit_whole: [N, 17, 3]. queries: [N, 5], corners and score of people.
    """
    arrays = a1111(Path(sys.argv[1])) | hub()
    np.savez_compressed(HERE / "poses.npz", allow_pickle=False, **arrays)


if __name__ == "__main__":
    main()
