"""Classes as a node gives them: picture, names as JSON, numbers of the classes."""

from __future__ import annotations

import json

import numpy as np

from underdrawing.comfy_nodes.annotators import outputs, outputs_of
from underdrawing.core.annotator import ControlMap, Kind, Spec
from underdrawing.core.segments import Classes

CLASSES = Classes("test", ("sky", "großer Baum"), bytes([0, 255, 10, 1, 2, 3]))
SPEC = Spec(
    id="x", title="x", kind=Kind.SEGMENTATION, licence="MIT", commercial=True, source="x", values="labels", smooth=False
)


def test_classes_are_text_and_labels_are_numbers() -> None:
    labels = np.array([[[0, 0, 1, 0]], [[1, 1, 1, 1]]], np.uint8)
    segments = tuple(CLASSES.count(one) for one in labels)
    images = np.zeros((2, 1, 4, 3), np.uint8)
    found = outputs_of(SPEC, ControlMap(images, labels.astype(np.float32), segments=segments))
    assert [kind for kind, _, _ in outputs(SPEC)] == ["IMAGE", "STRING", "MASK"]
    image, text, numbers = found
    assert tuple(image.shape) == (2, 1, 4, 3)
    assert np.array_equal(numbers.numpy(), labels)
    read = json.loads(text)
    assert read[0]["classes"][0] == {"index": 0, "name": "sky", "colour": [0, 255, 10], "share": 0.75}
    assert [one["name"] for one in read[1]["classes"]] == ["großer Baum"]
