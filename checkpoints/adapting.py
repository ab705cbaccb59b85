"""LoRAs as inputs of a merge: the plan of `lora bake`, computed weight by weight in float32."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from ..adapters.applying.baked_weights import BakedWeights, FileWeights
from ..adapters.applying.checkpoint import FileCheckpoint
from ..adapters.applying.fitness import check_finite
from ..adapters.applying.plan import check_receipt, make_plan, make_receipt
from ..adapters.modules.parts import PARTS
from ..adapters.prompts.block_weights import parse_blocks
from ..adapters.reading.load import load_adapter
from ..core.report_text import text_lines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..core.tensor_files.tensor_reader import TensorReader
    from .recipe import Lora


def bake_loras(reader: TensorReader, loras: Sequence[Lora]) -> tuple[BakedWeights, list[str]]:
    """Weights of a checkpoint that LoRAs change, and what was applied of each. Raises as `lora bake`."""
    requests = [
        (
            load_adapter(lora.path),
            lora.unet,
            lora.unet if lora.text_encoder is None else lora.text_encoder,
            parse_blocks(lora.blocks) if lora.blocks else None,
        )
        for lora in loras
    ]
    for request in requests:
        check_finite(request[0])
    checkpoint = FileCheckpoint(reader)
    weights = FileWeights(checkpoint)
    plan = make_plan(dict.fromkeys(PARTS, weights), requests)
    receipt = make_receipt(requests, plan)
    check_receipt(receipt, allow_empty=False)
    return BakedWeights(checkpoint, weights, plan, "base", torch.float32), [text_lines(receipt)]
