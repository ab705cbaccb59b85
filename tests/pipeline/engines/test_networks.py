"""What is handed to the engine and what is not, with torch in its place."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import nn

from underdrawing.adapters.applying.originals import ORIGINALS, Allocation, Replacement
from underdrawing.core.networks.placement import Placement
from underdrawing.pipeline.engines import networks
from underdrawing.pipeline.engines.networks import EngineControl, EngineUnet, EngineVae

if TYPE_CHECKING:
    from underdrawing.pipeline.engines.networks import EngineNetwork

PLACEMENT = Placement(backend="openvino")
STEPS = torch.full((2,), 500.0)
LATENTS = torch.ones(2, 4, 8, 8)
MORE = {"encoder_hidden_states": torch.ones(2, 7, 3), "return_dict": False}


class Unet(nn.Module):
    """Notes its calls in torch."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(2.0), requires_grad=False)
        self.config = SimpleNamespace(block_out_channels=(32, 32))
        self.controlnet_cond_embedding: nn.Module = nn.Identity()

    def forward(self, latents: torch.Tensor, steps: torch.Tensor, **more: Any) -> Any:
        answer = latents * self.weight
        if "controlnet_cond" in more:
            return [answer], answer + 1
        for residual in more.get("down_block_additional_residuals", ()):
            answer = answer + residual
        return (answer,)


class Engine:
    """Compiles by keeping a copy of the weights, as OpenVINO does."""

    def __init__(self) -> None:
        self.compiled = 0
        self.calls = 0
        self.fails = False

    def compile(self, trace: nn.Module, example: Any, shapes: Any, placement: Placement) -> Any:
        if self.fails:
            raise RuntimeError("no such operation\nmore")
        assert len(example) == len(shapes)
        assert all(len(shape) == value.ndim for shape, value in zip(shapes, example, strict=True))
        self.compiled += 1
        weight = next(trace.parameters()).clone()

        def run(inputs: list[Any]) -> dict[int, Any]:
            self.calls += 1
            parameter = next(trace.parameters())
            before = parameter.data
            parameter.data = weight
            found = trace(*(torch.from_numpy(value) for value in inputs))
            parameter.data = before
            answers = found if isinstance(found, tuple) else (found,)
            run.outputs = answers  # type: ignore[attr-defined]
            return {index: answer.numpy() for index, answer in enumerate(answers)}

        count = 2 if type(trace).__name__ == "ControlTrace" else 1
        run.outputs = [None] * count  # type: ignore[attr-defined]
        return run


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Engine:
    made = Engine()
    monkeypatch.setattr(networks, "compile_module", made.compile)
    return made


def hand_over(network: nn.Module, kind: type[EngineNetwork] = EngineUnet) -> tuple[Any, list[str]]:
    notes: list[str] = []
    return kind(network, PLACEMENT, notes.append, name="the UNet"), notes


def test_a_network_is_compiled_once_for_all_runs(engine: Engine) -> None:
    network = Unet()
    for _ in range(2):
        own, notes = hand_over(network)
        for size in (8, 16):
            assert torch.equal(own(LATENTS[..., :size], STEPS, **MORE)[0], LATENTS[..., :size] * 2)
        assert notes == []
    assert (engine.compiled, engine.calls) == (1, 4)


def test_steps_without_a_control_use_what_is_compiled_for_those_with_one(engine: Engine) -> None:
    own, _ = hand_over(Unet())
    residuals = {"down_block_additional_residuals": [LATENTS], "mid_block_additional_residual": LATENTS}
    assert float(own(LATENTS, STEPS, **MORE, **residuals)[0].mean()) == 3
    assert float(own(LATENTS, STEPS, **MORE)[0].mean()) == 2
    assert engine.compiled == 1


def test_a_lora_on_the_network_is_computed_in_torch_and_said(engine: Engine) -> None:
    network = Unet()
    own, notes = hand_over(network)
    own(LATENTS, STEPS, **MORE)
    original = network.weight
    network.weight = nn.Parameter(torch.tensor(5.0), requires_grad=False)
    ORIGINALS.add(network.weight, Replacement(original, network.weight.detach(), Allocation(4)))
    assert float(own(LATENTS, STEPS, **MORE)[0].mean()) == 5
    assert engine.calls == 1
    assert notes == ["the UNet runs in torch: a LoRA is on it, and OpenVINO has its weights without it"]
    network.weight = original
    assert float(own(LATENTS, STEPS, **MORE)[0].mean()) == 2
    assert (engine.compiled, engine.calls) == (1, 2)


def test_weights_that_were_replaced_are_compiled_anew(engine: Engine) -> None:
    network = Unet()
    own, _ = hand_over(network)
    own(LATENTS, STEPS, **MORE)
    network.weight = nn.Parameter(torch.tensor(5.0), requires_grad=False)
    assert float(own(LATENTS, STEPS, **MORE)[0].mean()) == 5
    assert engine.compiled == 2


@pytest.mark.parametrize(
    ("change", "words"),
    [("size", "multiples of 2"), ("adapter", "T2I-adapter"), ("failure", "cannot compile it .no such operation.$")],
)
def test_what_the_engine_cannot_do_runs_in_torch_and_is_said(change: str, words: str, engine: Engine) -> None:
    own, notes = hand_over(Unet())
    latents = LATENTS[..., :7] if change == "size" else LATENTS
    more = {**MORE, "down_intrablock_additional_residuals": []} if change == "adapter" else MORE
    engine.fails = change == "failure"
    assert torch.equal(own(latents, STEPS, **more)[0], latents * 2)
    assert engine.calls == 0
    (note,) = notes
    assert note.startswith("the UNet runs in torch: ")
    assert re.search(words, note)


def test_a_control_reads_its_hint_in_torch(engine: Engine) -> None:
    """The loop puts what was read in the place of the reader, and takes it out again."""
    network = Unet()
    own, notes = hand_over(network, EngineControl)
    down, middle = own(LATENTS, STEPS, controlnet_cond=LATENTS, **MORE)
    assert (float(down[0].mean()), float(middle.mean()), engine.calls) == (2, 3, 1)
    own.controlnet_cond_embedding = nn.Linear(1, 1)
    assert isinstance(network.controlnet_cond_embedding, nn.Linear)
    own(LATENTS, STEPS, controlnet_cond=LATENTS, **MORE)
    assert engine.calls == 1
    assert len(notes) == 1


class Vae(nn.Module):
    """Twice the latents, and half the planes."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(2.0), requires_grad=False)

    def decode(self, latents: torch.Tensor, **_: Any) -> Any:
        return (latents * self.weight,)

    def encode(self, planes: torch.Tensor, **_: Any) -> Any:
        return (SimpleNamespace(mean=planes / self.weight),)


def test_a_vae_has_two_ways(engine: Engine) -> None:
    own, notes = hand_over(Vae(), EngineVae)
    for _ in range(2):
        planes = own.decode(LATENTS, return_dict=False)[0]
        assert torch.equal(own.encode(planes, return_dict=False)[0].mean, LATENTS)
    assert (engine.compiled, engine.calls, notes) == (2, 4, [])
