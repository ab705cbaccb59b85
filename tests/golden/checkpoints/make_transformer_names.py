"""Writes transformer_names.json: how diffusers divides and names the weights of transformer models' own files.

Run with a Python that has diffusers 0.42.1: its converters get tiny files whose rows have numbers, and what comes out
says which rows went where. Per model: shapes of the file, and diffusers' name → name in the file and rows.
"""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import torch

WIDTH, BLOCKS, _STEP = 4, 2, 10**6
QKV, MLP, TWO, SIX = 3 * WIDTH, 4 * WIDTH, 2 * WIDTH, 6 * WIDTH


def add(table: dict[str, list[int]], names: str, rows: int, *, bias: bool = True) -> None:
    for name in names.split():
        table[f"{name}.weight"] = [rows, WIDTH]
        if bias:
            table[f"{name}.bias"] = [rows]


def make_flux(*, second: bool = False, chroma: bool = False) -> dict[str, list[int]]:
    table: dict[str, list[int]] = {}
    bias = not second
    for n in range(BLOCKS):
        double, single = f"double_blocks.{n}.", f"single_blocks.{n}."
        add(table, f"{double}img_attn.qkv {double}txt_attn.qkv", QKV, bias=bias)
        add(table, f"{double}img_attn.proj {double}txt_attn.proj {double}img_mlp.2 {double}txt_mlp.2", WIDTH, bias=bias)
        add(table, f"{double}img_mlp.0 {double}txt_mlp.0", MLP, bias=bias)
        if not (second or chroma):
            add(table, f"{double}img_mod.lin {double}txt_mod.lin", SIX)
            add(table, f"{single}modulation.lin", QKV)
        add(table, f"{single}linear1", QKV + MLP, bias=bias)
        add(table, f"{single}linear2", WIDTH, bias=bias)
        for norm in (f"{double}img_attn.norm.", f"{double}txt_attn.norm.", f"{single}norm."):
            table |= {f"{norm}query_norm.scale": [2], f"{norm}key_norm.scale": [2]}
    add(table, "img_in txt_in", WIDTH, bias=bias)
    add(table, "final_layer.linear", WIDTH, bias=bias)
    if chroma:
        add(table, "distilled_guidance_layer.in_proj distilled_guidance_layer.out_proj", WIDTH)
        for n in range(BLOCKS):
            start = f"distilled_guidance_layer.layers.{n}."
            add(table, f"{start}in_layer {start}out_layer", WIDTH)
            table[f"distilled_guidance_layer.norms.{n}.scale"] = [WIDTH]
        return table
    add(table, "time_in.in_layer time_in.out_layer guidance_in.in_layer guidance_in.out_layer", WIDTH, bias=bias)
    add(table, "final_layer.adaLN_modulation.1", TWO, bias=bias)
    if second:
        add(table, "double_stream_modulation_img.lin double_stream_modulation_txt.lin", SIX, bias=False)
        add(table, "single_stream_modulation.lin", QKV, bias=False)
    else:
        add(table, "vector_in.in_layer vector_in.out_layer", WIDTH)
    return table


def make_sd3() -> dict[str, list[int]]:
    table: dict[str, list[int]] = {"pos_embed": [1, 4, WIDTH], "x_embedder.proj.weight": [WIDTH, 2, 2, 2]}
    table["x_embedder.proj.bias"] = [WIDTH]
    add(table, "t_embedder.mlp.0 t_embedder.mlp.2 y_embedder.mlp.0 y_embedder.mlp.2 context_embedder", WIDTH)
    for n in range(BLOCKS):
        own, context = f"joint_blocks.{n}.x_block.", f"joint_blocks.{n}.context_block."
        last = n == BLOCKS - 1
        add(table, f"{own}attn.qkv {context}attn.qkv", QKV)
        add(table, f"{own}attn.proj {own}mlp.fc2", WIDTH)
        add(table, f"{own}mlp.fc1", MLP)
        add(table, f"{own}adaLN_modulation.1", SIX)
        add(table, f"{context}adaLN_modulation.1", TWO if last else SIX)
        names = [f"{own}attn.ln_q", f"{own}attn.ln_k", f"{context}attn.ln_q", f"{context}attn.ln_k"]
        if not last:
            add(table, f"{context}attn.proj {context}mlp.fc2", WIDTH)
            add(table, f"{context}mlp.fc1", MLP)
            add(table, f"{own}attn2.qkv", QKV)
            add(table, f"{own}attn2.proj", WIDTH)
            names += [f"{own}attn2.ln_q", f"{own}attn2.ln_k"]
        table |= {f"{name}.weight": [2] for name in names}
    add(table, "final_layer.linear", WIDTH)
    add(table, "final_layer.adaLN_modulation.1", TWO)
    return table


def make_z_image() -> dict[str, list[int]]:
    table: dict[str, list[int]] = {}
    for start in ("layers.0.", "noise_refiner.0.", "context_refiner.0."):
        add(table, f"{start}attention.qkv", QKV, bias=False)
        add(table, f"{start}attention.out {start}feed_forward.w1", WIDTH, bias=False)
        table |= {f"{start}attention.{name}_norm.weight": [2] for name in "qk"}
        table[f"{start}attention_norm1.weight"] = [WIDTH]
    add(table, "x_embedder final_layer.linear final_layer.adaLN_modulation.1 cap_embedder.1", WIDTH)
    return table


def trace(table: dict[str, list[int]], converter: str, scale: int = 1) -> dict[str, Any]:
    """Shapes, and where the rows of each new weight came from. scale: so many times as many rows, for converters that
    know the models' real widths.
    """
    tensors: dict[str, torch.Tensor] = {}
    names = list(table)
    for number, (name, shape) in enumerate(table.items()):
        rows = torch.arange(shape[0] * scale, dtype=torch.float64) + _STEP * number
        tensors[name] = rows.reshape(-1, *(1 for _ in shape[1:])).expand(-1, *shape[1:]).contiguous()
    made = getattr(import_module("diffusers.loaders.single_file_utils"), converter)(dict(tensors))
    found: dict[str, Any] = {}
    for key, value in made.items():
        rows = [int(row.flatten()[0]) for row in value[::scale]]
        found[key] = [names[rows[0] // _STEP], [row % _STEP // scale for row in rows]]
    return {"shapes": table, "parts": found}


if __name__ == "__main__":
    start = "convert_{}_transformer_checkpoint_to_diffusers"
    models = {
        "Flux.1": trace(make_flux(), start.format("flux"), 768),
        "Chroma": trace(make_flux(chroma=True), start.format("chroma"), 768),
        "Flux.2": trace(make_flux(second=True), start.format("flux2")),
        "SD3": trace(make_sd3(), start.format("sd3")),
        "Z-Image": trace(make_z_image(), start.format("z_image")),
    }
    text = json.dumps(models, separators=(",", ":"))
    (Path(__file__).parent / "transformer_names.json").write_text(text + "\n", encoding="utf-8")
