"""What is saved is what was trained: read by our own reader and put on by the Patcher, in every form and kind."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import torch
from tests.support.trained_networks import make_tree, train_by_chance

from underdrawing.adapters.applying.patcher import Patcher
from underdrawing.adapters.reading.load import load_adapter
from underdrawing.core.errors import BadParameter, BadWeights
from underdrawing.core.tensor_files.safetensors_io import read_header
from underdrawing.pipeline.training.export.low_rank import write_network
from underdrawing.pipeline.training.networks.network import find_networks

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from underdrawing.pipeline.models.model import Model

CASES: list[tuple[str, dict[str, Any]]] = [
    ("sd1", {"form": "kohya", "alpha": 1.0, "targets": "all", "conv_rank": 1}),
    ("sd1", {"form": "peft", "alpha": 1.0, "targets": "all", "conv_rank": 1, "rslora": True}),
    ("sd1", {"form": "diffusers", "alpha": 1.0, "targets": "all", "block_ranks": "MID=3"}),
    ("sd2", {"form": "kohya", "dora": True, "targets": "all", "exclude": "conv_out"}),
    ("sd1", {"form": "diffusers", "dora": True, "alpha": 3.0}),
    ("sd1", {"form": "kohya", "algorithm": "loha", "alpha": 1.0, "targets": "all"}),
    ("sd1", {"form": "peft", "algorithm": "loha", "alpha": 1.0}),
    ("sd1", {"form": "kohya", "algorithm": "lokr", "alpha": 1.0, "factor": 2, "targets": "all"}),
    ("sd1", {"form": "kohya", "algorithm": "lokr", "rank": 64, "dora": True, "targets": "attn conv"}),
    ("sdxl", {"form": "kohya", "targets": "cross-attn conv"}),
    ("sdxl", {"form": "peft", "targets": "cross-attn ff"}),
]


def answer_all(model: Model, names: list[str]) -> dict[str, Tensor]:
    """What each of the layers answers to its own input."""
    networks, generator = find_networks(model, text=True), torch.Generator().manual_seed(11)
    found: dict[str, Tensor] = {}
    for name in names:
        part, _, own = name.partition(".")
        layer = networks[part].get_submodule(own)
        shape = layer.weight.shape
        x = torch.randn((2, shape[1]) if len(shape) == 2 else (1, shape[1], 5, 5), generator=generator)
        found[name] = layer(x)
    return found


@pytest.mark.parametrize(("family", "options"), CASES, ids=[f"{f}-{'-'.join(map(str, o.values()))}" for f, o in CASES])
def test_the_patcher_gives_what_training_computed(family: str, options: dict[str, Any], tmp_path: Path) -> None:
    model = make_tree(family)
    network = train_by_chance(model, **options)
    names = sorted(network.layers)[:: 1 if family == "sd1" else 7]
    trained = answer_all(model, names)
    network.remove()
    plain = answer_all(model, names)
    path = tmp_path / ("lora" if options["form"] == "peft" else "lora.safetensors")
    written = network.save(path, {"ss_sd_model_name": "base"})
    adapter = load_adapter(path)
    assert not adapter.unused
    assert set(adapter.modules) == set(network.layers)
    with Patcher(**find_networks(model, text=True)) as patcher:
        patcher.set([(adapter, 1.0, 1.0)], allow_mismatch=True)
        for name, found in answer_all(model, names).items():
            assert (found - trained[name]).abs().max() <= 1e-5 * trained[name].abs().max(), name
            assert not torch.allclose(found, plain[name], atol=1e-3), name
    assert read_header(written[0]).metadata["ss_sd_model_name"] == "base"
    assert json.loads(read_header(written[0]).metadata["underdrawing"])["steps"][-1]["tool"] == "train"


@pytest.mark.parametrize("form", ["kohya", "peft", "diffusers"])
def test_alpha_stands_where_each_form_has_it(form: str, tmp_path: Path) -> None:
    network = train_by_chance(make_tree(), form=form, rank=4, alpha=2.0, targets="attn")
    files = network.save(tmp_path / ("lora" if form == "peft" else "lora.safetensors"), {})
    header = read_header(files[0])
    assert header.metadata["ss_network_dim"] == "4"
    assert header.metadata["ss_network_alpha"] == "2"
    if form == "kohya":
        assert any(key.endswith(".alpha") for key in header.tensors)
        return
    if form == "peft":
        config = json.loads((tmp_path / "lora" / "unet" / "adapter_config.json").read_text())
    else:
        table = json.loads(header.metadata["lora_adapter_metadata"])
        config = {key.removeprefix("unet."): value for key, value in table.items()}
    assert (config["r"], config["lora_alpha"]) == (4, 2)


def test_names_of_the_text_encoder_are_the_old_ones_in_files(tmp_path: Path) -> None:
    network = train_by_chance(make_tree(), targets="attn", form="diffusers")
    keys = read_header(network.save(tmp_path / "a.safetensors", {})[0]).tensors
    assert any(key.startswith("text_encoder.text_model.encoder.layers.0.self_attn.q_proj.") for key in keys)


def test_kinds_and_options_stand_in_the_metadata(tmp_path: Path) -> None:
    options: dict[str, Any] = {"algorithm": "lokr", "factor": 2, "rank_dropout": 0.25}
    metadata = read_header(train_by_chance(make_tree(), **options).save(tmp_path / "a.safetensors", {})[0]).metadata
    assert metadata["ss_network_module"] == "lycoris.kohya"
    arguments = json.loads(metadata["ss_network_args"])
    assert arguments == {"algo": "lokr", "factor": 2, "decompose_both": False, "rank_dropout": 0.25}


def test_half_precision_and_values_that_it_cannot_hold(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    network = train_by_chance(make_tree(), save_dtype="float16", targets="attn")
    network.save(path, {})
    assert {entry.dtype for key, entry in read_header(path).tensors.items() if key.endswith(".weight")} == {"F16"}
    before = path.read_bytes()
    name = next(iter(network.layers))
    next(network.layers[name].parameters()).data.mul_(1e9)
    with pytest.raises(BadWeights, match=f"{name}: its trained values are infinite or NaN in float16"):
        network.save(path, {})
    assert path.read_bytes() == before


def test_the_path_must_suit_the_form(tmp_path: Path) -> None:
    network = train_by_chance(make_tree(), targets="attn", text=False)
    with pytest.raises(BadParameter, match="results are safetensors files"):
        write_network(tmp_path / "a.bin", network, {})
    network = train_by_chance(make_tree(), targets="attn", text=False, form="peft")
    with pytest.raises(BadParameter, match="PEFT's form is a folder"):
        write_network(tmp_path / "a.safetensors", network, {})


def test_magnitudes_have_the_axes_of_their_weights(tmp_path: Path) -> None:
    """LyCORIS reads no others; the factors of a LoKr do not show whether a layer is a convolution."""
    network = train_by_chance(
        make_tree(), text=False, algorithm="lokr", dora=True, targets="attn proj", include="mid_block"
    )
    tensors = read_header(network.save(tmp_path / "a.safetensors", {})[0]).tensors
    axes = {key.partition(".")[0]: len(entry.shape) for key, entry in tensors.items() if key.endswith("dora_scale")}
    assert axes["lora_unet_mid_block_attentions_0_proj_in"] == 4
    assert axes["lora_unet_mid_block_attentions_0_transformer_blocks_0_attn1_to_q"] == 2
