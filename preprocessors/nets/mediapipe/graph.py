"""Runs a converted MediaPipe network: a list of operations in NCHW, described as JSON in the weights file.

Source of the networks: google-ai-edge/mediapipe (Apache-2.0), converted by ``tools/convert_mediapipe.py``.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional

from ....core.errors import BadWeights

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Entry = dict[str, Any]

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "": lambda x: x,
    "relu": functional.relu,
    "relu6": functional.relu6,
}


class Sparse(nn.Module):
    """A weight that is mostly zero: a packed mask (most significant bit first) and the values where it is set."""

    def __init__(self, shape: list[int], nonzero: int) -> None:
        super().__init__()
        self.shape = shape
        self.bits: Tensor
        self.register_buffer("bits", torch.zeros((math.prod(shape) + 7) // 8, dtype=torch.uint8))
        self.values = nn.Parameter(torch.zeros(nonzero), requires_grad=False)
        self._dense: Tensor | None = None

    def dense(self) -> Tensor:
        """Whole weight, made once. Raises BadWeights when mask and values do not fit each other."""
        made, values = self._dense, self.values
        if made is None or made.device != values.device or made.dtype != values.dtype:
            shifts = torch.arange(7, -1, -1, dtype=torch.uint8, device=values.device)
            mask = ((self.bits[:, None] >> shifts) & 1).bool().reshape(-1)[: math.prod(self.shape)]
            if int(mask.sum()) != len(values):
                raise BadWeights("mask and values of a weight do not fit each other", fix=_AGAIN)
            whole = values.new_zeros(math.prod(self.shape))
            whole[mask] = values.detach()
            made = self._dense = whole.reshape(self.shape)
        return made


def _build_weight(entry: Entry) -> nn.Parameter | Sparse:
    if "nonzero" in entry:
        return Sparse(entry["shape"], entry["nonzero"])
    return nn.Parameter(torch.zeros(entry["shape"]), requires_grad=False)


def _dense_weight(weight: nn.Parameter | Sparse) -> Tensor:
    return weight.dense() if isinstance(weight, Sparse) else weight


class Conv(nn.Module):
    """Convolution with TensorFlow's own, possibly uneven, padding (left, right, top, bottom)."""

    def __init__(self, entry: Entry) -> None:
        super().__init__()
        shape: list[int] = entry["shape"]
        self.weight = _build_weight(entry)
        self.bias = nn.Parameter(torch.zeros(shape[0]), requires_grad=False)
        self.stride: list[int] = entry["stride"]
        self.groups: int = entry["groups"]
        self.act = ACTIVATIONS[entry["act"]]
        left, right, top, bottom = entry["pad"]
        even = left == right and top == bottom
        self.inner = (top, left) if even else (0, 0)
        self.outer = None if even else entry["pad"]

    def forward(self, x: Tensor) -> Tensor:
        """Convolve [B, C, H, W]."""
        if self.outer is not None:
            x = functional.pad(x, self.outer)
        return self.act(
            functional.conv2d(x, _dense_weight(self.weight), self.bias, self.stride, self.inner, 1, self.groups)
        )


class ConvTranspose(nn.Module):
    """Transposed convolution whose kernel equals its stride."""

    def __init__(self, entry: Entry) -> None:
        super().__init__()
        self.weight = _build_weight(entry)
        self.bias = nn.Parameter(torch.zeros(entry["shape"][1]), requires_grad=False)
        self.stride: list[int] = entry["stride"]

    def forward(self, x: Tensor) -> Tensor:
        """Enlarge [B, C, H, W]."""
        return functional.conv_transpose2d(x, _dense_weight(self.weight), self.bias, self.stride)


class Linear(nn.Module):
    """Matrix product over everything but the batch."""

    def __init__(self, entry: Entry) -> None:
        super().__init__()
        self.weight = _build_weight(entry)
        self.bias = nn.Parameter(torch.zeros(entry["shape"][0]), requires_grad=False)
        self.act = ACTIVATIONS[entry["act"]]

    def forward(self, x: Tensor) -> Tensor:
        """Multiply [B, ...] to [B, C]."""
        return self.act(functional.linear(x.flatten(1), _dense_weight(self.weight), self.bias))


class PRelu(nn.Module):
    """ReLU with a slope per channel below zero."""

    def __init__(self, entry: Entry) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(entry["shape"]), requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        """Bend [B, C, H, W]."""
        return functional.prelu(x, self.weight)


class Combine(nn.Module):
    """Sum or product of two tensors."""

    def __init__(self, entry: Entry) -> None:
        super().__init__()
        self.join = torch.add if entry["op"] == "add" else torch.mul
        self.act = ACTIVATIONS[entry["act"]]

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Join two tensors that broadcast."""
        return self.act(self.join(x, y))


class Pool(nn.Module):
    """Largest or mean value of a window; cells beyond the edge never win."""

    def __init__(self, entry: Entry) -> None:
        super().__init__()
        self.largest = entry["op"] == "max_pool"
        self.kernel: list[int] = entry["kernel"]
        self.stride: list[int] = entry["stride"]
        self.pad: list[int] = entry["pad"]

    def forward(self, x: Tensor) -> Tensor:
        """Pool [B, C, H, W]."""
        if not self.largest:
            return functional.avg_pool2d(x, self.kernel, self.stride)
        if any(self.pad):
            x = functional.pad(x, self.pad, value=float("-inf"))
        return functional.max_pool2d(x, self.kernel, self.stride)


class Resize(nn.Module):
    """Bilinear resize; rule "legacy" puts output pixel i at i * scale without the half-pixel shift."""

    def __init__(self, entry: Entry) -> None:
        super().__init__()
        self.size: list[int] = entry["size"]
        self.rule: str = entry["rule"]

    def forward(self, x: Tensor) -> Tensor:
        """Resize [B, C, H, W] to size."""
        if self.rule != "legacy":
            return functional.interpolate(x, self.size, mode="bilinear", align_corners=self.rule == "corners")
        for axis, size in ((2, self.size[0]), (3, self.size[1])):
            x = _resize_legacy(x, axis, size)
        return x


def _resize_legacy(x: Tensor, axis: int, size: int) -> Tensor:
    length = x.shape[axis]
    place = torch.arange(size, dtype=torch.float32, device=x.device) * (length / size)
    low = place.floor().long().clamp(max=length - 1)
    high = (low + 1).clamp(max=length - 1)
    share = (place - low).to(x.dtype).reshape([-1 if i == axis else 1 for i in range(4)])
    below = x.index_select(axis, low)
    return below + (x.index_select(axis, high) - below) * share


class Simple(nn.Module):
    """Operations without weights, chosen by name."""

    def __init__(self, entry: Entry) -> None:
        super().__init__()
        self.entry = entry
        self.run: Callable[..., Tensor] = getattr(self, entry["op"])

    def forward(self, *inputs: Tensor) -> Tensor:
        """Run the operation."""
        return self.run(*inputs)

    def pad(self, x: Tensor) -> Tensor:
        """Add zeros."""
        return functional.pad(x, self.entry["pad"])

    def mean(self, x: Tensor) -> Tensor:
        """Mean over height and width."""
        return x.mean((2, 3), keepdim=self.entry["keep"])

    def relu(self, x: Tensor) -> Tensor:
        """Cut below zero."""
        return functional.relu(x)

    def hard_swish(self, x: Tensor) -> Tensor:
        """Piecewise form of x * sigmoid(x)."""
        return functional.hardswish(x)

    def sigmoid(self, x: Tensor) -> Tensor:
        """Logistic function."""
        return torch.sigmoid(x)

    def concat(self, *inputs: Tensor) -> Tensor:
        """Put side by side."""
        return torch.cat(inputs, self.entry["axis"])

    def flatten(self, x: Tensor) -> Tensor:
        """[B, C, H, W] to [B, H * W * C / last, last], or [B, C * H * W] when last is 0; channels run fastest."""
        rows, last = rearrange(x, "b c h w -> b (h w c)"), self.entry["last"]
        return rows.reshape(len(x), -1, last) if last else rows

    def depth_to_space(self, x: Tensor) -> Tensor:
        """Unfold channels into blocks, the block's place running slower than the channel (TensorFlow's order)."""
        block = self.entry["block"]
        pattern = "b (row column c) h w -> b c (h row) (w column)"
        return rearrange(x, pattern, row=block, column=block)


OPERATIONS: dict[str, Callable[[Entry], nn.Module]] = {
    "conv": Conv,
    "conv_transpose": ConvTranspose,
    "linear": Linear,
    "prelu": PRelu,
    "add": Combine,
    "mul": Combine,
    "max_pool": Pool,
    "average_pool": Pool,
    "resize": Resize,
    **dict.fromkeys(("pad", "mean", "relu", "hard_swish", "sigmoid", "concat", "flatten", "depth_to_space"), Simple),
}


class Graph(nn.Module):
    """A network built from the metadata of its weights file.

    metadata: of the safetensors file; its "graph" is the JSON description. Raises BadWeights when it is not one, or
    holds an operation that is not known. Input: float [B, C, H, W] of exactly ``size``; output: named tensors.
    """

    def __init__(self, metadata: Mapping[str, str]) -> None:
        super().__init__()
        try:
            graph = json.loads(metadata["graph"])
            channels, height, width = graph["input"]
            steps = [(entry["in"], entry["out"]) for entry in graph["ops"]]
            self.start: str = steps[0][0][0]
            self.outputs: dict[str, str] = dict(graph["outputs"])
            self.ops = nn.ModuleList(_build_operation(entry) for entry in graph["ops"])
        except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
            raise BadWeights(f"the file holds no network description we can read ({error!r})", fix=_AGAIN) from error
        self.channels, self.size = int(channels), (int(height), int(width))
        self.steps = _find_last_uses(steps, set(self.outputs.values()))

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Outputs by name."""
        values = {self.start: x}
        for op, (inputs, output, spent) in zip(self.ops, self.steps):  # noqa: B905 (built together)
            values[output] = op(*(values[name] for name in inputs))
            for name in spent:
                del values[name]
        return {name: values[key] for name, key in self.outputs.items()}


_AGAIN = "reinstall the package, or convert the file again with tools/convert_mediapipe.py"


def _build_operation(entry: Entry) -> nn.Module:
    kind = entry["op"]
    if kind not in OPERATIONS:
        raise BadWeights(f"the network has an operation {kind!r} that is not known", fix=_AGAIN)
    return OPERATIONS[kind](entry)


def _find_last_uses(steps: list[tuple[list[str], str]], outputs: set[str]) -> list[tuple[list[str], str, list[str]]]:
    seen = set(outputs)
    result: list[tuple[list[str], str, list[str]]] = []
    for inputs, output in reversed(steps):
        spent = [name for name in dict.fromkeys(inputs) if name not in seen]
        seen.update(spent)
        result.append((inputs, output, spent))
    return result[::-1]
