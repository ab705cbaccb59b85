"""The text encoders that are language models: T5 and those that write text, by transformers' names."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .parts import TRANSFORMER
from .transformer import LayerTable, read_layers

if TYPE_CHECKING:
    from collections.abc import Iterable

_T5 = """
shared | = | Embedding w d | plain
encoder.block.#.layer.0.SelfAttention.q | = | d d | plain
encoder.block.#.layer.0.SelfAttention.k | = | d d | plain
encoder.block.#.layer.0.SelfAttention.v | = | d d | plain
encoder.block.#.layer.0.SelfAttention.o | = | d d | plain
encoder.block.#.layer.0.SelfAttention.relative_attention_bias | = | Embedding 32 h | plain first
encoder.block.#.layer.0.layer_norm | = | RMSNorm d
encoder.block.#.layer.1.DenseReluDense.wi_0 | = | m d | plain
encoder.block.#.layer.1.DenseReluDense.wi_1 | = | m d | plain
encoder.block.#.layer.1.DenseReluDense.wo | = | d m | plain
encoder.block.#.layer.1.layer_norm | = | RMSNorm d
encoder.final_layer_norm | = | RMSNorm d
"""
_DECODER = """
embed_tokens | = | Embedding w d | plain
layers.#.self_attn.q_proj | = | q d {0}
layers.#.self_attn.k_proj | = | k d {0}
layers.#.self_attn.v_proj | = | k d {0}
layers.#.self_attn.o_proj | = | d q | plain
layers.#.self_attn.q_norm | = | RMSNorm h | if=h
layers.#.self_attn.k_norm | = | RMSNorm h | if=h
layers.#.mlp.gate_proj | = | m d | plain
layers.#.mlp.up_proj | = | m d | plain
layers.#.mlp.down_proj | = | d m | plain
layers.#.input_layernorm | = | RMSNorm d
layers.#.post_attention_layernorm | = | RMSNorm d
layers.#.pre_feedforward_layernorm | = | RMSNorm d | if=f
layers.#.post_feedforward_layernorm | = | RMSNorm d | if=f
norm | = | RMSNorm d
"""
_WRAPPERS = (TRANSFORMER, "model", "language_model", "text_model")
"""What stands before the names of a decoder's layers in the classes that hold it."""
_WRAPPED = re.compile(rf"(?:{'|'.join(_WRAPPERS)})[._](?!encoder[._]layers)")
_NUMBER = re.compile(r"(?<=[._])\d+(?=[._])")


@dataclass(frozen=True)
class LanguageModel(LayerTable):
    """A text encoder that is a language model. clip: ComfyUI's name of it."""

    clip: str = ""

    def find_name(self, name: str) -> str | None:
        """Canonical name of a layer in any spelling, of any number of blocks; None for one that it has not."""
        while (wrapped := _WRAPPED.match(name)) is not None:
            name = name[wrapped.end() :]
        number = _NUMBER.search(name)
        template = name if number is None else f"{name[: number.start()]}#{name[number.end() :]}"
        spelt = template.replace(".", "_")
        found = next((n for n in _list_names(self) if spelt == n.replace(".", "_")), None)
        return found.replace("#", number[0]) if found is not None and number is not None else found


@dataclass(frozen=True)
class T5(LanguageModel):
    """The encoder of a T5."""


def _list_names(model: LayerTable) -> Iterable[str]:
    return dict.fromkeys(layer.name for layer in model.layers)


def _make_decoder(clip: str, *, biased: bool = False, **numbers: int) -> LanguageModel:
    layers = read_layers(_DECODER.format("" if biased else "| plain"))
    return LanguageModel(layers, {"h": 0, "f": 0, **numbers}, clip)


T5_XXL = T5(read_layers(_T5), {"encoder.block": 24, "first": 1, "d": 4096, "m": 10240, "h": 64, "w": 32128}, "t5xxl")
UMT5_XXL = T5(T5_XXL.layers, {**T5_XXL.numbers, "first": 24, "w": 256384}, "umt5xxl")
PILE_T5_XL = T5(T5_XXL.layers, {**T5_XXL.numbers, "first": 24, "d": 2048, "m": 5120, "h": 32}, "pile_t5xl")
GEMMA2_2B = _make_decoder("gemma2_2b", layers=26, d=2304, m=9216, q=2048, k=1024, f=1, w=256000)
QWEN3_06B = _make_decoder("qwen3_06b", layers=28, d=1024, m=3072, q=2048, k=1024, h=128, w=151936)
QWEN3_4B = _make_decoder("qwen3_4b", layers=36, d=2560, m=9728, q=4096, k=1024, h=128, w=151936)
QWEN3_8B = _make_decoder("qwen3_8b", layers=36, d=4096, m=12288, q=4096, k=1024, h=128, w=151936)
QWEN25_VL_7B = _make_decoder("qwen25_7b", biased=True, layers=28, d=3584, m=18944, q=3584, k=512, w=152064)
LLAMA3_8B = _make_decoder("llama", layers=32, d=4096, m=14336, q=4096, k=1024, w=128320)
MISTRAL3_24B = _make_decoder("mistral3_24b", layers=40, d=5120, m=32768, q=4096, k=1024, w=131072)
