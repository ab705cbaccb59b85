"""Names of transformer models in files of their makers and in diffusers' folders, where one holds q, k and v in one
weight and the other in three.

Facts: the models' own code, and diffusers' classes. ``#`` stands for the number of a block, ``*`` for weight or bias.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable


class Rule(NamedTuple):
    """A maker's name and those of diffusers, whose rows follow each other in it. swapped: halves change places.

    last: only in the last block.
    """

    joint: str
    parts: tuple[str, ...]
    swapped: bool = False
    last: bool = False


class Naming(NamedTuple):
    """One model's names. joint, parts: a key by which either spelling is known."""

    title: str
    joint: str
    parts: str
    rules: tuple[Rule, ...]

    def find(self, key: str, last: int) -> Rule | None:
        """The rule for a maker's key, with its numbers and endings filled in. last: number of the last block."""
        for rule in self.rules:
            found = _compile(rule.joint).fullmatch(key)
            if found is not None and (not rule.last or int(found["number"]) == last):
                return Rule(key, tuple(_fill(part, found) for part in rule.parts), rule.swapped)
        return None


@cache
def _compile(pattern: str) -> re.Pattern[str]:
    text = re.escape(pattern).replace(r"\#", r"(?P<number>\d+)").replace(r"\*", "(?P<ending>weight|bias)")
    return re.compile(text)


def _fill(pattern: str, found: re.Match[str]) -> str:
    groups = found.groupdict()
    return pattern.replace("#", groups.get("number") or "").replace("*", groups.get("ending") or "")


def _rename(start: str, other: str, names: dict[str, str]) -> Iterable[Rule]:
    return (Rule(start + joint, (other + part,)) for joint, part in names.items())


def _join(joint: str, start: str, *parts: str) -> Rule:
    return Rule(f"{joint}.*", tuple(f"{start}{part}.*" for part in parts))


_QKV, _ADDED = ("to_q", "to_k", "to_v"), ("add_q_proj", "add_k_proj", "add_v_proj")
_DOUBLE, _SINGLE, _BLOCK, _ALONE = (
    "double_blocks.#.",
    "single_blocks.#.",
    "transformer_blocks.#.",
    "single_transformer_blocks.#.",
)
_NORMS = {"query_norm.scale": "q.weight", "key_norm.scale": "k.weight"}
_FLUX_ATTENTION = (
    _join(f"{_DOUBLE}img_attn.qkv", f"{_BLOCK}attn.", *_QKV),
    _join(f"{_DOUBLE}txt_attn.qkv", f"{_BLOCK}attn.", *_ADDED),
    *_rename(f"{_DOUBLE}img_attn.norm.", f"{_BLOCK}attn.norm_", _NORMS),
    *_rename(f"{_DOUBLE}txt_attn.norm.", f"{_BLOCK}attn.norm_added_", _NORMS),
    *_rename(_DOUBLE, f"{_BLOCK}attn.", {"img_attn.proj.*": "to_out.0.*", "txt_attn.proj.*": "to_add_out.*"}),
    *_rename(f"{_SINGLE}norm.", f"{_ALONE}attn.norm_", _NORMS),
)
_FINAL = (
    Rule("final_layer.linear.*", ("proj_out.*",)),
    Rule("final_layer.adaLN_modulation.1.*", ("norm_out.linear.*",), swapped=True),
)
_EMBEDDERS = {"img_in.*": "x_embedder.*", "txt_in.*": "context_embedder.*"}
_LAYERS = {"in_layer.*": "linear_1.*", "out_layer.*": "linear_2.*"}
_FLUX = Naming(
    "Flux.1",
    "double_blocks.0.img_attn.qkv.weight",
    "single_transformer_blocks.0.attn.to_q.weight",
    (
        *_FLUX_ATTENTION,
        *_rename(
            _DOUBLE,
            _BLOCK,
            {
                "img_mod.lin.*": "norm1.linear.*",
                "txt_mod.lin.*": "norm1_context.linear.*",
                "img_mlp.0.*": "ff.net.0.proj.*",
                "img_mlp.2.*": "ff.net.2.*",
                "txt_mlp.0.*": "ff_context.net.0.proj.*",
                "txt_mlp.2.*": "ff_context.net.2.*",
            },
        ),
        _join(f"{_SINGLE}linear1", _ALONE, *(f"attn.{name}" for name in _QKV), "proj_mlp"),
        *_rename(_SINGLE, _ALONE, {"linear2.*": "proj_out.*", "modulation.lin.*": "norm.linear.*"}),
        *_rename("", "", _EMBEDDERS),
        *_rename("time_in.", "time_text_embed.timestep_embedder.", _LAYERS),
        *_rename("vector_in.", "time_text_embed.text_embedder.", _LAYERS),
        *_rename("guidance_in.", "time_text_embed.guidance_embedder.", _LAYERS),
        *_rename("distilled_guidance_layer.layers.#.", "distilled_guidance_layer.layers.#.", _LAYERS),
        Rule("distilled_guidance_layer.norms.#.scale", ("distilled_guidance_layer.norms.#.weight",)),
        *_FINAL,
    ),
)
_FLUX2 = Naming(
    "Flux.2",
    "double_blocks.0.img_attn.qkv.weight",
    "single_transformer_blocks.0.attn.to_qkv_mlp_proj.weight",
    (
        *_FLUX_ATTENTION,
        *_rename(
            _DOUBLE,
            _BLOCK,
            {
                "img_mlp.0.*": "ff.linear_in.*",
                "img_mlp.2.*": "ff.linear_out.*",
                "txt_mlp.0.*": "ff_context.linear_in.*",
                "txt_mlp.2.*": "ff_context.linear_out.*",
            },
        ),
        *_rename(_SINGLE, f"{_ALONE}attn.", {"linear1.*": "to_qkv_mlp_proj.*", "linear2.*": "to_out.*"}),
        *_rename("", "", _EMBEDDERS),
        *_rename("time_in.", "time_guidance_embed.timestep_embedder.", _LAYERS),
        *_rename("guidance_in.", "time_guidance_embed.guidance_embedder.", _LAYERS),
        *(
            Rule(f"{name}.lin.*", (f"{name}.linear.*",))
            for name in ("double_stream_modulation_img", "double_stream_modulation_txt", "single_stream_modulation")
        ),
        *_FINAL,
    ),
)
_OWN, _CONTEXT = "joint_blocks.#.x_block.", "joint_blocks.#.context_block."
_SD3 = Naming(
    "SD3",
    "joint_blocks.0.x_block.attn.qkv.weight",
    "transformer_blocks.0.attn.add_q_proj.weight",
    (
        _join(f"{_OWN}attn.qkv", f"{_BLOCK}attn.", *_QKV),
        _join(f"{_OWN}attn2.qkv", f"{_BLOCK}attn2.", *_QKV),
        _join(f"{_CONTEXT}attn.qkv", f"{_BLOCK}attn.", *_ADDED),
        *_rename(f"{_OWN}attn.", f"{_BLOCK}attn.", {"ln_q.weight": "norm_q.weight", "ln_k.weight": "norm_k.weight"}),
        *_rename(f"{_OWN}attn2.", f"{_BLOCK}attn2.", {"ln_q.weight": "norm_q.weight", "ln_k.weight": "norm_k.weight"}),
        *_rename(
            f"{_CONTEXT}attn.",
            f"{_BLOCK}attn.",
            {"ln_q.weight": "norm_added_q.weight", "ln_k.weight": "norm_added_k.weight", "proj.*": "to_add_out.*"},
        ),
        *_rename(_OWN, _BLOCK, {"attn.proj.*": "attn.to_out.0.*", "attn2.proj.*": "attn2.to_out.0.*"}),
        *_rename(_OWN, _BLOCK, {"mlp.fc1.*": "ff.net.0.proj.*", "mlp.fc2.*": "ff.net.2.*"}),
        *_rename(_CONTEXT, f"{_BLOCK}ff_context.", {"mlp.fc1.*": "net.0.proj.*", "mlp.fc2.*": "net.2.*"}),
        Rule(f"{_OWN}adaLN_modulation.1.*", (f"{_BLOCK}norm1.linear.*",)),
        Rule(f"{_CONTEXT}adaLN_modulation.1.*", (f"{_BLOCK}norm1_context.linear.*",), swapped=True, last=True),
        Rule(f"{_CONTEXT}adaLN_modulation.1.*", (f"{_BLOCK}norm1_context.linear.*",)),
        Rule("pos_embed", ("pos_embed.pos_embed",)),
        Rule("x_embedder.proj.*", ("pos_embed.proj.*",)),
        Rule("context_embedder.*", ("context_embedder.*",)),
        *_rename("t_embedder.mlp.", "time_text_embed.timestep_embedder.", {"0.*": "linear_1.*", "2.*": "linear_2.*"}),
        *_rename("y_embedder.mlp.", "time_text_embed.text_embedder.", {"0.*": "linear_1.*", "2.*": "linear_2.*"}),
        *_FINAL,
    ),
)


def _list_z_image_rules() -> Iterable[Rule]:
    names = {"out.*": "to_out.0.*", "q_norm.weight": "norm_q.weight", "k_norm.weight": "norm_k.weight"}
    for blocks in ("layers.#.", "noise_refiner.#.", "context_refiner.#."):
        start = f"{blocks}attention."
        yield _join(f"{start}qkv", start, *_QKV)
        yield from _rename(start, start, names)
    for name in ("x_embedder.*", "final_layer.linear.*", "final_layer.adaLN_modulation.1.*"):
        first, dot, rest = name.partition(".")
        yield Rule(name, (f"all_{first}.2-1{dot}{rest}",))


_Z_IMAGE = Naming(
    "Z-Image", "layers.0.attention.qkv.weight", "layers.0.attention.to_q.weight", tuple(_list_z_image_rules())
)
NAMINGS = (_FLUX2, _FLUX, _SD3, _Z_IMAGE)
