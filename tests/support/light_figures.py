"""Stand-ins for YOLOX and RTMPose on torch, with the answers of those in tests/support/onnx_stand_ins.py."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from tests.support import pose_answers
from torch import nn

from underdrawing.preprocessors.nets import rtmpose, yolox

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor


class Boxes(nn.Module):
    """YOLOX's answer."""

    def __init__(self) -> None:
        super().__init__()
        self.fixed, self.live = map(torch.from_numpy, pose_answers.boxes())

    def forward(self, x: Tensor) -> Tensor:
        """[1, 3, 640, 640] -> [1, 8400, 85]."""
        return self.fixed.to(x) + self.live.to(x) * x.mean()


class Curves(nn.Module):
    """RTMPose's answer."""

    def __init__(self, size: tuple[int, int], count: int) -> None:
        super().__init__()
        self.axes = [(torch.from_numpy(w), torch.from_numpy(b)) for w, b in pose_answers.curves(size, count)]

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """[B, 3, H, W] -> curves over columns and rows."""
        means = x.mean((2, 3))
        return tuple((means @ w.to(x)).reshape(-1, *b.shape) + b.to(x) for w, b in self.axes)


def _curves(shape: rtmpose.Variant) -> Callable[[Any], nn.Module]:
    return lambda metadata: Curves(shape.size, shape.keypoints)


BUILDERS: dict[Callable[[Any], nn.Module], Callable[[Any], nn.Module]] = {
    yolox.build: lambda metadata: Boxes(),
    rtmpose.build_whole_body: _curves(rtmpose.WHOLE_BODY),
    rtmpose.build_animal: _curves(rtmpose.ANIMAL),
}
