from __future__ import annotations

from underdrawing.checkpoints.layouts import reference_shape as networks
from underdrawing.checkpoints.layouts.reference_shape import (
    complete_text_encoder,
    complete_unet,
    complete_vae,
    is_reference,
)

KEY = "mid_block.attentions.0.transformer_blocks.0.attn2.to_k.weight"


def make_shapes(widths: list[int], context: int, blocks: str = "down_blocks") -> dict[str, tuple[int, ...]]:
    rows = {f"{blocks}.{level}.resnets.0.conv1.weight": (width, 8, 3, 3) for level, width in enumerate(widths)}
    return {KEY: (widths[-1], context), **rows}


def test_only_models_of_its_widths_are_the_reference_model() -> None:
    own = make_shapes([64, 96, 128, 128], 128)
    assert is_reference(own)
    assert complete_unet(own) == {"attention_head_dim": 2, "norm_num_groups": 16, "sample_size": 16}
    for other in (make_shapes([320, 640, 1280, 1280], 768), make_shapes([64, 96, 128], 128), {}):
        assert not is_reference(other)
        assert complete_unet(other) == {}
    assert not is_reference(make_shapes([64, 96, 128, 128], 768)), "another text encoder"


def test_its_vae_and_text_encoder_are_recognised_by_themselves() -> None:
    assert complete_vae(make_shapes([32, 32, 64, 96], 0, "encoder.down_blocks"))["norm_num_groups"] == 8
    assert complete_vae(make_shapes([128, 256, 512, 512], 0, "encoder.down_blocks")) == {}
    own = networks.describe_text(704)
    assert complete_text_encoder(own) == {"num_attention_heads": 4, "pad_token_id": 703}
    assert complete_text_encoder({**own, "hidden_size": 768}) == {}
