"""Several processes that train one part together: on a CPU, processes of one thread are faster than threads."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from torch import Tensor, nn

PATIENCE = timedelta(minutes=30)
"""How long one process waits for the others; they may be slowed down by other work."""


class Workers:
    """The processes of a run, and which of them this is. meeting: file through which they find each other."""

    def __init__(self, rank: int = 0, count: int = 1, meeting: Path | None = None) -> None:
        self.rank, self.count = rank, count
        if count > 1:
            import torch.distributed as distributed

            assert meeting is not None
            distributed.init_process_group(
                "gloo", init_method=f"file://{meeting.resolve()}", rank=rank, world_size=count, timeout=PATIENCE
            )

    def average_gradients(self, module: nn.Module) -> None:
        """Replace each gradient by its mean over the processes."""
        gradients = [p.grad for p in module.parameters() if p.grad is not None]
        self.add(gradients)
        for gradient in gradients:
            gradient /= self.count

    def add(self, tensors: Sequence[Tensor]) -> None:
        """Replace each tensor by its sum over the processes, which all have tensors of these shapes."""
        if self.count == 1:
            return
        import torch.distributed as distributed

        joined = torch.cat([tensor.flatten() for tensor in tensors])
        distributed.all_reduce(joined)
        for tensor, total in zip(tensors, joined.split([t.numel() for t in tensors]), strict=True):
            tensor.copy_(total.view_as(tensor))

    def share_first(self, value: float) -> float:
        """The first process's value, so that all stop at the same step."""
        if self.count == 1:
            return value
        import torch.distributed as distributed

        shared = torch.tensor([value], dtype=torch.float64)
        distributed.broadcast(shared, 0)
        return float(shared)
