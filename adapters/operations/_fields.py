"""Parameters that several operations on LoRA files share, and what they mean together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from ...core.errors import BadParameter
from ...core.params import between

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...core.operation import WeightedLora
    from ..adapter import Adapter
    from ..tools.svd import RankRule

MAX_RANK = 100_000
DEFAULT_RANK = 32

RANK = "Ranks to keep, or the most of them when a share is given"
Frobenius = Annotated[float, between(0, 1, "Keep ranks until they make up this share of the norm; 0: off", step=0.01)]
Cumulative = Annotated[
    float, between(0, 1, "Keep ranks until they make up this share of the sum of singular values; 0: off", step=0.01)
]
Ratio = Annotated[
    float,
    between(0, 1e9, "Keep ranks whose singular value is at least the largest divided by this; 0: off", step=0.1),
]
DType = Literal["float16", "bfloat16", "float32"]


def rank_rule(rank: int, ratio: float, cumulative: float, frobenius: float) -> RankRule | None:
    """The rule that the rank parameters ask for; None when none was given. Raises BadParameter."""
    from ..tools.svd import RankRule

    shares = {"ratio": ratio, "cumulative": cumulative, "frobenius": frobenius}
    chosen = [(kind, value) for kind, value in shares.items() if value]
    if len(chosen) > 1:
        names = " and ".join(kind for kind, _ in chosen)
        raise BadParameter("exclude each other", where=names, fix="give one of ratio, cumulative and frobenius")
    if chosen:
        kind, value = chosen[0]
        return RankRule(rank or MAX_RANK, kind, value)  # type: ignore[arg-type]
    return RankRule(rank) if rank else None


def load_weighted(loras: Sequence[WeightedLora]) -> list[tuple[Adapter, float, float]]:
    """Adapters with their strengths on the UNet and on the text encoders. Raises as `load_adapter`."""
    from ..prompts.requests import truncate_ranks
    from ..reading.load import load_adapter

    return [(truncate_ranks(load_adapter(lora.path), lora.ranks), lora.unet, lora.text_encoder) for lora in loras]
