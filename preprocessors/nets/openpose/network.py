"""The convolutional pose machines of OpenPose: body, hand and face. Needs torch.

Papers: Cao et al., "Realtime Multi-Person 2D Pose Estimation using Part Affinity Fields", CVPR 2017 (arXiv:1611.08050);
Simon et al., "Hand Keypoint Detection in Single Images using Multiview Bootstrapping", CVPR 2017 (arXiv:1704.07809);
Wei et al., "Convolutional Pose Machines", CVPR 2016. The weights are CMU's, for academic, non-commercial use only.

All take BGR pictures [B, 3, H, W] in 0..255 with sides that are multiples of 8; maps have an eighth of their size.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional as F

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from torch import Tensor

STRIDE = 8
PARTS, FIELDS = 19, 38
"""Heat maps (18 joints and background) and part affinity fields (19 limbs, x and y) of the body network."""
HAND_MAPS, FACE_MAPS = 22, 71
"""21 joints and 70 landmarks, and the background."""

Layer = tuple[str, int, int, int]
"""Name, channels in, channels out, side of the kernel."""

VGG: tuple[tuple[Layer, ...], ...] = (
    (("conv1_1", 3, 64, 3), ("conv1_2", 64, 64, 3)),
    (("conv2_1", 64, 128, 3), ("conv2_2", 128, 128, 3)),
    (("conv3_1", 128, 256, 3), ("conv3_2", 256, 256, 3), ("conv3_3", 256, 256, 3), ("conv3_4", 256, 256, 3)),
)
"""Blocks of VGG-19 that are followed by a maximum over 2 x 2."""
BODY_STEM: tuple[Layer, ...] = (
    *(("conv4_1", 256, 512, 3), ("conv4_2", 512, 512, 3)),
    *(("conv4_3_CPM", 512, 256, 3), ("conv4_4_CPM", 256, 128, 3)),
)
PART_STEM: tuple[Layer, ...] = (
    *(("conv4_1", 256, 512, 3), ("conv4_2", 512, 512, 3), ("conv4_3", 512, 512, 3), ("conv4_4", 512, 512, 3)),
    *(("conv5_1", 512, 512, 3), ("conv5_2", 512, 512, 3), ("conv5_3_CPM", 512, 128, 3)),
)
STAGES = range(2, 7)


class PoseMachine(nn.Module):
    """Convolutions under their official names, which are flat."""

    def add(self, layers: Iterable[Layer]) -> list[str]:
        """Make the convolutions (size kept) and return their names in order."""
        names: list[str] = []
        for name, channels_in, channels_out, side in layers:
            self.add_module(name, nn.Conv2d(channels_in, channels_out, side, padding=side // 2))
            names.append(name)
        return names

    def stem(self, x: Tensor, names: Sequence[str]) -> Tensor:
        """Features [B, 128, H / 8, W / 8]."""
        x = x / 256 - 0.5  # exact in bfloat16
        for block in VGG:
            x = F.max_pool2d(self.chain(x, [layer[0] for layer in block], open_end=False), 2)
        return self.chain(x, names, open_end=False)

    def chain(self, x: Tensor, names: Sequence[str], *, open_end: bool = True) -> Tensor:
        """Convolutions with ReLU between them, and after the last one unless the end is open."""
        for index, name in enumerate(names):
            x = self.get_submodule(name)(x)
            if not open_end or index + 1 < len(names):
                x = F.relu(x, inplace=True)
        return x


def refinement_layers(stage: int, channels_in: int, maps: int, suffix: str = "") -> list[Layer]:
    """Layers of one of the stages 2 to 6."""
    wide = [(f"Mconv{i}_stage{stage}{suffix}", 128 if i > 1 else channels_in, 128, 7) for i in range(1, 6)]
    narrow = [(f"Mconv6_stage{stage}{suffix}", 128, 128, 1), (f"Mconv7_stage{stage}{suffix}", 128, maps, 1)]
    return wide + narrow


class Body(PoseMachine):
    """Maps [B, 57, H / 8, W / 8]: 19 heat maps, then 38 part affinity fields.

    The ReLU behind the last heat-map convolution is the published files' own: they were used with it everywhere.
    """

    def __init__(self) -> None:
        super().__init__()
        self.backbone = self.add([*VGG[0], *VGG[1], *VGG[2], *BODY_STEM])[-len(BODY_STEM) :]
        self.fields = [self.add(self._first(FIELDS, "L1"))]
        self.parts = [self.add(self._first(PARTS, "L2"))]
        for stage in STAGES:
            self.fields.append(self.add(refinement_layers(stage, 128 + FIELDS + PARTS, FIELDS, "_L1")))
            self.parts.append(self.add(refinement_layers(stage, 128 + FIELDS + PARTS, PARTS, "_L2")))

    @staticmethod
    def _first(maps: int, branch: str) -> list[Layer]:
        wide = [(f"conv5_{i}_CPM_{branch}", 128, 128, 3) for i in (1, 2, 3)]
        return [*wide, (f"conv5_4_CPM_{branch}", 128, 512, 1), (f"conv5_5_CPM_{branch}", 512, maps, 1)]

    def forward(self, x: Tensor) -> Tensor:
        """All stages; only the last one's maps come out."""
        features = self.stem(x, self.backbone)
        fields, parts = self.chain(features, self.fields[0]), self.chain(features, self.parts[0])
        for to_fields, to_parts in zip(self.fields[1:], self.parts[1:], strict=True):
            seen = torch.cat([fields, parts, features], 1)
            fields, parts = self.chain(seen, to_fields), self.chain(seen, to_parts)
        return torch.cat([F.relu(parts), fields], 1)


class Part(PoseMachine):
    """Heat maps [B, maps, H / 8, W / 8] of the joints of a hand or the landmarks of a face, background last."""

    def __init__(self, maps: int) -> None:
        super().__init__()
        self.backbone = self.add([*VGG[0], *VGG[1], *VGG[2], *PART_STEM])[-len(PART_STEM) :]
        self.stages = [self.add([("conv6_1_CPM", 128, 512, 1), ("conv6_2_CPM", 512, maps, 1)])]
        self.stages += [self.add(refinement_layers(stage, 128 + maps, maps)) for stage in STAGES]

    def forward(self, x: Tensor) -> Tensor:
        """All stages; only the last one's maps come out."""
        features = self.stem(x, self.backbone)
        heat = self.chain(features, self.stages[0])
        for stage in self.stages[1:]:
            heat = self.chain(torch.cat([heat, features], 1), stage)
        return heat


def build_body(metadata: Mapping[str, str]) -> Body:
    """Every file of this network has the same shapes, so its metadata decides nothing."""
    return Body()


def build_hand(metadata: Mapping[str, str]) -> Part:
    """Network of hands."""
    return Part(HAND_MAPS)


def build_face(metadata: Mapping[str, str]) -> Part:
    """Network of faces."""
    return Part(FACE_MAPS)
