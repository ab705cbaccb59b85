"""Files that training writes, read by diffusers and PEFT themselves: the same answers as while they were trained.

Needs diffusers, transformers and peft: pip install 'underdrawing[pipeline,aux]'.
"""

from __future__ import annotations

import copy
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest
import torch
from msgspec.structs import replace
from tests.support import tiny_diffusion
from tests.support.trained_networks import train_by_chance
from torch import nn

from underdrawing.adapters.applying.patcher import Patcher
from underdrawing.adapters.reading.load import load_adapter
from underdrawing.pipeline.training.networks.network import find_networks

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from underdrawing.pipeline.models.model import Model

tiny_diffusion.require_diffusers()

SETTINGS: dict[str, dict[str, Any]] = {
    "lora": {"alpha": 1.0},
    "locon": {"alpha": 3.0, "conv_rank": 1, "targets": "attn cross-attn conv io time"},
    "rslora": {"alpha": 2.0, "rslora": True, "block_ranks": "MID=3"},
    "dora": {"dora": True, "targets": "attn ff conv"},
    "loha": {"algorithm": "loha", "alpha": 1.0},
    "lokr": {"algorithm": "lokr", "alpha": 1.0, "factor": 4},
}


@pytest.fixture(scope="module")
def model() -> Model:
    return tiny_diffusion.make_model("sd1")


@torch.no_grad()
def answer(unet: Any, encoder: Any) -> tuple[Tensor, Tensor]:
    """What both networks say, each to an input of its own."""
    generator = torch.Generator().manual_seed(2)
    ids = torch.randint(0, 1000, (1, 12), generator=generator)
    noisy, states = (torch.randn(shape, generator=generator).to(unet.dtype) for shape in ((1, 4, 8, 8), (1, 12, 32)))
    said = unet(noisy, torch.tensor([7]), states, return_dict=False)[0]
    return said, encoder(ids).last_hidden_state


def check_equal(found: tuple[Tensor, Tensor], expected: tuple[Tensor, Tensor]) -> None:
    for one, other in zip(found, expected, strict=True):
        assert (one - other).abs().max() <= 1e-5 * other.abs().max().clamp(min=1)


def train(model: Model, path: Path, **options: Any) -> tuple[Tensor, Tensor]:
    """Answers of the model while the network is on it, and its file."""
    network = train_by_chance(model, **options)
    try:
        found = answer(model.unet, model.text_encoders[0])
        network.save(path, {})
    finally:
        network.remove()
    assert not torch.allclose(found[0], answer(model.unet, model.text_encoders[0])[0], atol=1e-3)
    return found


@pytest.mark.parametrize("name", SETTINGS)
def test_our_patcher_gives_the_answers_of_training(model: Model, name: str, tmp_path: Path) -> None:
    """Computed in float64, where the order of sums does not matter: float32 itself differs by 3e-5 in this model."""
    model = replace(
        model, unet=copy.deepcopy(model.unet).double(), text_encoders=(copy.deepcopy(model.text_encoders[0]).double(),)
    )
    expected = train(model, tmp_path / "a.safetensors", **SETTINGS[name])
    with Patcher(**find_networks(model, text=True)) as patcher:
        patcher.set([(load_adapter(tmp_path / "a.safetensors"), 1.0, 1.0)], allow_mismatch=True)
        check_equal(answer(model.unet, model.text_encoders[0]), expected)


@pytest.mark.parametrize(
    ("form", "name"),
    [("kohya", "lora"), ("kohya", "locon"), *(("diffusers", name) for name in ("lora", "locon", "rslora", "dora"))],
)
def test_diffusers_gives_the_answers_of_training(model: Model, name: str, form: str, tmp_path: Path) -> None:
    """Of kohya's form diffusers 0.42 reads neither alphas that differ between layers of attention nor DoRA."""
    pytest.importorskip("peft", reason="diffusers loads LoRAs through peft: pip install peft")
    expected = train(model, tmp_path / "a.safetensors", form=form, **SETTINGS[name])
    diffusers = import_module("diffusers")
    pipe = diffusers.StableDiffusionPipeline(
        unet=copy.deepcopy(model.unet),
        text_encoder=copy.deepcopy(model.text_encoders[0]),
        vae=model.vae,
        tokenizer=model.tokenizers[0],
        scheduler=diffusers.DDIMScheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipe.load_lora_weights(str(tmp_path / "a.safetensors"))
    check_equal(answer(pipe.unet, pipe.text_encoder), expected)


@pytest.mark.parametrize("name", ["lora", "locon", "rslora", "dora", "loha"])
def test_peft_gives_the_answers_of_training(model: Model, name: str, tmp_path: Path) -> None:
    peft = pytest.importorskip("peft", reason="needs peft: pip install peft")
    expected = train(model, tmp_path / "lora", form="peft", **SETTINGS[name])
    unet, encoder = copy.deepcopy(model.unet), copy.deepcopy(model.text_encoders[0])
    root = encoder
    if not hasattr(encoder, "text_model"):  # transformers since 5.6; files have the names from before
        root = nn.Module()
        root.text_model = encoder
    for part, network in (("unet", unet), ("text_encoder", root)):
        peft.PeftModel.from_pretrained(network, str(tmp_path / "lora" / part)).eval()
    check_equal(answer(unet, encoder), expected)
