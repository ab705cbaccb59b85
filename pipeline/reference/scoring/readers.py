"""Readers of what the judge does not know: a style of pictures, or a guest in one of the three places.

Each is a linear classifier (ridge regression on -1 and 1) of what the judge's network sees in pictures, fitted on
scenes with and without, after the VAE, so that it is asked about content and not about how pictures were made.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F

from ..training.vae import to_planes
from .judge import COLUMNS, pool_features

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from .judge import Judge

    Pictures = NDArray[np.uint8]

PENALTY = 0.3
"""Of the ridge regression, on features of unit variance, for each sample."""


class LinearReader:
    """Answers about rows of features [N, D]: around 1 where there is what it was fitted on, around -1 where not."""

    def __init__(self, features: Tensor, there: NDArray[np.bool_]) -> None:
        self._mean, self._scale = features.mean(0), features.std(0) + 1e-4
        x = F.pad((features - self._mean) / self._scale, (0, 1), value=1.0).double()
        wanted = torch.from_numpy(np.where(there, 1.0, -1.0))
        weights = torch.from_numpy(np.where(there, 1 / max(there.sum(), 1), 1 / max((~there).sum(), 1)))
        square = x.T @ (weights[:, None] * x)
        self._weights = torch.linalg.solve(square + PENALTY * torch.eye(len(square)).double(), x.T @ (weights * wanted))

    def read(self, features: Tensor) -> NDArray[np.float64]:
        """Answers [N]."""
        x = F.pad((features - self._mean) / self._scale, (0, 1), value=1.0).double()
        return np.asarray((x @ self._weights).numpy())


@torch.no_grad()
def read_features(judge: Judge, pictures: Pictures, batch: int = 16) -> tuple[Tensor, Tensor]:
    """What the judge's network sees: of whole pictures [N, D], and of each place [N, 3, D]."""
    judge.eval()
    whole: list[Tensor] = []
    places: list[Tensor] = []
    device = next(judge.parameters()).device
    for part in torch.from_numpy(pictures).split(batch):
        levels = judge.find_levels(to_planes(part.to(device)))
        shallow = [torch.cat([level.mean((2, 3)), level.std((2, 3))], 1) for level in levels[:2]]
        whole.append(torch.cat(shallow, 1).cpu())
        deep = [
            torch.cat([pool_features(level[..., _cut(level, a, b)]) for level in levels[1:]], 1) for a, b in COLUMNS
        ]
        places.append(torch.stack(deep, 1).cpu())
    return torch.cat(whole), torch.cat(places)


def _cut(level: Any, start: int, end: int) -> slice:
    """Columns of a level that belong to eighths of the picture."""
    eighth = level.shape[-1] // 8
    return slice(start * eighth, end * eighth)
