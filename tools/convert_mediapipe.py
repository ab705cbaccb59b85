"""Convert MediaPipe's trained networks (Apache-2.0) from TensorFlow Lite to safetensors. A developer's tool.

    python tools/convert_mediapipe.py mediapipe-0.10.21-cp311-cp311-manylinux_2_28_x86_64.whl preprocessors/bundled

Reads the .tflite files inside the wheel (nothing of the wheel is imported), keeps the operations that the wanted
outputs need, turns weights and attributes from NHWC to NCHW, folds float16 DEQUANTIZE and sparse DENSIFY constants,
merges PAD into the convolution behind it, and writes one ``mediapipe_<name>.safetensors`` per network: float16 weights,
and the graph as JSON in the metadata (read by ``preprocessors/nets/mediapipe/graph.py``). Tensors that are mostly
zero are kept as ``<name>.bits`` (packed mask, uint8) and ``<name>.values`` (float16). The same wheel gives the same
bytes.

Needs numpy, and the package ``tflite`` for the flatbuffer schema (tried with tflite 2.18.0).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import struct
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import tflite  # pyright: ignore[reportMissingImports]

SPARSE_BELOW = 0.9
"""A float16 tensor with a smaller share of non-zero values is stored as mask and values."""

OUTPUTS: dict[str, tuple[str, dict[str, str]]] = {
    "pose_detection": ("pose_detection/pose_detection", {"boxes": "Identity", "scores": "Identity_1"}),
    "pose_landmark_full": (
        "pose_landmark/pose_landmark_full",
        {"landmarks": "Identity", "presence": "Identity_1", "heatmap": "Identity_3"},
    ),
    "palm_detection_full": ("palm_detection/palm_detection_full", {"boxes": "Identity", "scores": "Identity_1"}),
    "hand_landmark_full": (
        "hand_landmark/hand_landmark_full",
        {"landmarks": "Identity", "presence": "Identity_1", "handedness": "Identity_2"},
    ),
    "face_detection_short_range": (
        "face_detection/face_detection_short_range",
        {"boxes": "regressors", "scores": "classificators"},
    ),
    "face_landmark": ("face_landmark/face_landmark", {"landmarks": "conv2d_21", "presence": "conv2d_31"}),
    "iris_landmark": ("iris_landmark/iris_landmark", {"iris": "output_iris"}),
    "selfie_segmentation": ("selfie_segmentation/selfie_segmentation", {"mask": "activation_10"}),
}
"""Name → (file below mediapipe/modules without its suffix, our output names → the file's)."""

ACTIVATIONS = {0: "", 1: "relu", 3: "relu6"}


def enum_names(enum: type) -> dict[int, str]:
    """Value → name of one of the schema's enumerations."""
    return {value: name for name, value in vars(enum).items() if not name.startswith("_")}


OPERATORS = enum_names(tflite.BuiltinOperator)


def densify(tensor: Any, values: np.ndarray) -> np.ndarray:
    """Expand a sparse constant (dense and CSR dimensions, optionally blocked) to its full shape."""
    sparsity = tensor.Sparsity()
    shape = [int(n) for n in tensor.ShapeAsNumpy()]
    order = [int(n) for n in sparsity.TraversalOrderAsNumpy()]
    block_map = [int(n) for n in sparsity.BlockMapAsNumpy()] if sparsity.BlockMapLength() else []
    levels = [dim_metadata(sparsity.DimMetadata(i)) for i in range(sparsity.DimMetadataLength())]
    rank = len(shape)
    block = [1] * rank
    for extra, dimension in enumerate(block_map):
        block[dimension] = levels[order.index(rank + extra)][0]
    # positions: flat position in the current level and coordinates so far, one row per stored element
    positions = np.zeros(1, np.int64)
    coordinates = np.zeros((1, len(order)), np.int64)
    for level, axis in enumerate(order):
        size, segments, indices = levels[level]
        if segments is None or indices is None:
            counts = np.full(len(positions), size)
            starts = positions * size
        else:
            starts, counts = segments[positions], segments[positions + 1] - segments[positions]
        rows = np.repeat(np.arange(len(positions)), counts)
        within = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
        coordinates = coordinates[rows]
        positions = starts[rows] + within
        coordinates[:, axis] = within if indices is None else indices[positions]
    full = coordinates[:, :rank] * np.array(block)
    for extra, dimension in enumerate(block_map):
        full[:, dimension] += coordinates[:, rank + extra]
    result = np.zeros(shape, values.dtype)
    result[tuple(full.T)] = values[positions]
    return result


def dim_metadata(dim: Any) -> tuple[int, np.ndarray | None, np.ndarray | None]:
    """(dense size, CSR segments, CSR indices) of one dimension."""
    if dim.Format() == 0:
        return dim.DenseSize(), None, None
    vectors = {1: tflite.Int32Vector, 2: tflite.Uint16Vector, 3: tflite.Uint8Vector}

    def read(kind: int, table: Any) -> np.ndarray:
        vector = vectors[kind]()
        vector.Init(table.Bytes, table.Pos)
        return vector.ValuesAsNumpy().astype(np.int64)

    segments = read(dim.ArraySegmentsType(), dim.ArraySegments())
    return 0, segments, read(dim.ArrayIndicesType(), dim.ArrayIndices())


class Converter:
    """Turns one .tflite file into operations in NCHW and their weights."""

    def __init__(self, data: bytes, outputs: dict[str, str]) -> None:
        self.model = tflite.Model.GetRootAs(data, 0)
        self.graph = self.model.Subgraphs(0)
        self.constants: dict[int, np.ndarray] = {}
        self.ops: list[dict[str, Any]] = []
        self.weights: dict[str, np.ndarray] = {}
        self.pads: dict[int, tuple[int, list[int]]] = {}
        by_name = {self.name(int(i)): int(i) for i in self.graph.OutputsAsNumpy()}
        self.outputs = {ours: by_name[theirs] for ours, theirs in outputs.items()}
        self.input = int(self.graph.InputsAsNumpy()[0])
        self.needed = self.reachable()

    def name(self, index: int) -> str:
        """Name of a tensor in the file."""
        return self.graph.Tensors(index).Name().decode()

    def shape(self, index: int) -> list[int]:
        """Shape of a tensor in the file (NHWC)."""
        tensor = self.graph.Tensors(index)
        return [int(n) for n in tensor.ShapeAsNumpy()] if tensor.ShapeLength() else []

    def operators(self) -> list[tuple[str, Any, list[int], int]]:
        """Kind, record, inputs and output of every operation, in order."""
        found = []
        for i in range(self.graph.OperatorsLength()):
            operator = self.graph.Operators(i)
            code = self.model.OperatorCodes(operator.OpcodeIndex())
            builtin = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
            kind = code.CustomCode().decode() if OPERATORS[builtin] == "CUSTOM" else OPERATORS[builtin]
            found.append(
                (kind, operator, [int(n) for n in operator.InputsAsNumpy()], int(operator.OutputsAsNumpy()[0]))
            )
        return found

    def reachable(self) -> set[int]:
        """Tensors that the wanted outputs depend on."""
        needed = set(self.outputs.values())
        for _, _, inputs, output in reversed(self.operators()):
            if output in needed:
                needed.update(inputs)
        return needed

    def constant(self, index: int) -> np.ndarray:
        """Value of a constant tensor, in the file's own layout."""
        value = self.known(index)
        if value is None:
            raise SystemExit(f"{self.name(index)} is not a constant")
        return value

    def known(self, index: int) -> np.ndarray | None:
        """Value of a constant tensor, or None for one that is computed from the input."""
        if index in self.constants:
            return self.constants[index]
        tensor = self.graph.Tensors(index)
        buffer = self.model.Buffers(tensor.Buffer())
        if not buffer.DataLength():
            return None
        types = {0: np.float32, 1: np.float16, 2: np.int32}
        values = buffer.DataAsNumpy().view(types[tensor.Type()])
        value = densify(tensor, values) if tensor.Sparsity() else values.reshape(self.shape(index))
        self.constants[index] = value
        return value

    def convert(self) -> dict[str, Any]:
        """Return the graph; self.weights is filled."""
        consumers = self.consumers()
        for kind, operator, inputs, output in self.operators():
            if output not in self.needed:
                continue
            if kind in ("DEQUANTIZE", "DENSIFY") and (value := self.known(inputs[0])) is not None:
                self.constants[output] = value
            elif kind == "PAD" and consumers[output] == ["CONV"]:
                self.pads[output] = (inputs[0], self.nchw_pad(inputs[1]))
            else:
                self.emit(kind, operator, inputs, output)
        size = self.shape(self.input)
        return {
            "input": [size[3], size[1], size[2]],
            "outputs": {name: f"v{index}" for name, index in self.outputs.items()},
            "ops": self.ops,
        }

    def consumers(self) -> dict[int, list[str]]:
        """Kinds of the operations that read each tensor, "CONV" standing for convolutions without own padding."""
        readers: dict[int, list[str]] = {}
        for kind, operator, inputs, output in self.operators():
            if output in self.needed:
                valid = kind in ("CONV_2D", "DEPTHWISE_CONV_2D") and self.options(kind, operator).Padding() == 1
                readers.setdefault(inputs[0], []).append("CONV" if valid else kind)
                for other in inputs[1:]:
                    readers.setdefault(other, []).append(kind)
        return readers

    @staticmethod
    def options(kind: str, operator: Any) -> Any:
        """Operation's options, by kind."""
        names = {
            "CONV_2D": "Conv2DOptions",
            "DEPTHWISE_CONV_2D": "DepthwiseConv2DOptions",
            "MAX_POOL_2D": "Pool2DOptions",
            "AVERAGE_POOL_2D": "Pool2DOptions",
            "ADD": "AddOptions",
            "MUL": "MulOptions",
            "RESIZE_BILINEAR": "ResizeBilinearOptions",
            "DEPTH_TO_SPACE": "DepthToSpaceOptions",
            "CONCATENATION": "ConcatenationOptions",
            "FULLY_CONNECTED": "FullyConnectedOptions",
            "MEAN": "ReducerOptions",
        }
        options = getattr(tflite, names[kind])()
        table = operator.BuiltinOptions()
        options.Init(table.Bytes, table.Pos)
        return options

    def nchw_pad(self, index: int) -> list[int]:
        """TFLite's [[before, after]] of N, H, W, C as torch's (left, right, top, bottom, front, back)."""
        _, height, width, channels = self.constant(index).tolist()
        return [*width, *height, *channels] if any(channels) else [*width, *height]

    def emit(self, kind: str, operator: Any, inputs: list[int], output: int) -> None:
        """Append an operation and its weights."""
        handler = getattr(self, f"op_{kind.lower()}", None)
        if handler is None:
            raise SystemExit(f"no rule for the operation {kind}")
        entry = handler(operator, inputs, output)
        sources = [self.pads[i][0] if i in self.pads else i for i in entry.pop("from", inputs[:1])]
        self.ops.append({"op": entry.pop("op"), "in": [f"v{i}" for i in sources], "out": f"v{output}", **entry})

    def keep(self, role: str, value: np.ndarray) -> None:
        """Store a weight of the operation being emitted."""
        self.weights[f"ops.{len(self.ops)}.{role}"] = np.ascontiguousarray(value, np.float16)

    def keep_weight(self, value: np.ndarray) -> dict[str, Any]:
        """Store the main weight, as mask and values where it is mostly zero; returns how it is described."""
        kept = np.ascontiguousarray(value, np.float16)
        mask = kept.reshape(-1) != 0
        nonzero = int(mask.sum())
        if kept.size <= 64 or nonzero >= SPARSE_BELOW * kept.size:
            self.keep("weight", kept)
            return {"shape": list(kept.shape)}
        self.keep("weight.values", kept.reshape(-1)[mask])
        self.weights[f"ops.{len(self.ops)}.weight.bits"] = np.packbits(mask)
        return {"shape": list(kept.shape), "nonzero": nonzero}

    def same_pad(self, padding: int, source: int, output: int, kernel: list[int], stride: list[int]) -> list[int]:
        """Padding (left, right, top, bottom) that TFLite's SAME means for these static sizes."""
        if padding == 1:
            return [0, 0, 0, 0]
        totals = []
        for axis in (0, 1):
            size, out = self.shape(source)[1 + axis], self.shape(output)[1 + axis]
            totals.append(max((out - 1) * stride[axis] + kernel[axis] - size, 0))
        (top, left) = (total // 2 for total in totals)
        return [left, totals[1] - left, top, totals[0] - top]

    def convolution(
        self, options: Any, inputs: list[int], output: int, weight: np.ndarray, groups: int
    ) -> dict[str, Any]:
        """Entry of a convolution; weight is [out, in / groups, H, W]."""
        stride = [options.StrideH(), options.StrideW()]
        dilation = (options.DilationHFactor(), options.DilationWFactor())
        if dilation != (1, 1):
            raise SystemExit(f"dilation {dilation} is not converted")
        if inputs[0] in self.pads:
            pad = self.pads[inputs[0]][1]
        else:
            pad = self.same_pad(options.Padding(), inputs[0], output, list(weight.shape[2:]), stride)
        self.keep("bias", self.constant(inputs[2]))
        return {
            "op": "conv",
            **self.keep_weight(weight),
            "stride": stride,
            "pad": pad,
            "groups": groups,
            "act": ACTIVATIONS[options.FusedActivationFunction()],
        }

    def op_conv_2d(self, operator: Any, inputs: list[int], output: int) -> dict[str, Any]:
        """Entry of CONV_2D."""
        options = self.options("CONV_2D", operator)
        return self.convolution(options, inputs, output, self.constant(inputs[1]).transpose(0, 3, 1, 2), 1)

    def op_depthwise_conv_2d(self, operator: Any, inputs: list[int], output: int) -> dict[str, Any]:
        """Entry of DEPTHWISE_CONV_2D."""
        options = self.options("DEPTHWISE_CONV_2D", operator)
        weight = self.constant(inputs[1]).transpose(3, 0, 1, 2)
        return self.convolution(options, inputs, output, weight, self.shape(inputs[0])[3])

    def op_convolution2dtransposebias(self, operator: Any, inputs: list[int], output: int) -> dict[str, Any]:
        """Entry of CONVOLUTION2DTRANSPOSEBIAS."""
        # custom options: TfLiteTransposeConvParams {padding, stride width, stride height}; padding 1 is SAME
        padding, stride_width, stride_height = struct.unpack("<3i", operator.CustomOptionsAsNumpy().tobytes()[:12])
        weight = self.constant(inputs[1]).transpose(3, 0, 1, 2)
        same = [n * s for n, s in zip(self.shape(inputs[0])[1:3], (stride_height, stride_width), strict=True)]
        if list(weight.shape[2:]) != [stride_height, stride_width] or self.shape(output)[1:3] != same:
            raise SystemExit(f"transposed convolution with kernel {weight.shape}, padding {padding} is not converted")
        self.keep("bias", self.constant(inputs[2]))
        return {"op": "conv_transpose", **self.keep_weight(weight), "stride": [stride_height, stride_width]}

    def op_fully_connected(self, operator: Any, inputs: list[int], output: int) -> dict[str, Any]:
        """Entry of FULLY_CONNECTED."""
        act = ACTIVATIONS[self.options("FULLY_CONNECTED", operator).FusedActivationFunction()]
        self.keep("bias", self.constant(inputs[2]))
        return {"op": "linear", **self.keep_weight(self.constant(inputs[1])), "act": act}

    def op_prelu(self, operator: Any, inputs: list[int], output: int) -> dict[str, Any]:
        """Entry of PRELU."""
        slopes = self.constant(inputs[1]).reshape(-1)
        self.keep("weight", slopes)
        return {"op": "prelu", "shape": list(slopes.shape)}

    def binary(self, kind: str, operator: Any, inputs: list[int]) -> dict[str, Any]:
        """Entry of a sum or product of two tensors."""
        if any(self.known(i) is not None for i in inputs):
            raise SystemExit(f"{kind} with a constant is not converted")
        return {
            "op": kind.lower(),
            "from": inputs,
            "act": ACTIVATIONS[self.options(kind, operator).FusedActivationFunction()],
        }

    def op_add(self, operator: Any, inputs: list[int], output: int) -> dict[str, Any]:
        """Entry of ADD."""
        return self.binary("ADD", operator, inputs)

    def op_mul(self, operator: Any, inputs: list[int], output: int) -> dict[str, Any]:
        """Entry of MUL."""
        return self.binary("MUL", operator, inputs)

    def pool(self, kind: str, operator: Any, inputs: list[int], output: int) -> dict[str, Any]:
        """Entry of a pooling operation."""
        options = self.options(kind, operator)
        kernel, stride = [options.FilterHeight(), options.FilterWidth()], [options.StrideH(), options.StrideW()]
        pad = self.same_pad(options.Padding(), inputs[0], output, kernel, stride)
        return {"op": kind[:-3].lower(), "kernel": kernel, "stride": stride, "pad": pad}

    def op_max_pool_2d(self, operator: Any, inputs: list[int], output: int) -> dict[str, Any]:
        """Entry of MAX_POOL_2D."""
        return self.pool("MAX_POOL_2D", operator, inputs, output)

    def op_average_pool_2d(self, operator: Any, inputs: list[int], output: int) -> dict[str, Any]:
        """Entry of AVERAGE_POOL_2D."""
        entry = self.pool("AVERAGE_POOL_2D", operator, inputs, output)
        if any(entry["pad"]):
            raise SystemExit("a padded average pool is not converted")
        return entry

    def op_mean(self, operator: Any, inputs: list[int], output: int) -> dict[str, Any]:
        """Entry of MEAN."""
        axes = sorted(np.atleast_1d(self.constant(inputs[1])).tolist())
        if axes != [1, 2]:
            raise SystemExit(f"mean over the axes {axes} is not converted")
        return {"op": "mean", "keep": bool(self.options("MEAN", operator).KeepDims())}

    def op_pad(self, operator: Any, inputs: list[int], output: int) -> dict[str, Any]:
        """Entry of PAD."""
        return {"op": "pad", "pad": self.nchw_pad(inputs[1])}

    def op_resize_bilinear(self, operator: Any, inputs: list[int], output: int) -> dict[str, Any]:
        """Entry of RESIZE_BILINEAR."""
        options = self.options("RESIZE_BILINEAR", operator)
        rule = "corners" if options.AlignCorners() else "half" if options.HalfPixelCenters() else "legacy"
        return {"op": "resize", "size": self.constant(inputs[1]).tolist(), "rule": rule}

    def op_depth_to_space(self, operator: Any, inputs: list[int], output: int) -> dict[str, Any]:
        """Entry of DEPTH_TO_SPACE."""
        return {"op": "depth_to_space", "block": self.options("DEPTH_TO_SPACE", operator).BlockSize()}

    def op_reshape(self, operator: Any, inputs: list[int], output: int) -> dict[str, Any]:
        """Entry of RESHAPE."""
        source, target = self.shape(inputs[0]), self.shape(output)
        if len(source) != 4 or source[0] != 1 or len(target) > 3:
            raise SystemExit(f"reshape {source} to {target} is not converted")
        return {"op": "flatten", "last": target[-1] if len(target) == 3 else 0}

    def op_concatenation(self, operator: Any, inputs: list[int], output: int) -> dict[str, Any]:
        """Entry of CONCATENATION."""
        axis = self.options("CONCATENATION", operator).Axis() % len(self.shape(output))
        rank = len(self.shape(output))
        return {"op": "concat", "from": inputs, "axis": {0: 0, 1: 2, 2: 3, 3: 1}[axis] if rank == 4 else axis}

    def op_relu(self, operator: Any, inputs: list[int], output: int) -> dict[str, Any]:
        """Entry of RELU."""
        return {"op": "relu"}

    def op_hard_swish(self, operator: Any, inputs: list[int], output: int) -> dict[str, Any]:
        """Entry of HARD_SWISH."""
        return {"op": "hard_swish"}

    def op_logistic(self, operator: Any, inputs: list[int], output: int) -> dict[str, Any]:
        """Entry of LOGISTIC."""
        return {"op": "sigmoid"}


def serialise(tensors: dict[str, np.ndarray], metadata: dict[str, str]) -> bytes:
    """Write the safetensors format by hand: the library's own order of metadata keys is not fixed."""
    header: dict[str, Any] = {"__metadata__": metadata}
    body = bytearray()
    types = {np.dtype(np.float16): "F16", np.dtype(np.uint8): "U8"}
    for name, value in sorted(tensors.items(), key=lambda item: (-item[1].dtype.itemsize, item[0])):
        start = len(body)
        body += value.tobytes()
        header[name] = {"dtype": types[value.dtype], "shape": list(value.shape), "data_offsets": [start, len(body)]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + bytes(body)


def convert(data: bytes, name: str, origin: str) -> bytes:
    """Bytes of the safetensors file of one network."""
    path, outputs = OUTPUTS[name]
    converter = Converter(data, outputs)
    graph = converter.convert()
    metadata = {
        "graph": json.dumps(graph, separators=(",", ":")),
        "licence": "Apache-2.0",
        "source": f"{origin}: mediapipe/modules/{path}.tflite, sha256 {hashlib.sha256(data).hexdigest()}",
    }
    return serialise(converter.weights, metadata)


def main() -> None:
    """Convert all networks, or those named."""
    parser = argparse.ArgumentParser(description="MediaPipe .tflite → safetensors")
    parser.add_argument("wheel", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="*", default=list(OUTPUTS))
    options = parser.parse_args()
    origin = "-".join(options.wheel.name.split("-")[:2])
    total = 0
    with zipfile.ZipFile(options.wheel) as wheel:
        for name in options.names:
            data = convert(wheel.read(f"mediapipe/modules/{OUTPUTS[name][0]}.tflite"), name, origin)
            (options.folder / f"mediapipe_{name}.safetensors").write_bytes(data)
            total += len(data)
            sys.stdout.write(f"{name}: {len(data):,} bytes, sha256 {hashlib.sha256(data).hexdigest()}\n")
    sys.stdout.write(f"{total:,} bytes together, {math.ceil(total / 1e5) / 10} MB\n")


if __name__ == "__main__":
    main()
