"""A small network that reads depth, classes, joints and attributes from a picture of the world; it only judges."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from ..training.data import read_scenes
from ..training.loop import Part
from ..training.vae import to_planes
from ..world.spec import sample_spec
from ..world.truth import ADE20K
from .attributes import PLACED, UNASKED, WHOLE, encode_specs

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor

    from ....core.networks.placement import Placement

WIDTHS = (24, 48, 72, 96)
CLASSES = tuple(sorted(ADE20K.values()))
JOINTS = 18
DENSE = len(CLASSES) + 1 + JOINTS
"""Channels for each pixel: classes, nearness, a heat map for each joint."""
COLUMNS = ((0, 4), (2, 6), (4, 8))
"""Of eight, those that a place is judged by."""
RARE = -5.0
"""What the logit of a joint begins with: most pixels are none."""
HEAT = 2.5
"""Deviation of a joint's heat in pixels."""
THINGS_WEIGHT = 4.0
JUDGED = 64


class Judge(nn.Module):
    """Pictures -1 to 1 [N, 3, 128, 128] to what they show."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.ModuleList(_build_block(a, b) for a, b in zip((12, *WIDTHS), WIDTHS, strict=False))
        pairs = tuple(pairwise(WIDTHS))
        self.up = nn.ModuleList(_build_block(a + b, a) for a, b in reversed(pairs))
        self.dense = nn.Conv2d(WIDTHS[0], 4 * DENSE, 1)
        bias = self.dense.bias
        assert bias is not None
        nn.init.constant_(bias[4 * (DENSE - JOINTS) :], RARE)
        self.place = _build_head(sum(PLACED.values()))
        self.whole = _build_head(sum(WHOLE.values()))

    def forward(self, pictures: Tensor) -> dict[str, Tensor]:
        """Logits: classes [N, C, H, W], joints [N, 18, H, W], attributes [N, answers, 3] or [N, answers]; nearness."""
        levels = self.find_levels(pictures)
        x = deep = levels[-1]
        for block, level in zip(self.up, levels[-2::-1], strict=True):
            x = block(torch.cat([F.interpolate(x, scale_factor=2.0), level], 1))
        dense = F.pixel_shuffle(self.dense(x), 2)
        classes, nearness, joints = dense.split([len(CLASSES), 1, JOINTS], 1)
        places = torch.stack([self.place(pool_features(deep[..., a:b])) for a, b in COLUMNS], -1)
        answers = dict(zip(PLACED, places.split([*PLACED.values()], 1), strict=True))
        answers |= dict(zip(WHOLE, self.whole(pool_features(deep)).split([*WHOLE.values()], 1), strict=True))
        return {"classes": classes, "nearness": nearness[:, 0], "joints": joints, **answers}

    def find_levels(self, pictures: Tensor) -> list[Tensor]:
        """Features at each size, from half of the picture's on."""
        x = F.pixel_unshuffle(pictures, 2)
        levels: list[Tensor] = []
        for index, block in enumerate(self.down):
            x = block(F.max_pool2d(x, 2) if index else x)
            levels.append(x)
        return levels


class JudgePart(Part):
    """Trains the judge on scenes, a little blurred and noisy as generated pictures are."""

    name = "judge"
    rate = 4e-3
    batches = (16, 128)
    decay = 0.998

    def __init__(self, placement: Placement, scenes: Path, *, start: Path | None = None, batch: int = 0) -> None:
        super().__init__(placement, batch)
        self.module = Judge().to(self.device)
        self._data, self._held = (read_truth(scenes, self.device, held_out=held) for held in (False, True))

    def compute_loss(self, share: float) -> Tensor:
        """Sum of the errors of everything that it reads."""
        chosen = self.choose(len(self._data["pictures"]))
        rows = {name: value[chosen] for name, value in self._data.items()}
        pictures = to_planes(rows["pictures"])
        if torch.rand(()) < 0.4:
            pictures = F.avg_pool2d(F.pad(pictures, (1, 1, 1, 1), mode="replicate"), 3, 1)
        pictures = pictures + torch.randn_like(pictures) * 0.08 * float(torch.rand(()))
        with self.autocast():
            found = self.module(pictures)
        return _compare({name: value.float() for name, value in found.items()}, rows)

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Right pixels, error of nearness, and right kinds, on scenes that are not trained on."""
        rows = {name: value[:JUDGED] for name, value in self._held.items()}
        self.module.eval()
        found = self.module(to_planes(rows["pictures"]))
        self.module.train()
        return {
            "pixels": float((found["classes"].argmax(1) == rows["classes"]).float().mean()),
            "nearness": float((found["nearness"] - rows["nearness"]).square().mean().sqrt()),
            "kind": float((found["kind"].argmax(1) == rows["kind"]).float().mean()),
        }


def read_truth(scenes: Path, device: torch.device, *, held_out: bool) -> dict[str, Tensor]:
    """Pictures and all that is asked of them."""
    fields = read_scenes(scenes, ("pictures", "depth", "classes", "joints", "seeds"), held_out=held_out)
    specs = [sample_spec(np.random.default_rng(int(seed))) for seed in fields["seeds"]]
    number = np.zeros(256, np.int64)
    number[list(CLASSES)] = np.arange(len(CLASSES))
    truth: dict[str, Any] = {
        "pictures": fields["pictures"],
        "nearness": fields["depth"],
        "classes": number[fields["classes"]].astype(np.uint8),
        "joints": fields["joints"].astype(np.float32),
        **encode_specs(specs),
    }
    tensors = {name: torch.from_numpy(value).to(device) for name, value in truth.items()}
    return {**tensors, "nearness": tensors["nearness"].float() / 255}


@torch.no_grad()
def read_pictures(judge: Judge, pictures: NDArray[np.uint8], batch: int = 16) -> dict[str, NDArray[Any]]:
    """What pictures show: classes (ADE20K's numbers), nearness, joints (heat maps, 0 to 1), answers by attribute."""
    judge.eval()
    device = next(judge.parameters()).device
    split = torch.from_numpy(pictures).split(batch)
    parts = [judge(to_planes(part.to(device))) for part in split]
    joined = {name: torch.cat([part[name] for part in parts]).float().cpu() for name in parts[0]}
    answers = {name: joined[name].argmax(1).numpy() for name in (*PLACED, *WHOLE)}
    classes = np.array(CLASSES)[joined["classes"].argmax(1).numpy()]
    return {
        "classes": classes,
        "nearness": joined["nearness"].clamp(0, 1).numpy(),
        "joints": joined["joints"].sigmoid().numpy(),
        **answers,
    }


@torch.no_grad()
def judge_answers(judge: Judge, pictures: NDArray[np.uint8], wanted: Mapping[str, NDArray[Any]]) -> float:
    """Mean logarithm of the probability that a judge gives to what is wanted of pictures; nearer to 0 is better."""
    judge.eval()
    device = next(judge.parameters()).device
    answers = judge(to_planes(torch.from_numpy(pictures).to(device)))
    sums, counts = 0.0, 0
    for name, values in wanted.items():
        right = torch.from_numpy(values).to(device)
        error = F.cross_entropy(answers[name].float(), right, ignore_index=UNASKED, reduction="sum")
        sums, counts = sums - float(error), counts + int((right != UNASKED).sum())
    return sums / max(counts, 1)


def find_joints(heat: NDArray[Any], wanted: NDArray[Any]) -> NDArray[np.float64]:
    """Brightest point of each joint's heat [18, H, W] near each wanted person [P, 18, 2]; NaN where none is wanted."""
    found = np.full(wanted.shape, np.nan)
    for person, joints in enumerate(wanted):
        there = ~np.isnan(joints).any(1)
        if not there.any():
            continue
        low, high = joints[there].min(0) - 12, joints[there].max(0) + 12
        x1, y1 = (max(int(v), 0) for v in low)
        x2, y2 = (min(int(v) + 1, heat.shape[-1]) for v in high)
        part = heat[:, y1:y2, x1:x2]
        rows, columns = np.unravel_index(part.reshape(len(part), -1).argmax(1), part.shape[1:])
        found[person] = np.stack([columns + x1 + 0.5, rows + y1 + 0.5], 1)
    return found


def draw_heat(joints: Tensor, size: int) -> Tensor:
    """Heat maps [N, 18, size, size] of people's joints [N, P, 18, 2] in pixels, NaN where there is none."""
    steps = torch.arange(size, device=joints.device) + 0.5
    across = ((steps - joints[..., 0:1]) / HEAT).square()
    down = ((steps - joints[..., 1:2]) / HEAT).square()
    heat = torch.exp(-0.5 * (across[..., None, :] + down[..., :, None]))
    return heat.nan_to_num(0).amax(1)


def _compare(found: dict[str, Tensor], wanted: dict[str, Tensor]) -> Tensor:
    weights = torch.tensor([THINGS_WEIGHT if c in (4, 12, 25, 55, 119) else 1.0 for c in CLASSES])
    classes = F.cross_entropy(found["classes"], wanted["classes"].long(), weight=weights.to(found["classes"].device))
    nearness = 4 * (found["nearness"] - wanted["nearness"]).abs().mean()
    heat = draw_heat(wanted["joints"], found["joints"].shape[-1])
    joints = 10 * F.binary_cross_entropy_with_logits(found["joints"], heat, pos_weight=torch.full((1,), 4.0).to(heat))
    answers = [
        F.cross_entropy(found[name], wanted[name], ignore_index=UNASKED)
        for name in (*PLACED, *WHOLE)
        if (wanted[name] != UNASKED).any()
    ]
    return classes + nearness + joints + 0.3 * torch.stack(answers).sum()


def _build_block(inputs: int, outputs: int) -> nn.Sequential:
    def layer(a: int, b: int) -> list[nn.Module]:
        return [nn.Conv2d(a, b, 3, padding=1), nn.GroupNorm(8, b), nn.SiLU()]

    return nn.Sequential(*layer(inputs, outputs), *layer(outputs, outputs))


def _build_head(outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(2 * WIDTHS[-1], 128), nn.SiLU(), nn.Linear(128, outputs))


def pool_features(features: Tensor) -> Tensor:
    """Mean and maximum of features [N, C, H, W], [N, 2 C]."""
    return torch.cat([features.mean((2, 3)), features.amax((2, 3))], 1)
