from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch
from tests.support.tiny_diffusion import HINT_WIDTHS, make_model, require_diffusers

from underdrawing.core.errors import BadParameter
from underdrawing.core.tensor_files.safetensors_io import read_safetensors
from underdrawing.pipeline.models.controls.loading import load_control
from underdrawing.pipeline.training.controls.control import ControlTraining
from underdrawing.pipeline.training.controls.params import ControlParams
from underdrawing.pipeline.training.trainable import Batch

require_diffusers()

if TYPE_CHECKING:
    from pathlib import Path

    from underdrawing.pipeline.models.model import Model


def make_batch(model: Model) -> Batch:
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(1, 4, 8, 8, generator=generator)
    width = model.unet.config.cross_attention_dim
    xl = model.family == "sdxl"
    added = {"text_embeds": torch.randn(1, 64, generator=generator), "time_ids": torch.ones(1, 6)} if xl else {}
    return Batch(
        latents=x, noise=x, noisy=x, target=x, steps=torch.tensor([400]), added=added, samples=(), captions=(),
        states=torch.randn(1, 77, width, generator=generator), flips=(), size=(64, 64),
    )  # fmt: skip


def make_training(model: Model, **params: Any) -> ControlTraining:
    maps: Any = None
    return ControlTraining(model, ControlParams(**params), maps, widths=HINT_WIDTHS)


@pytest.mark.parametrize(("family", "form"), [("sd1", "full"), ("sd1", "lora"), ("sdxl", "lora")])
def test_what_was_trained_is_what_generate_loads(tmp_path: Path, family: str, form: str) -> None:
    model, hint = make_model(family), torch.rand(1, 3, 64, 64)
    training = make_training(model, form=form, save_dtype="float32", **({"rank": 4} if form == "lora" else {}))
    batch = make_batch(model)
    with torch.no_grad():
        assert torch.equal(training.answer(model, batch, hint), training.predict_plain(model, batch)), "it adds nothing"
    optimiser = torch.optim.Adam([t for group in training.groups() for t in group.tensors.values()], 1e-2)
    before = {n: t.detach().clone() for group in training.groups() for n, t in group.tensors.items()}
    for _ in range(2):  # the first moves the convolutions of zeros only
        optimiser.zero_grad()
        (training.answer(model, batch, hint) - batch.target).square().mean().backward()
        optimiser.step()
    after = {n: t.detach() for group in training.groups() for n, t in group.tensors.items()}
    assert sum(not torch.equal(before[n], after[n]) for n in before) > 0.9 * len(before) * (
        0.7 if form == "lora" else 1
    )
    assert all(p.grad is None for p in model.unet.parameters())

    def run(network: Any) -> tuple[torch.Tensor, ...]:
        inputs = (batch.noisy, batch.steps, batch.states, hint)
        with torch.no_grad():
            down, middle = network(*inputs, return_dict=False, added_cond_kwargs=batch.added)
        return (*down, middle)

    wanted = run(training.network)
    for name in ("a.safetensors", "folder") if form == "full" else ("a.safetensors",):
        training.save(tmp_path / name, {})
        found = run(load_control(str(tmp_path / name), model=model).network)
        for one, other in zip(wanted, found, strict=True):
            torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)


def test_a_control_lora_is_small_and_marked(tmp_path: Path) -> None:
    model = make_model("sd1")
    training = make_training(model, form="lora", rank=4)
    training.save(tmp_path / "a.safetensors", {})
    assert "lora_controlnet" in read_safetensors(tmp_path / "a.safetensors")
    with pytest.raises(BadParameter, match=r"\.safetensors"):
        training.save(tmp_path / "folder", {})
    with pytest.raises(BadParameter, match=r"\.safetensors"):
        training.save(tmp_path / "a.pt", {})
