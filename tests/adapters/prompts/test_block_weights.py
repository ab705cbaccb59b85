"""Block weights: lists, presets, the map from module names to blocks."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.official import key_list

from underdrawing.adapters.prompts.block_lists import is_blocks, parse_rules
from underdrawing.adapters.prompts.block_presets import BLOCKS, LAYOUTS, PRESETS
from underdrawing.adapters.prompts.block_weights import find_block, parse_blocks
from underdrawing.adapters.prompts.numbers import Moment, is_active
from underdrawing.core.errors import BadParameter


def test_layouts_name_the_blocks_of_hako_mikan() -> None:
    outs = [f"OUT{i:02}" for i in range(12)]
    assert LAYOUTS[17] == ("BASE", "IN01", "IN02", "IN04", "IN05", "IN07", "IN08", "MID", *outs[3:])
    assert LAYOUTS[12] == ("BASE", "IN04", "IN05", "IN07", "IN08", "MID", *outs[:6])
    assert (LAYOUTS[20][0], LAYOUTS[20][9:12], LAYOUTS[20][-1]) == ("BASE", ("IN08", "MID", "OUT00"), "OUT08")
    assert LAYOUTS[26] == BLOCKS
    assert {n: len(names) for n, names in LAYOUTS.items()} == {26: 26, 20: 20, 17: 17, 12: 12}


@pytest.mark.parametrize(
    ("module", "block"),
    [
        ("text_encoder.encoder.layers.0.self_attn.q_proj", "BASE"),
        ("text_encoder_2.text_projection", "BASE"),
        ("unet.conv_in", "IN00"),
        ("unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q", "IN01"),
        ("unet.down_blocks.0.resnets.1.conv1", "IN02"),
        ("unet.down_blocks.0.downsamplers.0.conv", "IN03"),
        ("unet.down_blocks.2.attentions.1.proj_in", "IN08"),
        ("unet.down_blocks.3.resnets.1.conv2", "IN11"),
        ("unet.mid_block.attentions.0.proj_out", "MID"),
        ("unet.mid_block.resnets.1.conv1", "MID"),
        ("unet.up_blocks.0.resnets.0.conv1", "OUT00"),
        ("unet.up_blocks.0.upsamplers.0.conv", "OUT02"),
        ("unet.up_blocks.1.attentions.0.proj_in", "OUT03"),
        ("unet.up_blocks.3.attentions.2.transformer_blocks.0.ff.net.2", "OUT11"),
        ("unet.time_embedding.linear_1", ""),
        ("unet.add_embedding.linear_2", ""),
        ("unet.conv_out", ""),
    ],
)
def test_modules_lie_in_blocks(module: str, block: str) -> None:
    assert find_block(module) == block


@pytest.mark.parametrize("model", ["sd15", "sd21", "sdxl", "sdxl_refiner"])
def test_blocks_agree_with_the_original_names_of_every_module(model: str) -> None:
    pairs: dict[str, str] = key_list(f"{model}_unet_map_diffusers_to_ldm_comfy")
    seen: Counter[str] = Counter()
    for diffusers, ldm in pairs.items():
        side, number, *_ = [*ldm.split(".")[:2], ""]
        expected = {
            "input_blocks": f"IN{int(number):02}" if number.isdigit() else "",
            "output_blocks": f"OUT{int(number):02}" if number.isdigit() else "",
        }
        wanted = "MID" if side == "middle_block" else expected.get(side, "")
        assert find_block(f"unet.{diffusers}") == wanted, diffusers
        seen[wanted] += 1
    assert len(seen) == {"sd15": 26, "sd21": 26, "sdxl": 20, "sdxl_refiner": 26}[model]


def listed(text: str, architecture: str = "sd15") -> dict[str, float]:
    weights = parse_blocks(text)
    return dict(zip(BLOCKS, weights.sdxl if architecture == "sdxl" else weights.sd, strict=True))


@pytest.mark.parametrize(
    ("name", "on"),
    [
        ("NONE", set()),
        ("ALL", set(BLOCKS)),
        ("INS", {"BASE", "IN01", "IN02", "IN04"}),
        ("IND", {"BASE", "IN05", "IN07", "IN08"}),
        ("INALL", {"BASE", "IN01", "IN02", "IN04", "IN05", "IN07", "IN08"}),
        ("MIDD", {"BASE", "IN05", "IN07", "IN08", "MID", "OUT03", "OUT04", "OUT05", "OUT06"}),
        ("OUTD", {"BASE", "OUT03", "OUT04", "OUT05", "OUT06"}),
        ("OUTS", {"BASE", "OUT07", "OUT08", "OUT09", "OUT10", "OUT11"}),
        ("OUTALL", {"BASE", *(f"OUT{i:02}" for i in range(3, 12))}),
        ("IN02", {"IN02"}),
        ("M00", {"MID"}),
        ("IN11-OUT00", {"IN11", "MID", "OUT00"}),
        ("OUT00-IN11", {"IN11", "MID", "OUT00"}),
    ],
)
def test_presets(name: str, on: set[str]) -> None:
    assert {block for block, weight in listed(name).items() if weight == 1} == on
    assert set(listed(name).values()) <= {0.0, 1.0}


def test_presets_of_sdxl() -> None:
    assert {b for b, w in listed("OUTALL", "sdxl").items() if w} == {"BASE", *(f"OUT{i:02}" for i in range(6))}
    assert {b for b, w in listed("INALL", "sdxl").items() if w} == {"BASE", "IN04", "IN05", "IN07", "IN08"}
    assert {b for b, w in listed("MIDALL", "sdxl").items() if w} == {"BASE", "MID"}
    assert listed("SDXL-OUTALL", "sd15") == listed("OUTALL", "sdxl")
    assert listed("SD-OUTALL", "sdxl") == listed("OUTALL", "sd15")
    assert set(listed("ALL", "sdxl").values()) == {1.0}


def test_weight_of_a_module() -> None:
    weights = parse_blocks("0.5,0,0.25,0,0,0,0,0,0,0,0,0,0,0,0,0,2")
    assert weights.weight_of("text_encoder.encoder.layers.3.mlp.fc1") == 0.5
    assert weights.weight_of("unet.down_blocks.0.attentions.1.proj_in") == 0.25
    assert weights.weight_of("unet.up_blocks.3.attentions.2.proj_in") == 2
    assert weights.weight_of("unet.down_blocks.0.attentions.0.proj_in") == 0
    assert weights.weight_of("unet.conv_in") == 0
    assert weights.weight_of("unet.time_embedding.linear_1") == 1


def test_rules_for_parts_of_blocks_win_over_the_list() -> None:
    weights = parse_blocks(
        "NONE", "OWN", element_presets={"OWN": "IN01-IN08:attn:0.5,MID::2\nNOT BASE:NOT attn proj:0.125"}
    )
    assert weights.weight_of("unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q") == 0.5
    assert weights.weight_of("unet.down_blocks.0.attentions.0.transformer_blocks.0.ff.net.2") == 0.125
    assert weights.weight_of("unet.mid_block.resnets.0.conv1") == 0.125
    assert weights.weight_of("unet.mid_block.attentions.0.transformer_blocks.0.attn1.to_q") == 2
    assert weights.weight_of("text_encoder.encoder.layers.0.mlp.fc1") == 0
    assert parse_blocks("", "ATTNDEEPOFF").weight_of("unet.mid_block.attentions.0.transformer_blocks.0.attn1.to_q") == 0
    assert (
        parse_blocks("", "ATTNDEEPOFF").weight_of("unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q")
        == 1
    )


def test_dynamic_values() -> None:
    assert parse_blocks("X,X+0.25,X-0.5,0,0,0,0,0,0,0,0,0", dynamic=0.75).text == "0.75,1,0.25,0,0,0,0,0,0,0,0,0"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("1,1,1", "3 block weights"),
        (",".join(["1"] * 99), "99 block weights"),
        (",".join(["R"] * 17), "random"),
        (",".join(["U"] * 12), "random"),
        (",".join(["one"] * 12), "not a number"),
        (",".join(["nan"] * 12), "not a number"),
        ("XYZ", "no preset"),
        ("IN12", "no preset"),
        ("IN02-", "no preset"),
    ],
)
def test_what_cannot_be_read_is_refused(text: str, says: str) -> None:
    with pytest.raises(BadParameter, match=says):
        parse_blocks(text)


@pytest.mark.parametrize("line", ["IN01:attn", "IN99:attn:1", "IN01:attn:x", "a:b:c:d"])
def test_bad_rules_are_refused(line: str) -> None:
    with pytest.raises(BadParameter):
        parse_rules(line)


@settings(deadline=None)
@given(st.sampled_from([12, 17, 20, 26]).flatmap(lambda n: st.lists(st.floats(-1e9, 1e9), min_size=n, max_size=n)))
def test_a_list_prints_so_that_it_reads_back(values: list[float]) -> None:
    weights = parse_blocks(",".join(map(repr, values)))
    assert str(weights).startswith("lbw=")
    assert parse_blocks(str(weights).removeprefix("lbw=")) == weights
    assert [weights.sd[BLOCKS.index(name)] for name in LAYOUTS[len(values)]] == values


def test_presets_print_as_their_names() -> None:
    for name in PRESETS:
        assert str(parse_blocks(name, "ATTNDEEPON")) == f"lbw={name}:lbwe=ATTNDEEPON"


@settings(deadline=None)
@given(st.integers(0, 30), st.booleans(), st.integers(1, 40))
def test_a_moment_counts_as_a_schedule_does(value: int, fraction: bool, steps: int) -> None:
    from underdrawing.adapters.prompts.prompt import list_texts

    moment = Moment(value / 10 if fraction else float(value), fraction)
    assert Moment.parse(str(moment), where="test") == moment
    texts = list_texts(f"[a:b:{moment}]", steps)
    for step in range(1, steps + 1):
        shown = next(text for end, text in texts if step <= end)
        assert is_active(step, steps, moment, None) == (shown == "b")
        assert is_active(step, steps, None, moment) == (shown == "a")


FLUX = ["CLIP", "T5", "IN", *(f"D{n:02}" for n in range(19)), *(f"S{n:02}" for n in range(38)), "OUT"]
FLUX_MODULES = {
    "text_encoder.encoder.layers.0.mlp.fc1": "CLIP",
    "text_encoder_2.encoder.block.0.layer.0.SelfAttention.q": "T5",
    "transformer.x_embedder": "IN",
    "transformer.transformer_blocks.7.attn.to_q": "D07",
    "transformer.double_blocks.18.img_attn.qkv": "D18",
    "transformer.single_transformer_blocks.0.proj_mlp": "S00",
    "transformer.single_blocks.37.linear1": "S37",
    "transformer.norm_out.linear": "OUT",
}


@given(st.lists(st.integers(0, 8), min_size=61, max_size=61))
def test_a_list_of_61_values_is_of_flux(values: list[int]) -> None:
    weights = parse_blocks(",".join(str(value / 4) for value in values))
    for module, block in FLUX_MODULES.items():
        assert weights.weight_of(module, "flux1") == values[FLUX.index(block)] / 4
        assert parse_blocks(str(weights.text)).weight_of(module, "flux1") == weights.weight_of(module, "flux1")
    with pytest.raises(BadParameter, match=r"SD1, SD2 or SDXL.*61"):
        weights.weight_of("unet.conv_in", "sd15")
    with pytest.raises(BadParameter, match=r"61 block weights.*Z-Image"):
        weights.weight_of("transformer.layers.0.attention.to_q", "z_image")


@pytest.mark.parametrize("text", ["D07", "DOUBLE07", "DOUBLE7", "D7", "D07-D07"])
def test_a_block_of_a_transformer(text: str) -> None:
    weights = parse_blocks(text)
    for module, block in FLUX_MODULES.items():
        assert weights.weight_of(module, "flux1") == (block == "D07")
    with pytest.raises(BadParameter, match=r"no block or range of blocks.*Z-Image"):
        weights.weight_of("transformer.layers.0.attention.to_q", "z_image")


def test_ranges_and_presets_on_transformers() -> None:
    weights = parse_blocks("DOUBLE05-SINGLE10")
    assert [weights.weight_of(module, "flux1") for module in FLUX_MODULES] == [0, 0, 0, 1, 1, 1, 0, 0]
    for preset, value in (("ALL", 1.0), ("NONE", 0.0), ("ALL0.5", 0.5)):
        named = parse_blocks(preset)
        assert {named.weight_of(module, "flux1") for module in FLUX_MODULES} == {value}
        assert named.weight_of("transformer.layers.3.attention.to_q", "z_image") == value
    assert parse_blocks("N00-C01").weight_of("transformer.context_refiner.1.attention.qkv", "z_image") == 1
    assert parse_blocks("BASE").weight_of("text_encoder.layers.0.mlp.up_proj", "z_image") == 1
    assert parse_blocks("BASE").weight_of("text_encoder.encoder.layers.0.mlp.fc1", "sd15") == 1
    own = parse_blocks("MINE", presets={"MINE": ",".join(["0.25"] * 60 + ["1"])})
    assert own.weight_of("transformer.proj_out", "flux1") == 1
    with pytest.raises(BadParameter, match=r"26 block weights.*Flux"):
        parse_blocks(",".join(["1"] * 26)).weight_of("transformer.proj_out", "flux1")
    with pytest.raises(BadParameter, match="not known"):
        parse_blocks("ALL").weight_of("transformer.proj_out", "unknown")


def test_rules_on_transformers() -> None:
    mine = {"MINE": "D00-DOUBLE05:attn:0.5,S00::0.25"}
    weights = parse_blocks("", "MINE", element_presets=mine)
    assert weights.weight_of("transformer.transformer_blocks.3.attn.to_q", "flux1") == 0.5
    assert weights.weight_of("transformer.transformer_blocks.3.ff.net.2", "flux1") == 1
    assert weights.weight_of("transformer.single_transformer_blocks.0.proj_out", "flux1") == 0.25
    with pytest.raises(BadParameter, match="SD1, SD2 or SDXL"):
        weights.weight_of("unet.conv_in")
    with pytest.raises(BadParameter):
        parse_blocks("", "MINE", element_presets={"MINE": "Q00:attn:1"})


def test_positions_in_a_tag_know_the_blocks_of_transformers() -> None:
    assert all(is_blocks(text) for text in ("D07", "DOUBLE00-DOUBLE18", "S00-OUT", "L00-L29", ",".join("0" * 61)))
    assert not any(is_blocks(text) for text in ("0.8", "D99", "QQ", "1,2,3"))
