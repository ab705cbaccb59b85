"""Make tests/golden/keys/lists.json.gz: names and shapes of the official base models, from their own classes.

    pip install diffusers transformers
    python tools/make_key_lists.py [--compare FOLDER]

Networks are built on the meta device from the published configurations, so nothing is downloaded. LDM names follow the
published rule (diffusers' scripts/convert_diffusers_to_original_stable_diffusion.py and its SDXL sibling) and are
turned back by the converter that diffusers itself loads single files with; the same for OpenCLIP's names. --compare:
a folder with lists of the same names as .json, from another source; differences are an error.
"""

from __future__ import annotations

import argparse
import gzip
import json
import re
from pathlib import Path
from typing import Any

import torch
from diffusers import UNet2DConditionModel
from diffusers.loaders.single_file_utils import convert_ldm_unet_checkpoint, convert_open_clip_checkpoint
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

OUTPUT = Path(__file__).resolve().parents[1] / "tests" / "golden" / "keys" / "lists.json.gz"
CROSS, PLAIN = ("CrossAttnDownBlock2D", "CrossAttnUpBlock2D"), ("DownBlock2D", "UpBlock2D")

Keys = dict[str, list[int]]


def unet_config(widths: list[int], depths: list[int], **more: Any) -> dict[str, Any]:
    """A configuration of UNet2DConditionModel; depths: transformer blocks per level, 0 without attention."""
    kinds = [CROSS if depth else PLAIN for depth in depths]
    return {
        "sample_size": 64,
        "block_out_channels": widths,
        "down_block_types": [down for down, _ in kinds],
        "up_block_types": [up for _, up in reversed(kinds)],
        "transformer_layers_per_block": [max(depth, 1) for depth in depths],
        **more,
    }


def added(width: int) -> dict[str, Any]:
    """SDXL's embedding of sizes; width: of its input."""
    return {
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": 256,
        "projection_class_embeddings_input_dim": width,
        "use_linear_projection": True,
    }


UNETS = {
    "sd15": unet_config([320, 640, 1280, 1280], [1, 1, 1, 0], cross_attention_dim=768, attention_head_dim=8),
    "sd21": unet_config(
        [320, 640, 1280, 1280],
        [1, 1, 1, 0],
        cross_attention_dim=1024,
        attention_head_dim=[5, 10, 20, 20],
        use_linear_projection=True,
    ),
    "sdxl": unet_config(
        [320, 640, 1280], [0, 2, 10], cross_attention_dim=2048, attention_head_dim=[5, 10, 20], **added(2816)
    ),
    "sdxl_refiner": unet_config(
        [384, 768, 1536, 1536],
        [0, 4, 4, 0],
        cross_attention_dim=1280,
        attention_head_dim=[6, 12, 24, 24],
        transformer_layers_per_block=4,
        **added(2560),
    ),
}
CLIP_L = CLIPTextConfig(hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12)
OPENCLIP_H = CLIPTextConfig(hidden_size=1024, intermediate_size=4096, num_hidden_layers=23, num_attention_heads=16)
OPENCLIP_BIGG = CLIPTextConfig(
    hidden_size=1280, intermediate_size=5120, num_hidden_layers=32, num_attention_heads=20, projection_dim=1280
)

STEM = {
    "conv_in": "input_blocks.0.0",
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
}
RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
OPENCLIP = {
    "layer_norm1": "ln_1",
    "layer_norm2": "ln_2",
    "self_attn.out_proj": "attn.out_proj",
    "mlp.fc1": "mlp.c_fc",
    "mlp.fc2": "mlp.c_proj",
}


def shapes(model: torch.nn.Module) -> Keys:
    """Parameters with their shapes, in registration order."""
    return {name: list(parameter.shape) for name, parameter in model.named_parameters()}


def layers(model: torch.nn.Module) -> dict[str, list[Any]]:
    """Modules that own a weight: class and shape, in registration order."""
    found = ((name, module, getattr(module, "weight", None)) for name, module in model.named_modules())
    return {n: [type(m).__name__, list(w.shape)] for n, m, w in found if isinstance(w, torch.nn.Parameter)}


def ldm_prefixes(levels: int, attends: list[bool]) -> dict[str, str]:
    """Diffusers' prefixes of blocks → LDM's. attends: per level from the outside, whether it has attention."""
    found = {"mid_block.attentions.0.": "middle_block.1."}
    found |= {f"mid_block.resnets.{index}.": f"middle_block.{2 * index}." for index in range(2)}
    for level in range(levels):
        for index in range(2):
            found[f"down_blocks.{level}.resnets.{index}."] = f"input_blocks.{3 * level + index + 1}.0."
            found[f"down_blocks.{level}.attentions.{index}."] = f"input_blocks.{3 * level + index + 1}.1."
        for index in range(3):
            found[f"up_blocks.{level}.resnets.{index}."] = f"output_blocks.{3 * level + index}.0."
            found[f"up_blocks.{level}.attentions.{index}."] = f"output_blocks.{3 * level + index}.1."
        found[f"down_blocks.{level}.downsamplers.0.conv."] = f"input_blocks.{3 * (level + 1)}.0.op."
        place = 2 if attends[levels - 1 - level] else 1
        found[f"up_blocks.{level}.upsamplers.0.conv."] = f"output_blocks.{3 * level + 2}.{place}.conv."
    return found


def ldm_name(key: str, prefixes: dict[str, str]) -> str:
    """LDM's name of a parameter."""
    module, _, parameter = key.rpartition(".")
    if module in STEM:
        return f"{STEM[module]}.{parameter}"
    prefix = next(prefix for prefix in prefixes if key.startswith(prefix))
    rest = module[len(prefix) :]
    inner = RESNET[rest] if ".resnets." in prefix else rest
    return f"{prefixes[prefix]}{inner}.{parameter}" if inner else f"{prefixes[prefix]}{parameter}"


def unet_lists(name: str, config: dict[str, Any]) -> dict[str, Any]:
    """Lists of a UNet: diffusers' modules and parameters, LDM's parameters, and the map between them."""
    with torch.device("meta"):
        model = UNet2DConditionModel(**config)
    own = shapes(model)
    attends = [kind == CROSS[0] for kind in config["down_block_types"]]
    prefixes = ldm_prefixes(len(attends), attends)
    table = {key: ldm_name(key, prefixes) for key in own}
    stored = {f"model.diffusion_model.{table[key]}": tensor for key, tensor in model.state_dict().items()}
    back = convert_ldm_unet_checkpoint(dict(stored), config=dict(model.config))
    assert {key: list(tensor.shape) for key, tensor in back.items()} == own, "diffusers reads other names"
    return {
        f"{name}_unet_diffusers_modules": layers(model),
        f"{name}_unet_diffusers": own,
        f"{name}_unet_ldm": {table[key]: shape for key, shape in own.items()},
        f"{name}_unet_map_diffusers_to_ldm_comfy": table,
    }


def bare(keys: dict[str, Any]) -> dict[str, Any]:
    """Without the prefix that transformers before version 5 has, and files on disk."""
    return {key.removeprefix("text_model."): value for key, value in keys.items()}


def stored(keys: dict[str, Any]) -> dict[str, Any]:
    """With that prefix; the text projection has none."""
    return {key if key.startswith("text_projection") else f"text_model.{key}": v for key, v in bare(keys).items()}


def openclip(keys: Keys, blocks: int) -> Keys:
    """OpenCLIP's parameters of a text encoder; blocks: how many it has (SD2 keeps one less). q, k, v are one there."""
    width = keys["embeddings.position_embedding.weight"][1]
    native: Keys = {
        "positional_embedding": keys["embeddings.position_embedding.weight"],
        "text_projection": [width, width],
        "token_embedding.weight": keys["embeddings.token_embedding.weight"],
    }
    for block in range(blocks):
        for ours, theirs in OPENCLIP.items():
            for parameter in ("weight", "bias"):
                shape = keys[f"encoder.layers.0.{ours}.{parameter}"]
                native[f"transformer.resblocks.{block}.{theirs}.{parameter}"] = shape
        native[f"transformer.resblocks.{block}.attn.in_proj_weight"] = [3 * width, width]
        native[f"transformer.resblocks.{block}.attn.in_proj_bias"] = [3 * width]
    return {**native, "ln_final.weight": [width], "ln_final.bias": [width]}


def check_openclip(model: torch.nn.Module, native: Keys, prefix: str) -> None:
    """Fail unless diffusers' converter turns OpenCLIP's names into the model's own."""
    tensors = {f"{prefix}{key}": torch.empty(shape, device="meta") for key, shape in native.items()}
    back = convert_open_clip_checkpoint(model, tensors, prefix=prefix)
    found = {key: list(tensor.shape) for key, tensor in back.items() if "position_ids" not in key}
    assert bare(found) == bare(shapes(model)), "diffusers reads other names"


def encoder_lists() -> dict[str, Any]:
    """Lists of the text encoders, by themselves and as single-file checkpoints hold them."""
    with torch.device("meta"):
        clip, h, bigg = CLIPTextModel(CLIP_L), CLIPTextModel(OPENCLIP_H), CLIPTextModelWithProjection(OPENCLIP_BIGG)
    small, middle, large = (bare(shapes(model)) for model in (clip, h, bigg))
    native_h, native_bigg = openclip(middle, 24), openclip(large, 32)
    check_openclip(h, native_h, "cond_stage_model.model.")
    check_openclip(bigg, native_bigg, "conditioner.embedders.1.model.")
    both = {f"conditioner.embedders.0.transformer.{key}": shape for key, shape in stored(small).items()}
    both |= {f"conditioner.embedders.1.model.{key}": shape for key, shape in native_bigg.items()}
    return {
        "clip_l_transformers": small,
        "clip_l_canonical_text_model_prefix": stored(small),
        "openclip_h_sd2_transformers": middle,
        "openclip_bigg_transformers": stored(large),
        "openclip_h_native": native_h,
        "openclip_bigg_native": native_bigg,
        "sd15_checkpoint_te": {f"cond_stage_model.transformer.{key}": shape for key, shape in stored(small).items()},
        "sd21_checkpoint_te": {f"cond_stage_model.model.{key}": shape for key, shape in native_h.items()},
        "sdxl_checkpoint_te": both,
        "sdxl_kohya_te_names": {**kohya_encoder("lora_te1_", small), **kohya_encoder("lora_te2_", large)},
    }


def kohya_encoder(prefix: str, keys: Keys) -> Keys:
    """kohya's names of the linear layers inside a text encoder's blocks."""
    linear = re.compile(r"encoder\.layers\.\d+\.(self_attn|mlp)\.\w+\.weight")
    own = {key.removesuffix(".weight"): shape for key, shape in keys.items() if linear.fullmatch(key)}
    return {f"{prefix}text_model_{name.replace('.', '_')}": shape for name, shape in own.items()}


def make_lists() -> dict[str, Any]:
    """Every list by name; kohya names SD1's UNet after diffusers and SDXL's after LDM."""
    lists: dict[str, Any] = {}
    for name, config in UNETS.items():
        lists |= unet_lists(name, config)
    modules, ldm = lists["sd15_unet_diffusers_modules"], lists["sdxl_unet_ldm"]
    lists["sd15_kohya_names"] = {f"lora_unet_{name.replace('.', '_')}": value for name, value in modules.items()}
    weights = {key.removesuffix(".weight"): shape for key, shape in ldm.items() if key.endswith(".weight")}
    lists["sdxl_kohya_names"] = {f"lora_unet_{name.replace('.', '_')}": shape for name, shape in weights.items()}
    return lists | encoder_lists()


def compare(lists: dict[str, Any], folder: Path) -> None:
    """Fail where a list of the folder differs; the order counts for modules only."""
    for name, mine in lists.items():
        other = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
        assert mine == other, f"{name} differs: {sorted(mine.keys() ^ other.keys())[:4]}"
        assert not name.endswith("_modules") or list(mine) == list(other), f"{name} has another order"
        print(f"{name}: equal, {len(mine)} entries")
    rest = sorted({path.stem for path in folder.glob("*.json")} - set(lists))
    print(f"not made here: {', '.join(rest) or 'none'}")


def main() -> None:
    """Write the file, compared first where that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--compare", type=Path, help="folder with the same lists from another source")
    options = parser.parse_args()
    lists = make_lists()
    if options.compare:
        compare(lists, options.compare)
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(lists, separators=(",", ":"))
    OUTPUT.write_bytes(gzip.compress(text.encode(), 9, mtime=0))
    print(f"{OUTPUT.name}: {len(lists)} lists, {OUTPUT.stat().st_size} bytes")


if __name__ == "__main__":
    main()
