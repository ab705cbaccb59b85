"""Tiny ONNX files with the inputs and outputs of the published ones, made by the package onnx when asked for."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from tests.support import pose_answers
from tests.support.pose_answers import CELLS

if TYPE_CHECKING:
    from numpy.typing import NDArray


def model(nodes: list[Any], inputs: Any, outputs: list[Any], tensors: dict[str, NDArray[Any]]) -> bytes:
    """Serialised file; inputs and outputs: (name, type, shape)."""
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info(*inputs)],
        [helper.make_tensor_value_info(*output) for output in outputs],
        [numpy_helper.from_array(value, name) for name, value in tensors.items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    made.ir_version = 8
    onnx.checker.check_model(made)
    return made.SerializeToString()


def yolox(rows: dict[int, tuple[float, ...]] | None = None) -> bytes:
    """Detector that sees the boxes of these rows, as `pose_answers.boxes` has them."""
    fixed, live = pose_answers.boxes(rows)
    nodes = [
        helper.make_node("ReduceMean", ["images"], ["mean"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Mul", ["mean", "live"], ["lit"]),
        helper.make_node("Add", ["lit", "fixed"], ["output"]),
    ]
    ends = ("images", TensorProto.FLOAT, [1, 3, 640, 640]), [("output", TensorProto.FLOAT, [1, CELLS, 85])]
    return model(nodes, *ends, {"fixed": fixed, "live": live})


def yolo_nas() -> bytes:
    """Detector with its suppression inside: one person and one dog, whatever it sees."""
    corners = np.array([[[100, 80, 400, 500], [50, 60, 300, 280], [0, 0, 0, 0]]], np.float32)
    tensors = {
        "boxes": corners,
        "scores": np.array([[0.9, 0.6, 0.0]], np.float32),
        "classes": np.array([[0, 16, 0]], np.int64),
        "two": np.array([[2]], np.int64),
        "nothing": np.zeros((1, 1), np.int64),
    }
    nodes = [
        helper.make_node("Cast", ["input"], ["numbers"], to=TensorProto.INT64),
        helper.make_node("ReduceMax", ["numbers"], ["most"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Mul", ["most", "nothing"], ["zero"]),
        helper.make_node("Add", ["zero", "two"], ["num_predictions"]),
        helper.make_node("Identity", ["boxes"], ["pred_boxes"]),
        helper.make_node("Identity", ["scores"], ["pred_scores"]),
        helper.make_node("Identity", ["classes"], ["pred_classes"]),
    ]
    outputs = [
        ("num_predictions", TensorProto.INT64, [1, 1]),
        ("pred_boxes", TensorProto.FLOAT, [1, 3, 4]),
        ("pred_scores", TensorProto.FLOAT, [1, 3]),
        ("pred_classes", TensorProto.INT64, [1, 3]),
    ]
    return model(nodes, ("input", TensorProto.UINT8, [1, 3, 640, 640]), outputs, tensors)


def simcc(size: tuple[int, int], count: int, *, fixed: int | None = None) -> bytes:
    """Pose network that answers with random curves, mixed by the colours of the crop; fixed: its only batch."""
    width, height = size
    tensors: dict[str, NDArray[Any]] = {}
    nodes = [helper.make_node("ReduceMean", ["input"], ["means"], axes=[2, 3], keepdims=0)]
    for name, (mixed, added) in zip(("simcc_x", "simcc_y"), pose_answers.curves(size, count), strict=True):
        bins = added.shape[1]
        tensors |= {f"{name}_w": mixed, f"{name}_b": added}
        tensors[f"{name}_s"] = np.array([-1, count, bins], np.int64)
        nodes += [
            helper.make_node("MatMul", ["means", f"{name}_w"], [f"{name}_flat"]),
            helper.make_node("Reshape", [f"{name}_flat", f"{name}_s"], [f"{name}_mixed"]),
            helper.make_node("Add", [f"{name}_mixed", f"{name}_b"], [name]),
        ]
    batch: int | str = fixed or "batch"
    ends = ("input", TensorProto.FLOAT, [batch, 3, height, width])
    outputs = [
        ("simcc_x", TensorProto.FLOAT, [batch, count, width * 2]),
        ("simcc_y", TensorProto.FLOAT, [batch, count, height * 2]),
    ]
    return model(nodes, ends, outputs, tensors)


@cache
def made(file: str) -> bytes | None:
    """Stand-in for a published file, by its name; None for one that is not known here."""
    if "yolox" in file:
        return yolox()
    if "yolo_nas" in file:
        return yolo_nas()
    if "ucoco" in file:
        return simcc((288, 384) if "384" in file else (192, 256), 133)
    return simcc((256, 256), 17) if "ap10k" in file else None
