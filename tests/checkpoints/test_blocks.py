from __future__ import annotations

import pytest
from tests.support.checkpoint_models import CLIP, UNET

from underdrawing.checkpoints.blocks import find_block, make_weigher, read_presets
from underdrawing.checkpoints.families import Family
from underdrawing.core.errors import BadParameter

SD1, SDXL, FLUX = Family("sd1"), Family("sdxl"), Family("Flux.1")


@pytest.mark.parametrize(
    ("key", "family", "block"),
    [
        (f"{UNET}input_blocks.0.0.weight", SD1, "IN00"),
        (f"{UNET}input_blocks.11.0.in_layers.0.bias", SD1, "IN11"),
        (f"{UNET}middle_block.1.norm.weight", SD1, "MID"),
        (f"{UNET}output_blocks.3.1.proj_in.weight", SDXL, "OUT03"),
        (f"{UNET}time_embed.0.weight", SD1, "IN00"),
        (f"{UNET}label_emb.0.0.weight", SDXL, "IN00"),
        (f"{UNET}out.2.weight", SD1, "OUT11"),
        (f"{UNET}out.0.weight", SDXL, "OUT08"),
        (f"{CLIP}final_layer_norm.weight", SD1, "BASE"),
        ("conditioner.embedders.1.model.text_projection", SDXL, "BASE"),
        ("first_stage_model.decoder.conv_in.weight", SD1, "VAE"),
        ("unet.down_blocks.1.attentions.0.proj_in.weight", SD1, "IN04"),
        ("up_blocks.0.upsamplers.0.conv.weight", SD1, "OUT02"),
        ("model.diffusion_model.double_blocks.7.img_attn.qkv.weight", FLUX, "D07"),
        ("model.diffusion_model.single_blocks.37.linear1.weight", FLUX, "S37"),
        ("model.diffusion_model.img_in.weight", FLUX, "IN"),
        ("model.diffusion_model.final_layer.linear.weight", FLUX, "OUT"),
        ("text_encoders.t5xxl.transformer.shared.weight", FLUX, "T5"),
        ("text_encoders.clip_l.transformer.text_model.final_layer_norm.weight", FLUX, "CLIP"),
    ],
)
def test_keys_belong_to_blocks(key: str, family: Family, block: str) -> None:
    assert find_block(key, family) == block


def test_lists_presets_ranges_and_rules() -> None:
    first, attention = f"{UNET}input_blocks.4.0.x.weight", f"{UNET}output_blocks.5.1.attn1.to_q.weight"
    base = f"{CLIP}final_layer_norm.weight"

    def weigh(blocks: str, elements: str = "", family: Family = SD1) -> list[float]:
        weigher = make_weigher(0.4, blocks, elements, family, {"MINE": ",".join(["0.9"] * 26)})
        return [round(weigher(key), 6) for key in (first, attention, base)]

    assert weigh("") == [0.4, 0.4, 0.4]
    assert weigh(",".join(str(n / 100) for n in range(26))) == [0.05, 0.19, 0.0]
    assert weigh(",".join(str(n / 100) for n in range(20)), family=SDXL) == [0.05, 0.16, 0.0]
    assert weigh(",".join(str(n / 100) for n in range(26)), family=SDXL) == [0.05, 0.19, 0.0]
    assert weigh("IN04-OUT02") == [0.4, 0.0, 0.0]
    assert weigh("MINE") == weigh("0.9," * 25 + "0.9") == [0.9] * 3
    assert weigh("ALL_B") == [1.0] * 3
    assert weigh("", "IN00-OUT11:attn:0.1, BASE::0.7") == [0.4, 0.1, 0.7]
    assert weigh("ALL_A", "NOT BASE:NOT attn:0.3") == [0.3, 0.0, 0.0]
    assert make_weigher(1.0, ",".join(["0"] * 60 + ["0.5"]), "", FLUX)("final_layer.linear.weight") == 0.5
    for wrong in ("1,2", "UNKNOWN", ",".join(["1"] * 110), "IN99"):
        with pytest.raises(BadParameter):
            weigh(wrong)


def test_the_vae_has_its_own_weight_or_goes_with_the_base() -> None:
    key = "first_stage_model.decoder.conv_in.weight"
    assert make_weigher(1.0, ",".join(["0.2"] * 26), "", SD1)(key) == 0.2
    assert make_weigher(1.0, ",".join(["0.2"] * 20 + ["0.7"]), "", SDXL)(key) == 0.7


def test_preset_files() -> None:
    text = "preset_name\tpreset_weights\nA\t1,0,0.5\n\nB:0.1,0.2\n"
    assert read_presets(text) == {"A": "1,0,0.5", "B": "0.1,0.2"}
    assert read_presets("A\tR,U,1") == {"A": "R,U,1"}
    for wrong in ("no numbers", "A\t1,x", "A\tX,1", "A\tE0.5,1"):
        with pytest.raises(BadParameter):
            read_presets(wrong)
