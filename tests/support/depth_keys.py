"""Keys and shapes of the published checkpoints of the depth networks, for random weights in their place."""

from __future__ import annotations

import torch

from underdrawing.preprocessors.layers.key_renaming import KeyRenaming

WIDTH, HEADS = 96, 4
"""Of the narrow trunks of the golden data."""

Shapes = dict[str, tuple[int, ...]]


def linear(shapes: Shapes, name: str, *shape: int) -> None:
    """Note a weight and its bias."""
    shapes[f"{name}.weight"] = shape
    shapes[f"{name}.bias"] = shape[:1]


def fusion(shapes: Shapes, prefix: str, width: int) -> None:
    """Keys of MiDaS's four fusion blocks."""
    for block in range(1, 5):
        name = f"{prefix}refinenet{block}"
        linear(shapes, f"{name}.out_conv", width, width, 1, 1)
        for unit, conv in ((1, 1), (1, 2), (2, 1), (2, 2)):
            linear(shapes, f"{name}.resConfUnit{unit}.conv{conv}", width, width, 3, 3)


def vit_small() -> Shapes:
    """Keys and shapes of depth_anything_vits14.pth and depth_anything_v2_vits.pth."""
    shapes: Shapes = {
        "pretrained.cls_token": (1, 1, 384),
        "pretrained.pos_embed": (1, 1370, 384),
        "pretrained.mask_token": (1, 384),
    }
    linear(shapes, "pretrained.patch_embed.proj", 384, 3, 14, 14)
    linear(shapes, "pretrained.norm", 384)
    for i in range(12):
        name = f"pretrained.blocks.{i}"
        linear(shapes, f"{name}.norm1", 384)
        linear(shapes, f"{name}.norm2", 384)
        linear(shapes, f"{name}.attn.qkv", 1152, 384)
        linear(shapes, f"{name}.attn.proj", 384, 384)
        linear(shapes, f"{name}.mlp.fc1", 1536, 384)
        linear(shapes, f"{name}.mlp.fc2", 384, 1536)
        shapes[f"{name}.ls1.gamma"] = shapes[f"{name}.ls2.gamma"] = (384,)
    for i, channels in enumerate((48, 96, 192, 384)):
        linear(shapes, f"depth_head.projects.{i}", channels, 384, 1, 1)
        shapes[f"depth_head.scratch.layer{i + 1}_rn.weight"] = (64, channels, 3, 3)
    linear(shapes, "depth_head.resize_layers.0", 48, 48, 4, 4)
    linear(shapes, "depth_head.resize_layers.1", 96, 96, 2, 2)
    linear(shapes, "depth_head.resize_layers.3", 384, 384, 3, 3)
    fusion(shapes, "depth_head.scratch.", 64)
    linear(shapes, "depth_head.scratch.output_conv1", 32, 64, 3, 3)
    linear(shapes, "depth_head.scratch.output_conv2.0", 32, 32, 3, 3)
    linear(shapes, "depth_head.scratch.output_conv2.2", 1, 32, 1, 1)
    return shapes


def trunk(shapes: Shapes, prefix: str, width: int, blocks: int) -> None:
    """Keys of the blocks that timm's vision transformers share."""
    for i in range(blocks):
        name = f"{prefix}blocks.{i}"
        linear(shapes, f"{name}.norm1", width)
        linear(shapes, f"{name}.norm2", width)
        linear(shapes, f"{name}.attn.proj", width, width)
        linear(shapes, f"{name}.mlp.fc1", 4 * width, width)
        linear(shapes, f"{name}.mlp.fc2", width, 4 * width)
        shapes[f"{name}.attn.qkv.weight"] = (3 * width, width)


def reassembly(shapes: Shapes, prefix: str, index: int, width: int, channels: int) -> None:
    """Keys of one of MiDaS's stages from tokens to maps."""
    linear(shapes, f"{prefix}act_postprocess{index}.0.project.0", width, 2 * width)
    linear(shapes, f"{prefix}act_postprocess{index}.3", channels, width, 1, 1)


def head(shapes: Shapes, prefix: str, channels: tuple[int, ...]) -> None:
    """Keys of MiDaS's fusion and output."""
    for i, count in enumerate(channels):
        shapes[f"{prefix}layer{i + 1}_rn.weight"] = (256, count, 3, 3)
    fusion(shapes, prefix, 256)
    linear(shapes, f"{prefix}output_conv.0", 128, 256, 3, 3)
    linear(shapes, f"{prefix}output_conv.2", 32, 128, 3, 3)
    linear(shapes, f"{prefix}output_conv.4", 1, 32, 1, 1)


def hybrid(width: int = WIDTH) -> Shapes:
    """Keys and shapes of dpt_hybrid-midas-501f0c75.pt, with a trunk of another width."""
    shapes: Shapes = {}
    model = "pretrained.model."
    shapes |= {f"{model}cls_token": (1, 1, width), f"{model}pos_embed": (1, 577, width)}
    stem = f"{model}patch_embed.backbone."
    shapes[f"{stem}stem.conv.weight"] = (64, 3, 7, 7)
    linear(shapes, f"{stem}stem.norm", 64)
    channels = 64
    for stage, (wide, count) in enumerate(((256, 3), (512, 4), (1024, 9))):
        for block in range(count):
            name, thin = f"{stem}stages.{stage}.blocks.{block}", wide // 4
            if block == 0:
                shapes[f"{name}.downsample.conv.weight"] = (wide, channels, 1, 1)
                linear(shapes, f"{name}.downsample.norm", wide)
            for i, shape in enumerate(((thin, channels, 1, 1), (thin, thin, 3, 3), (wide, thin, 1, 1)), start=1):
                shapes[f"{name}.conv{i}.weight"] = shape
                linear(shapes, f"{name}.norm{i}", shape[0])
            channels = wide
    linear(shapes, f"{model}patch_embed.proj", width, 1024, 1, 1)
    trunk(shapes, model, width, 12)
    shapes |= {f"{model}blocks.{i}.attn.qkv.bias": (3 * width,) for i in range(12)}
    linear(shapes, f"{model}norm", width)
    linear(shapes, f"{model}head", 1000, width)
    reassembly(shapes, "pretrained.", 3, width, 768)
    reassembly(shapes, "pretrained.", 4, width, 768)
    linear(shapes, "pretrained.act_postprocess4.4", 768, 768, 3, 3)
    head(shapes, "scratch.", (256, 512, 768, 768))
    return shapes


def zoe(width: int = WIDTH, heads: int = HEADS, blocks: int = 4) -> Shapes:
    """Keys and shapes of ZoeD_M12_N.pt, with a trunk of another width and fewer blocks."""
    shapes: Shapes = {}
    model = "core.core.pretrained.model."
    shapes[f"{model}cls_token"] = (1, 1, width)
    linear(shapes, f"{model}patch_embed.proj", width, 3, 16, 16)
    trunk(shapes, model, width, blocks)
    for i in range(blocks):
        name = f"{model}blocks.{i}"
        shapes |= {f"{name}.gamma_1": (width,), f"{name}.gamma_2": (width,)}
        shapes |= {f"{name}.attn.q_bias": (width,), f"{name}.attn.v_bias": (width,)}
        shapes[f"{name}.attn.relative_position_bias_table"] = (2212, heads)
    linear(shapes, f"{model}fc_norm", width)
    linear(shapes, f"{model}head", 1000, width)
    for i, channels in enumerate((256, 512, 1024, 1024), start=1):
        reassembly(shapes, "core.core.pretrained.", i, width, channels)
    linear(shapes, "core.core.pretrained.act_postprocess1.4", 256, 256, 4, 4)
    linear(shapes, "core.core.pretrained.act_postprocess2.4", 512, 512, 2, 2)
    linear(shapes, "core.core.pretrained.act_postprocess4.4", 1024, 1024, 3, 3)
    head(shapes, "core.core.scratch.", (256, 512, 1024, 1024))
    linear(shapes, "conv2", 256, 256, 1, 1)
    pairs = {"seed_bin_regressor": (256, 256, 64), "seed_projector": (256, 128, 128)}
    pairs |= {f"projectors.{i}": (256, 128, 128) for i in range(4)}
    pairs |= {f"attractors.{i}": (128, 128, count) for i, count in enumerate((16, 8, 4, 1))}
    for name, (before, between, after) in pairs.items():
        linear(shapes, f"{name}._net.0", between, before, 1, 1)
        linear(shapes, f"{name}._net.2", after, between, 1, 1)
    linear(shapes, "conditional_log_binomial.mlp.0", 80, 161, 1, 1)
    linear(shapes, "conditional_log_binomial.mlp.2", 4, 80, 1, 1)
    return shapes


def whole_numbers(blocks: int = 4) -> dict[str, torch.Tensor]:
    """What ZoeD_M12_N.pt holds besides weights."""
    name = "conditional_log_binomial.log_binomial_transform"
    tables = {f"{name}.k_idx": torch.arange(64).view(1, -1, 1, 1), f"{name}.K_minus_1": torch.full((1, 1, 1, 1), 63.0)}
    for i in range(blocks):
        index = f"core.core.pretrained.model.blocks.{i}.attn.relative_position_index"
        tables[index] = torch.zeros(577, 577, dtype=torch.int64)
    return tables


TO_TRANSFORMERS = KeyRenaming([
    (r"pretrained\.mask_token", "backbone.embeddings.mask_token"),
    (r"pretrained\.cls_token", "backbone.embeddings.cls_token"),
    (r"pretrained\.pos_embed", "backbone.embeddings.position_embeddings"),
    (r"pretrained\.patch_embed\.proj\.(\w+)", r"backbone.embeddings.patch_embeddings.projection.\1"),
    (r"pretrained\.norm\.(\w+)", r"backbone.layernorm.\1"),
    (r"pretrained\.blocks\.(\d+)\.ls([12])\.gamma", r"backbone.encoder.layer.\1.layer_scale\2.lambda1"),
    (r"pretrained\.blocks\.(\d+)\.(norm[12]|mlp\.fc[12])\.(\w+)", r"backbone.encoder.layer.\1.\2.\3"),
    (r"pretrained\.blocks\.(\d+)\.attn\.proj\.(\w+)", r"backbone.encoder.layer.\1.attention.output.dense.\2"),
    (
        r"pretrained\.blocks\.(\d+)\.attn\.qkv\.(\w+)",
        ",".join(rf"backbone.encoder.layer.\1.attention.attention.{name}.\2" for name in ("query", "key", "value")),
    ),
    (r"depth_head\.projects\.(\d)\.(\w+)", r"neck.reassemble_stage.layers.\1.projection.\2"),
    (r"depth_head\.resize_layers\.([013])\.(\w+)", r"neck.reassemble_stage.layers.\1.resize.\2"),
    *((rf"depth_head\.scratch\.layer{i + 1}_rn\.weight", f"neck.convs.{i}.weight") for i in range(4)),
    *(
        (rf"depth_head\.scratch\.refinenet{4 - i}\.{theirs}", rf"neck.fusion_stage.layers.{i}.{ours}")
        for i in range(4)
        for theirs, ours in (
            (r"out_conv\.(\w+)", r"projection.\1"),
            (r"resConfUnit([12])\.conv([12])\.(\w+)", r"residual_layer\1.convolution\2.\3"),
        )
    ),
    (r"depth_head\.scratch\.output_conv1\.(\w+)", r"head.conv1.\1"),
    (r"depth_head\.scratch\.output_conv2\.0\.(\w+)", r"head.conv2.\1"),
    (r"depth_head\.scratch\.output_conv2\.2\.(\w+)", r"head.conv3.\1"),
])  # fmt: skip
"""The authors' keys to transformers' (4.x, which is what is published)."""


def to_transformers(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """A file of Depth Anything as transformers publishes it, of one of its authors."""
    return TO_TRANSFORMERS(tensors)
