from __future__ import annotations

from typing import Any

import pytest
import torch
from tests.support.trained_networks import make_tree, train_by_chance

from underdrawing.core.errors import BadParameter
from underdrawing.pipeline.training.networks.network import LowRankNetwork
from underdrawing.pipeline.training.networks.params import NetworkParams

ATTENTION = "down_blocks.0.attentions.0.transformer_blocks.0"


def build(family: str = "sd1", *, text_rate: float = 0.0, **options: Any) -> LowRankNetwork:
    return LowRankNetwork(make_tree(family), NetworkParams(**options), rate=1e-3, text_rate=text_rate)


def test_kohyas_layers_are_trained_and_the_others_are_listed() -> None:
    network = build()
    assert len(network.layers) == 192  # as kohya's networks.lora says of SD1's UNet
    assert network.parts == {"unet"}
    rows = {row.name: row for row in network.describe()}
    assert rows["unet.conv_in"].reason == "not among the targets (io)"
    assert not rows["unet.conv_in"].moved
    assert not any(name.startswith("text_encoder") for name in (*network.layers, *rows))
    assert build(text_rate=1e-4).parts == {"unet", "text_encoder"}


@pytest.mark.parametrize(("family", "encoders"), [("sd1", 72), ("sd2", 72), ("sdxl", 72 + 192)])
def test_text_encoders_have_their_own_group_and_rate(family: str, encoders: int) -> None:
    network = build(family, text_rate=1e-5, rank=1)
    rates = {group.name: group.rate for group in network.groups()}
    assert rates.pop("unet") == 1e-3
    assert set(rates.values()) == {1e-5}
    assert sum(not name.startswith("unet") for name in network.layers) == encoders


def test_ranks_and_rates_by_block() -> None:
    network = build(rank=4, block_ranks="IN01=2 OUT09-OUT11=0", block_rates="MID=0.5 IN02=0")
    ranks = {name: layer.settings.rank for name, layer in network.layers.items()}
    assert ranks[f"unet.{ATTENTION}.attn1.to_q"] == 2
    assert not any("up_blocks.3" in name or "down_blocks.0.attentions.1" in name for name in ranks)
    reasons = {row.name: row.reason for row in network.describe()}
    assert reasons["unet.up_blocks.3.attentions.0.proj_in"] == "the rank of block OUT09 is 0"
    assert reasons["unet.down_blocks.0.attentions.1.proj_in"] == "the learning rate of block IN02 is 0"
    slow = next(group for group in network.groups() if group.name == "unet x0.5")
    assert slow.rate == 5e-4
    assert all(name.startswith("unet.mid_block") for name in slow.tensors)


def test_a_rank_above_a_layers_size_is_lowered_at_the_same_scale_and_noted() -> None:
    network = build(rank=64, alpha=32.0, targets="io attn")
    ranks = {name: layer.settings.rank for name, layer in network.layers.items()}
    assert ranks["unet.conv_out"] == 4
    assert {layer.settings.scale for layer in network.layers.values()} == {0.5}
    assert any("smaller than rank 64: they are trained with rank 4" in note for note in network.notes)


def test_scales() -> None:
    def scale(**options: Any) -> float:
        return next(iter(build(targets="attn", **options).layers.values())).settings.scale

    assert scale(rank=4) == 1.0
    assert scale(rank=4, alpha=1.0) == 0.25
    assert scale(rank=4, alpha=4.0, rslora=True) == 2.0
    conv = build(targets="conv", rank=4, alpha=2.0, conv_rank=2, conv_alpha=0.5).layers
    assert conv["unet.down_blocks.0.resnets.0.conv1"].settings.scale == 0.25
    assert conv["unet.down_blocks.1.resnets.0.conv_shortcut"].settings.rank == 4


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"targets": "atn"}, "write attn, cross-attn, ff, proj, conv, time, io, all$"),
        ({"include": "to_qq"}, "write to_q"),
        ({"exclude": "down_block.0"}, "no layer has 'down_block.0' in its name"),
        ({"include": "attn1", "exclude": "to_"}, "no layer is left to train"),
        ({"block_ranks": "IN77=4"}, "there is no block 'IN77'"),
        ({"block_ranks": "IN01=-1"}, "is below 0"),
        ({"block_ranks": "1,2,3"}, "3 block weights were given"),
        ({"block_rates": "NONE"}, "every layer that is left has a rank or learning rate of 0"),
        ({"factor": 8}, "an option of lokr"),
        ({"conv_rank": 8}, "add the target conv"),
        ({"algorithm": "loha", "dropout": 0.1}, "use rank_dropout"),
        ({"algorithm": "lokr", "form": "peft"}, "the form peft cannot hold lokr"),
        ({"algorithm": "loha", "form": "diffusers"}, "the form diffusers cannot hold loha"),
        ({"algorithm": "loha", "dora": True, "form": "peft"}, "cannot hold a DoRA around loha"),
    ],
)
def test_what_chooses_nothing_or_has_no_effect_is_an_error(options: dict[str, Any], message: str) -> None:
    with pytest.raises(BadParameter, match=message):
        build(**options)


def test_patterns_choose_by_canonical_and_by_kohyas_names() -> None:
    assert set(build(include="*.attn2.to_k", targets="all").layers) == set(build(include="attn2_to_k").layers)
    assert len(build(include="mid_block", exclude="ff proj").layers) == 8


def test_start_values_depend_on_the_layer_and_not_on_the_others() -> None:
    many, few = build(targets="all").layers, build(targets="attn").layers
    assert all(torch.equal(layer.down, many[name].down) for name, layer in few.items())  # type: ignore[arg-type]
    downs = [layer.down.flatten()[:4].tolist() for layer in few.values()]  # type: ignore[union-attr, operator]
    assert len({tuple(values) for values in downs}) == len(downs)


def test_a_pause_and_removal_leave_the_model_as_it_was() -> None:
    model = make_tree()
    layer = model.unet.get_submodule(f"{ATTENTION}.attn1.to_q")
    x = torch.randn(2, layer.in_features)
    before, names = layer(x), [name for name, _ in model.unet.named_parameters()]
    network = train_by_chance(model, text=False)
    changed = layer(x)
    assert not torch.equal(changed, before)
    with network.pause():
        assert torch.equal(layer(x), before)
    assert torch.equal(layer(x), changed)
    assert [name for name, _ in model.unet.named_parameters()] == names
    network.remove()
    assert torch.equal(layer(x), before)


def test_a_state_goes_back_into_another_network() -> None:
    first, second = train_by_chance(make_tree(), dora=True), build(text_rate=1e-4, rank=2, dora=True)
    second.load_state(first.state())
    found = second.state()
    assert all(torch.equal(value, found[name]) for name, value in first.state().items())
