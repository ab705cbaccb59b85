"""Orthogonal fine-tuning: OFT and BOFT of LyCORIS and kohya turn output rows, PEFT's turn input columns."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch

from .base import Delta, count_columns, find_dims_fault, flatten_factor, to_float32

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor


def _turn(skew: Tensor) -> Tensor:
    """Cayley's (I + Q)(I - Q)^-1 - I for skew matrices Q [..., b, b], as 2 Q (I - Q)^-1: exact for small Q."""
    eye = torch.eye(skew.shape[-1], dtype=skew.dtype, device=skew.device)
    return torch.linalg.solve(eye - skew, 2 * skew)


def _skew(blocks: Tensor, constraint: float, rows: int, like: Tensor) -> Tensor:
    """B - B^T; with a constraint the norm over all blocks of the layer is at most constraint * rows."""
    stored = to_float32(blocks, like)
    skew = stored - stored.transpose(-1, -2)
    if constraint <= 0:
        return skew
    norm = float(torch.linalg.vector_norm(skew)) + 1e-8
    return skew * min(1.0, constraint * rows / norm)


def _blocks_fault(kind: str, blocks: Tensor, axes: int, rows: int) -> str | None:
    """Why square blocks [..., n, b, b] do not cover an axis of that length."""
    fault = find_dims_fault(f"the blocks of {kind}", blocks, axes)
    if fault:
        return fault
    count, size = blocks.shape[-3], blocks.shape[-1]
    if blocks.shape[-2] != size:
        return f"the blocks of {kind} are not square: {list(blocks.shape)}"
    return None if count * size == rows else f"{kind} of {count} blocks of {size} does not fit an axis of {rows}"


def _rescale_fault(rescale: Tensor | None, rows: int) -> str | None:
    if rescale is None or rescale.numel() == rows:
        return None
    return f"a rescale of {rescale.numel()} values does not fit {rows} outputs"


def _rescaled(change: Tensor, base: Tensor, rescale: Tensor | None) -> Tensor:
    """rescale * (W + change) - W, without a difference of large numbers. Both [O, columns]."""
    if rescale is None:
        return change
    rows = to_float32(rescale, base).reshape(-1, 1)
    return torch.addcmul(change * rows, base, rows - 1)


@dataclass(frozen=True, eq=False, kw_only=True)
class OFT(Delta):
    """rescale * R^T W - W by blocks of rows, R = (I + Q)(I - Q)^-1, Q = B - B^T (2306.07280; LyCORIS, kohya).

    blocks [n, b, b], n*b = O. constraint: the file's alpha; Q's norm over all blocks is at most alpha * O, 0 is none.
    rescale: O values or None.
    """

    algorithm: ClassVar[str] = "oft"
    uses_base: ClassVar[bool] = True

    blocks: Tensor
    constraint: float = 0.0
    rescale: Tensor | None = None

    def _fault(self, shape: Sequence[int]) -> str | None:
        return _blocks_fault("OFT", self.blocks, 3, shape[0]) or _rescale_fault(self.rescale, shape[0])

    def _change(self, base: Tensor) -> Tensor:
        turn = _turn(_skew(self.blocks, self.constraint, base.shape[0], base))
        rows = base.reshape(*turn.shape[:2], count_columns(base.shape))
        change = (turn.transpose(1, 2) @ rows).reshape(base.shape[0], count_columns(base.shape))
        return _rescaled(change, flatten_factor(base), self.rescale).reshape(base.shape)


@dataclass(frozen=True, eq=False, kw_only=True)
class RotationOFT(Delta):
    """R^T W - W by blocks of rows with the rotations stored themselves (oft_diag of LyCORIS 2.0; no alpha)."""

    algorithm: ClassVar[str] = "oft"
    uses_base: ClassVar[bool] = True

    oft_diag: Tensor

    def _fault(self, shape: Sequence[int]) -> str | None:
        return _blocks_fault("OFT", self.oft_diag, 3, shape[0])

    def _change(self, base: Tensor) -> Tensor:
        turns = to_float32(self.oft_diag, base)
        rows = base.reshape(*turns.shape[:2], count_columns(base.shape))
        return (turns.transpose(1, 2) @ rows).reshape(base.shape).sub_(base)


@dataclass(frozen=True, eq=False, kw_only=True)
class BOFT(Delta):
    """OFT in butterfly stages (2311.06243; LyCORIS): blocks [m, n, b, b], n*b = O.

    Stage i deals rows in groups of 2 * k, k = 2^i * b / 2, so that halves alternate, multiplies by R_i block by block
    (not transposed) and deals back. constraint as for OFT, over all stages. LyCORIS interpolates every stage at
    strengths other than 1; here, as in A1111, the whole is linear.
    """

    algorithm: ClassVar[str] = "boft"
    uses_base: ClassVar[bool] = True

    blocks: Tensor
    constraint: float = 0.0
    rescale: Tensor | None = None

    def _fault(self, shape: Sequence[int]) -> str | None:
        fault = _blocks_fault("BOFT", self.blocks, 4, shape[0]) or _rescale_fault(self.rescale, shape[0])
        return fault or _stages_fault(*self.blocks.shape[:3], even=True)

    def _change(self, base: Tensor) -> Tensor:
        turns = _turn(_skew(self.blocks, self.constraint, base.shape[0], base))
        before = after = flatten_factor(base)
        size = turns.shape[-1]
        for stage, turn in enumerate(turns):
            half = 2**stage * size // 2
            dealt = after.unflatten(0, (-1, 2, half)).transpose(1, 2).reshape(-1, size, after.shape[1])
            dealt = dealt + turn @ dealt
            after = dealt.reshape(-1, half, 2, after.shape[1]).transpose(1, 2).reshape(before.shape)
        return _rescaled(after - before, before, self.rescale).reshape(base.shape)


def _stages_fault(stages: int, count: int, size: int, *, even: bool) -> str | None:
    """Why a butterfly of that many stages does not fit count blocks of that size."""
    if even and size % 2:
        return f"blocks of {size} cannot be halved for a butterfly"
    if stages > count.bit_length() or count % 2 ** (stages - 1):
        return f"a butterfly of {stages} stages does not fit {count} blocks"
    return None


@dataclass(frozen=True, eq=False, kw_only=True)
class PeftOFT(Delta):
    """PEFT's OFT turns the input side: W R^T - W by blocks of columns (of I*k*k for convolutions).

    packed [n, b*(b-1)/2]: upper triangles of skew matrices Q, n*b = I*k*k; n = 1 is shared by all blocks. neumann:
    terms of R = I + 2Q + 2Q^2 + ... as PEFT truncates it (its default is 5); None is the exact (I - Q)(I + Q)^-1,
    which in PEFT has the other sign. limit: eps of constrained OFT; each block's norm is at most eps / sqrt(n).
    scaled: OneTrainer's Scaled OFT, whose Q is divided by 2 sqrt(b-1).
    """

    algorithm: ClassVar[str] = "peft_oft"
    uses_base: ClassVar[bool] = True

    packed: Tensor
    neumann: int | None = 5
    limit: float | None = None
    scaled: bool = False

    @property
    def block(self) -> int:
        """Block size b, from the packed length b*(b-1)/2; 0 when no b has that length."""
        length = self.packed.shape[-1] if self.packed.ndim else 0
        size = (1 + math.isqrt(1 + 8 * length)) // 2
        return size if size * (size - 1) // 2 == length else 0

    def _fault(self, shape: Sequence[int]) -> str | None:
        fault = find_dims_fault("oft_R", self.packed, 2)
        if fault:
            return fault
        count, size, cols = self.packed.shape[0], self.block, count_columns(shape)
        if not size:
            return f"oft_R packs {self.packed.shape[1]} values, which is no triangle"
        if len(shape) > 1 and (count * size == cols or (count == 1 and cols % size == 0)):
            return None
        return f"PEFT's OFT of {count} blocks of {size} does not fit a weight of shape {list(shape)}"

    def _skew(self, like: Tensor) -> Tensor:
        count, size = self.packed.shape[0], self.block
        row, col = torch.triu_indices(size, size, 1)
        skew = torch.zeros(count, size, size, device=like.device)
        skew[:, row, col] = to_float32(self.packed, like)
        skew = skew - skew.transpose(1, 2)
        if self.scaled:
            skew = skew / (2 * math.sqrt(size - 1))
        if self.limit is None:
            return skew
        norm = torch.linalg.vector_norm(skew, dim=(1, 2), keepdim=True).clamp_min(1e-30)
        return skew * (self.limit / math.sqrt(count) / norm).clamp_max(1.0)

    def _change(self, base: Tensor) -> Tensor:
        skew = self._skew(base)
        turn = _turn(-skew) if self.neumann is None else _neumann(skew, self.neumann)
        blocks = base.reshape(base.shape[0], -1, turn.shape[-1]).transpose(0, 1)
        return (blocks @ turn.transpose(1, 2)).transpose(0, 1).reshape(base.shape)


def _neumann(skew: Tensor, terms: int) -> Tensor:
    """PEFT's truncated Cayley series minus I: 2Q + 2Q^2 + ... + Q^(terms-1), the last power once."""
    if terms < 2:
        return torch.zeros_like(skew)
    power, total = skew, 2 * skew
    if terms == 2:
        return total
    for _ in range(max(1, terms - 3)):
        power = power @ skew
        total = total + 2 * power
    return total + power @ skew


@dataclass(frozen=True, eq=False, kw_only=True)
class PeftBOFT(Delta):
    """PEFT's BOFT turns the input side and scales outputs: s * (W B^T) - W, B = B_(m-1) ... B_0.

    blocks [m, n, b, b], n*b = I*k*k: R = (I - Q)(I + Q)^-1 with Q = (A - A^T) / 2; stage i works on columns dealt in
    half blocks, 2^i apart. scale_s: O values.
    """

    algorithm: ClassVar[str] = "peft_boft"
    uses_base: ClassVar[bool] = True

    blocks: Tensor
    scale_s: Tensor | None = None

    def _fault(self, shape: Sequence[int]) -> str | None:
        if len(shape) < 2:
            return f"PEFT's BOFT does not fit a weight of shape {list(shape)}"
        fault = _blocks_fault("PEFT's BOFT", self.blocks, 4, count_columns(shape)) or _rescale_fault(
            self.scale_s, shape[0]
        )
        return fault or _stages_fault(*self.blocks.shape[:3], even=self.blocks.shape[0] > 1)

    def _change(self, base: Tensor) -> Tensor:
        stored = to_float32(self.blocks, base)
        turns = _turn((stored.transpose(-1, -2) - stored) / 2)
        before = after = flatten_factor(base).T
        size, width = turns.shape[-1], before.shape[1]
        for stage, turn in enumerate(turns):
            deal = (-1, 2, 2**stage, size // 2) if stage else (-1, 1, 1, size)
            back = (deal[0], deal[2], deal[1], deal[3])
            dealt = after.reshape(*deal, width).transpose(1, 2).reshape(-1, size, width)
            dealt = dealt + turn @ dealt
            after = dealt.reshape(*back, width).transpose(1, 2).reshape(before.shape)
        return _rescaled((after - before).T, flatten_factor(base), self.scale_s).reshape(base.shape)
