"""The names that tensors of one module carry in files, and those that are recognised and refused.

Facts: LyCORIS, kohya sd-scripts, PEFT, A1111 and diffusers, read in source. No torch here.
"""

from __future__ import annotations

import re
from functools import lru_cache

ALIASES: dict[str, tuple[str, ...]] = {
    "up": (
        "lora_up.weight", "lora_B.weight", "lora.up.weight", "_lora.up.weight", "lora_linear_layer.up.weight", "lora_B",
    ),
    "down": (
        "lora_down.weight", "lora_A.weight", "lora.down.weight", "_lora.down.weight", "lora_linear_layer.down.weight",
        "lora_A",
    ),
    "mid": ("lora_mid.weight", "lora.mid.weight"),
    "up_bias": ("lora_B.bias", "lora_up.bias"),
    "magnitude": ("lora_magnitude_vector", "lora_magnitude_vector.weight", "magnitude"),
    "oft_R": ("oft_R.weight", "oft_R"),
}  # fmt: skip
"""Our name of a tensor to the suffixes it has in files; a name without an entry is its own suffix."""

_PEFT_METHODS = (
    "vera", "hra", "hira", "vblora", "fourierft", "randlora", "bone", "miss", "waveft", "c3a", "shira", "gralora",
    "road",
)  # fmt: skip
REFUSED: tuple[tuple[str, str], ...] = (
    (r"lora_[AB]\.\d+", "a raw DyLoRA file: save it merged to a LoRA of one rank with kohya's resize script first"),
    (r"lora_embedding_[AB](\..*)?", "PEFT's LoRA of an embedding table is not supported"),
    (r"oft_embedding_R(\..*)?", "PEFT's OFT of an embedding table is not supported"),
    (r"lokr_t1", "a LoKr with a core in its first operand is not supported: no trainer writes it"),
    (r"bias_(indices|values|size)", "sparse differences of old LyCORIS extractions are not supported"),
    (r"lambda_layer|[pq]_layer\.weight", "T-LoRA is not supported: its effect depends on the time step"),
    (r"oft_r", "OFT of PEFT before 0.14 is not supported: PEFT itself no longer reads it"),
    (r"lora_E|ranknum", "AdaLoRA is not supported"),
    (r"modules_to_save\..*", "a module trained in full beside a PEFT adapter is not supported"),
    (rf"({'|'.join(_PEFT_METHODS)})_.*", "this method of PEFT is not supported"),
    (r"trainable_tokens_.*", "PEFT's trained tokens are not supported"),
    (r"oft_R\.cans.*", "OneTrainer's OFT with another series (CANS) is not supported"),
    (r"lora_diag", "KaSA is not supported: it cuts the base weight as well"),
)  # fmt: skip
"""Patterns of whole suffixes that change the result and that no delta here covers, each with its reason."""


@lru_cache(maxsize=4096)
def find_refusal(suffix: str) -> str | None:
    """Why a suffix makes its whole module unusable, or None."""
    return next((reason for pattern, reason in REFUSED if re.fullmatch(pattern, suffix)), None)
