from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.checkpoint_models import CLIP, UNET
from tests.support.official import key_list

from underdrawing.checkpoints.block_presets import PRESETS
from underdrawing.checkpoints.blocks import (
    expand_weights,
    find_block,
    make_weigher,
    read_presets,
)
from underdrawing.checkpoints.extended_blocks import EXTENDED, find_extended_block
from underdrawing.checkpoints.families import Family
from underdrawing.checkpoints.layouts.unet import name_unet_keys
from underdrawing.checkpoints.random_weights import draw_rules, read_limits
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
    with pytest.raises(BadParameter, match=r"one of .*GRAD_V.*MINE"):
        weigh("grad_v")
    for wrong in ("1,2", "UNKNOWN", ",".join(["1"] * 110), "IN99", "R," * 25 + "R"):
        with pytest.raises(BadParameter):
            weigh(wrong)


def test_the_vae_has_its_own_weight_or_goes_with_the_base() -> None:
    key = "first_stage_model.decoder.conv_in.weight"
    assert make_weigher(1.0, ",".join(["0.2"] * 26), "", SD1)(key) == 0.2
    assert make_weigher(1.0, ",".join(["0.2"] * 20 + ["0.7"]), "", SDXL)(key) == 0.7


def test_110_values_name_the_modules_and_transformer_blocks_of_sdxl() -> None:
    assert len(EXTENDED) == len(set(EXTENDED)) == 110
    assert EXTENDED[:5] == ("CLIPL", "CLIPG", "IN0", "IN00", "IN10")
    places = {
        "conditioner.embedders.0.transformer.text_model.final_layer_norm.bias": 0,
        "conditioner.embedders.1.model.ln_final.weight": 1,
        f"{UNET}input_blocks.0.0.weight": 3,
        f"{UNET}input_blocks.4.0.in_layers.0.bias": 7,
        f"{UNET}input_blocks.4.1.proj_in.weight": 8,
        f"{UNET}input_blocks.4.1.transformer_blocks.1.attn1.to_q.weight": 10,
        f"{UNET}input_blocks.8.1.transformer_blocks.9.norm1.bias": 39,
        f"{UNET}middle_block.0.in_layers.0.bias": 40,
        f"{UNET}middle_block.1.transformer_blocks.9.norm1.bias": 51,
        f"{UNET}middle_block.2.in_layers.0.bias": 52,
        f"{UNET}output_blocks.0.0.skip_connection.bias": 53,
        f"{UNET}output_blocks.5.2.conv.weight": 102,
        f"{UNET}output_blocks.8.0.in_layers.0.bias": 105,
        f"{UNET}out.2.weight": 106,
        f"{UNET}time_embed.0.weight": 107,
        f"{UNET}label_emb.0.0.weight": 108,
        "first_stage_model.decoder.conv_in.weight": 109,
    }
    weigh = make_weigher(1.0, ",".join(f"{n / 1000}" for n in range(110)), "OUT52:conv:0.5", SDXL)
    found = {key: weigh(key) for key in places}
    assert found == {key: 0.5 if place == 102 else place / 1000 for key, place in places.items()}
    assert weigh("denoiser.sigmas") == 0
    official = {find_extended_block(UNET + key) for key in key_list("sdxl_unet_ldm")}
    assert official == set(EXTENDED[3:109])


@pytest.mark.parametrize("prefix", ["", "unet.", "diffusion_model."])
def test_110_values_hold_under_every_spelling_of_sdxl(prefix: str) -> None:
    keys = key_list("sdxl_unet_ldm")
    for name, slot in name_unet_keys(keys).items():
        block = find_extended_block(UNET + slot.key)
        assert find_extended_block(prefix + slot.key) == find_extended_block(prefix + name) == block != ""
    text = ["text_encoder.text_model.x.weight", "text_encoder_2.text_model.x.weight"]
    hosts = ["text_encoders.clip_l.transformer.x.weight", "text_encoders.clip_g.transformer.x.weight"]
    assert (
        [find_extended_block(key) for key in text] == [find_extended_block(key) for key in hosts] == ["CLIPL", "CLIPG"]
    )


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.sampled_from(["R", "U", "X", "D", "ER", "EU", "EX", "0.25"]), min_size=26, max_size=26),
    st.integers(0, 9),
)
def test_letters_are_drawn_by_seed_and_place(letters: list[str], seed: int) -> None:
    limits = read_limits("0.2", "0.6")
    blocks, rules = expand_weights("mine", {"mine": ",".join(letters)}, seed, limits)
    assert (blocks, rules) == expand_weights(",".join(letters), {}, seed, limits)
    ends = {"R": (0, 1), "U": (-0.5, 1.5), "X": (0.2, 0.6), "D": (0.5, 0.7), "0.25": (0.25, 0.25)}
    weigh = make_weigher(1.0, blocks, rules, SD1)
    for place, letter in enumerate(letters):
        if 1 <= place <= 12:
            keys = [f"{UNET}input_blocks.{place - 1}.0.{name}" for name in ("a.weight", "b.weight")]
            low, high = ends[letter.removeprefix("E")]
            one, other = map(weigh, keys)
            assert low <= one <= high
            assert low <= other <= high
            assert (one != other) == letter.startswith("E")


def test_limits_may_be_lists_and_rules_may_be_random() -> None:
    low, high = ",".join(f"{n / 100}" for n in range(26)), ",".join(f"{n / 100 + 0.001}" for n in range(26))
    blocks, _ = expand_weights("ALL_X", {}, 3, read_limits(low, high))
    assert all(n / 100 <= float(value) <= n / 100 + 0.001 for n, value in enumerate(blocks.split(",")))
    rules = draw_rules("OUT03 IN04:attn:U\nBASE::0.5", 7)
    weigh = make_weigher(0.0, "", rules, SD1)
    keys = [f"{UNET}output_blocks.3.1.attn{n}.to_q.weight" for n in range(9)]
    weights = [weigh(key) for key in keys]
    assert len(set(weights)) == 9
    assert all(-0.5 <= weight <= 1.5 for weight in weights)
    assert weights == [weigh(key) for key in reversed(keys)][::-1]
    assert make_weigher(0.0, "", draw_rules("OUT03:attn:U", 8), SD1)(keys[0]) != weights[0]
    for wrong in (("1,2", "1"), ("nan", "1"), ("", "1"), ("0", "x")):
        with pytest.raises(BadParameter):
            expand_weights("ALL_X", {}, 3, read_limits(*wrong))
    with pytest.raises(BadParameter, match="needs a list"):
        expand_weights("ER,0", {}, 0)


def test_only_letters_that_there_are_count_in_rules() -> None:
    assert draw_rules("OUT05:attn:ED", 3) == "OUT05:attn:ED"
    with pytest.raises(BadParameter):
        make_weigher(1.0, "", draw_rules("OUT05:attn:ED", 3), SD1)


def test_presets_are_those_that_users_know() -> None:
    known = {
        "GRAD_V": {0: 0, 1: 1, 2: 0.9166666667, 13: 0, 25: 1},
        "WRAP08": {0: 0, 4: 1, 5: 0, 21: 0, 22: 1},
        "MID12_50": {5: 0, 6: 0.5, 19: 0.5, 20: 0},
        "RING08_SOFT": {6: 0.5, 7: 1, 9: 1, 10: 0.5, 16: 0.5, 20: 0.5, 21: 0},
        "SMOOTHSTEP*3": {10: 0.94921875, 13: 0.5, 25: 1},
        "R_SMOOTHSTEP/2": {1: 1, 13: 0, 25: 1},
        "COSINE": {1: 1, 13: 0.5, 25: 0},
        "TRUE_CUBIC_HERMITE": {1: 0, 2: 0.199031876929, 13: 0.5208333333, 25: 1},
    }
    for name, places in known.items():
        values = [float(value) for value in PRESETS[name].split(",")]
        assert {place: values[place] for place in places} == pytest.approx(places, abs=1e-9), name
    assert {values.count(",") for values in PRESETS.values()} == {25}


def test_preset_files() -> None:
    text = "preset_name\tpreset_weights\nA\t1,0,0.5\n\nB:0.1,0.2\n"
    assert read_presets(text) == {"A": "1,0,0.5", "B": "0.1,0.2"}
    assert read_presets("A\tR,U,1,X,D,ER") == {"A": "R,U,1,X,D,ER"}
    for wrong in ("no numbers", "A\t1,x", "A\tX+1,1", "A\tE0.5,1", "A\tED,1"):
        with pytest.raises(BadParameter):
            read_presets(wrong)


SD3, ZIMAGE, CHROMA, WAN = Family("SD3", "3 medium"), Family("Z-Image"), Family("Chroma"), Family("Wan")


@pytest.mark.parametrize(
    ("key", "family", "block"),
    [
        ("model.diffusion_model.layers.7.attention.qkv.weight", ZIMAGE, "L07"),
        ("transformer.layers.7.attention.to_q.weight", ZIMAGE, "L07"),
        ("context_refiner.1.feed_forward.w1.weight", ZIMAGE, "C01"),
        ("cap_embedder.1.bias", ZIMAGE, "IN"),
        ("final_layer.linear.weight", ZIMAGE, "OUT"),
        ("text_encoders.qwen3_4b.transformer.model.norm.weight", ZIMAGE, "BASE"),
        ("model.diffusion_model.joint_blocks.23.x_block.attn.qkv.weight", SD3, "B23"),
        ("pos_embed.proj.weight", SD3, "IN"),
        ("double_blocks.3.img_attn.norm.query_norm.scale", CHROMA, "D03"),
        ("distilled_guidance_layer.norms.0.scale", CHROMA, "IN"),
        ("text_encoders.t5xxl.transformer.shared.weight", CHROMA, "T5"),
        ("vae.decoder.conv_in.weight", ZIMAGE, "VAE"),
        ("transformer_2.blocks.39.attn1.to_q.weight", WAN, "B39"),
        ("transformer_2.proj_out.bias", WAN, "OUT"),
    ],
)
def test_blocks_of_models_with_transformers(key: str, family: Family, block: str) -> None:
    assert find_block(key, family) == block


def test_weights_of_models_with_transformers() -> None:
    weigh = make_weigher(1.0, ",".join(str(n / 100) for n in range(37)), "N01:attention:0.75", ZIMAGE)
    assert weigh("layers.0.attention.qkv.weight") == 0.06
    assert weigh("noise_refiner.1.attention.out.weight") == 0.75
    assert weigh("noise_refiner.1.ffn_norm1.weight") == 0.03
    assert make_weigher(0.5, "B00-B11", "", SD3)("joint_blocks.3.x_block.mlp.fc1.weight") == 0.5
    assert make_weigher(1.0, "DOUBLE03", "SINGLE7::0.25", FLUX)("double_blocks.3.img_mod.lin.weight") == 1
    assert make_weigher(1.0, "DOUBLE03", "SINGLE7::0.25", FLUX)("single_blocks.7.linear1.weight") == 0.25
    with pytest.raises(BadParameter, match="37 or 38 values"):
        make_weigher(1.0, ",".join(["1"] * 26), "", ZIMAGE)
