from __future__ import annotations

import sys
from itertools import pairwise
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.support.fake_networks import LAYERS, FakeLoras, Job, Params, Weights, draw_factors, spell
from tests.support.transformer_models import make_weights, shrink, to_original, write_attention

from underdrawing.adapters.hosting.forge import ForgeLoras
from underdrawing.core.hooks import HostHooks

if TYPE_CHECKING:
    from pathlib import Path

KEYS = {name: f"diffusion_model.{name}.weight" for name in LAYERS}


class Hooks(HostHooks):
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def folders(self, kind: str) -> list[Path]:
        return [self.folder]

    def note(self, text: str) -> None:
        pass


class Loader:
    """Merges patches when the keys of the patches change, as the host's does."""

    def __init__(self, weights: dict[str, torch.Tensor]) -> None:
        self.original, self.weights, self.held, self.backup = weights, dict(weights), "[]", dict[str, torch.Tensor]()

    def refresh(self, patches: dict[Any, dict[str, list[Any]]]) -> None:
        if str(list(patches)) == self.held:
            return
        self.held, self.weights = str(list(patches)), dict(self.original)
        self.backup = dict(self.original)
        for table in patches.values():
            for key, several in table.items():
                for strength, (up, down, alpha), *_ in several:
                    self.weights[key] = self.weights[key] + strength * alpha / len(down) * (up @ down)


class Host:
    """Its module of LoRAs over a model of a few layers."""

    def __init__(self, folder: Path) -> None:
        fake = FakeLoras(folder, "forge")
        self.networks, self.tags = fake.networks, fake.tags.ExtraNetworkLora
        self.loader = Loader({KEYS[name]: weight for name, weight in fake.original.items()})
        model: Any = Weights(lambda: self.loader.weights)
        model.lora_loader = self.loader
        clip = SimpleNamespace(cond_stage_model=SimpleNamespace(state_dict=dict[str, Any]))
        self.unet = SimpleNamespace(model=model, lora_patches={}, refresh_loras=self.refresh)
        original = SimpleNamespace(unet=SimpleNamespace(model=model), clip=clip)
        self.sd = SimpleNamespace(forge_objects_original=original, forge_objects=SimpleNamespace(unet=self.unet))
        self.networks.model_lora_keys_unet = lambda model, names: {**names, **KEYS}  # type: ignore[reportUnknownLambdaType]
        self.networks.model_lora_keys_clip = lambda model, names: names  # type: ignore[reportUnknownLambdaType]
        self.networks.load_lora = self.match
        self.networks.load_networks = self.load
        opts = SimpleNamespace(data=dict[str, Any]())
        self.ours = ForgeLoras(Hooks(folder), SimpleNamespace(sd_model=self.sd, opts=opts), self.networks, self)
        self.EmbeddingDatabase = type("Database", (), {"load_from_file": None})

    def refresh(self) -> None:
        self.loader.refresh(self.unet.lora_patches)

    def match(self, tensors: dict[str, Any], names: dict[str, str]) -> tuple[dict[str, Any], dict[str, Any]]:
        patches: dict[str, Any] = {}
        for name, key in names.items():
            if f"{name}.lora_up.weight" in tensors:
                alpha = tensors.get(f"{name}.alpha", torch.tensor(2.0)).item()
                patches[key] = tensors[f"{name}.lora_up.weight"], tensors[f"{name}.lora_down.weight"], alpha
        return patches, {key: value for key, value in tensors.items() if key.partition(".")[0] not in names}

    def load(self, names: list[str], te: list[float], unet: list[float], dyn: list[None]) -> None:
        self.unet.lora_patches = {}
        for name, strength in zip(names, unet, strict=True):
            file = self.networks.available_network_aliases[name].filename
            patches, _ = self.match(self.networks.load_lora_state_dict(file), KEYS)
            table = {key: [[strength, patch, 1.0, None, None]] for key, patch in patches.items()}
            self.unet.lora_patches[(file, strength, 1.0, False)] = table

    def draw(self, *tags: str) -> tuple[Job, list[dict[str, torch.Tensor]]]:
        job = Job()
        self.tags().activate(job, [Params(tag.split(":")) for tag in tags])
        steps: list[dict[str, torch.Tensor]] = []
        for step in range(job.steps):
            self.refresh()
            denoiser = SimpleNamespace(step=step, steps=job.steps, total_steps=job.steps, p=job)
            self.ours.follow(denoiser)
            steps.append(dict(self.loader.weights))
        return job, steps


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Host:
    folder = tmp_path_factory.mktemp("loras")
    for form in ("kohya", "diffusers"):
        save_file(spell(draw_factors(), form), folder / f"{form}.safetensors")
    (folder / "cut.safetensors").write_bytes(b"abc")
    made = Host(folder)
    made.ours.install(made.tags, [])
    return made


def equal(left: dict[str, torch.Tensor], right: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(left[key], right[key]) for key in KEYS.values())


@pytest.mark.parametrize("rest", ["1", "0.5", "1:lbw=INALL", "1:start=0.5", "1:stop=1", "0@0,1@1", "1:0:lbw=OUTALL"])
def test_foreign_forms_change_the_same_as_their_twins(host: Host, rest: str) -> None:
    (_, left), (_, right) = host.draw(f"diffusers:{rest}"), host.draw(f"kohya:{rest}")
    assert all(equal(one, other) for one, other in zip(left, right, strict=True))
    assert equal(host.draw()[1][0], host.loader.original)


def test_block_weights_change_with_the_tag_and_go_back(host: Host) -> None:
    drawn = [host.draw(f"kohya:1{blocks}")[1][0] for blocks in (":lbw=INALL", ":lbw=OUTALL", "", ":lbw=INALL")]
    assert not any(equal(one, other) for one, other in pairwise(drawn))
    assert equal(drawn[0], drawn[-1])


def test_ranges_work_in_their_steps(host: Host) -> None:
    _, steps = host.draw("kohya:1:start=1:stop=3")
    assert [equal(weights, host.loader.original) for weights in steps] == [True, False, False, True]


def test_one_name_twice_is_applied_twice(host: Host) -> None:
    _, (both, *_) = host.draw("kohya:1:lbw=INALL", "kohya:0.5:lbw=OUTALL")
    (one, half) = (host.draw(f"kohya:{strength}")[1][0] for strength in ("1", "0.5"))
    first, last = KEYS[LAYERS[0]], KEYS[LAYERS[3]]
    assert torch.equal(both[first], one[first])
    assert torch.equal(both[last], half[last])


@pytest.mark.parametrize(("tag", "told"), [("cut:1", "too short"), ("nothere:1", "no LoRA is called")])
def test_what_cannot_work_is_told_and_stops_nothing(host: Host, tag: str, told: str) -> None:
    job, steps = host.draw(tag)
    assert any(told in comment for comment in job.comments)
    assert equal(steps[0], host.loader.original)


def test_receipts_say_what_was_converted(host: Host) -> None:
    job, _ = host.draw("diffusers:1:lbw=INALL", "kohya:1")
    text = job.extra_generation_params["Underdrawing"]
    assert text == "diffusers: 5 of 5 modules, converted from diffusers, as diffusers:1:lbw=INALL"


def load_model(made: Host, weights: dict[str, torch.Tensor]) -> None:
    """Another model, of which only names and weights matter."""
    table = {f"diffusion_model.{key}": value for key, value in weights.items()}
    model = Weights({**table, "diffusion_model.img_in.dummy": torch.ones(1)})
    made.sd.forge_objects_original.unet = SimpleNamespace(model=model)
    names = {f"lora_unet_{key.removesuffix('.weight').replace('.', '_')}": key for key in weights}
    full = {name: f"diffusion_model.{key}" for name, key in names.items()}

    def match(tensors: dict[str, Any], names: dict[str, str]) -> tuple[dict[str, Any], dict[str, Any]]:
        return {}, {key: value for key, value in tensors.items() if key.partition(".")[0] not in names}

    def list_names(*_: Any) -> dict[str, str]:
        return full

    made.networks.model_lora_keys_unet, made.networks.load_lora = list_names, match


@pytest.mark.parametrize("architecture", ["flux1", "chroma"])
def test_files_are_read_for_the_transformer_that_is_loaded(tmp_path: Path, architecture: str) -> None:
    made, path = Host(tmp_path), write_attention(tmp_path, architecture)
    load_model(made, to_original(architecture, make_weights(shrink(architecture))))
    made.ours.find(architecture)
    assert made.ours.model.base_model == architecture
    tensors = made.ours.load_file(load_file, str(path))  # type: ignore[reportUnknownArgumentType]
    receipt = made.ours.session.receipts[architecture]
    assert {key.split(".")[0] for key in tensors} == {
        f"lora_unet_double_blocks_0_img_attn_{n}" for n in ("qkv", "proj")
    }
    assert (receipt.base_model, receipt.modules, receipt.problem) == (architecture, receipt.total, "")
    assert bool(receipt.remark) == (architecture == "chroma")


def test_only_what_this_relative_can_load_is_offered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = Host(tmp_path)
    assert {"sd15", "sdxl"} <= made.ours.loadable
    assert "flux1" not in made.ours.loadable
    monkeypatch.setitem(sys.modules, "backend.diffusion_engine.flux", ModuleType("flux"))
    assert "flux1" in made.ours.loadable


def test_how_a_file_was_read_and_why_it_was_refused_are_told(tmp_path: Path) -> None:
    made = Host(tmp_path)
    for name in ("flux1", "chroma"):
        write_attention(tmp_path, name)
    made.ours.install(made.tags, [])
    load_model(made, to_original("chroma", make_weights(shrink("chroma"))))
    told = " ".join(made.draw("chroma:1")[0].comments)
    assert "read as a file for Chroma, as the model is" in told
    load_model(made, {"input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight": torch.ones(8, 768)})
    told = " ".join(made.draw("flux1:1")[0].comments)
    assert "was made for Flux.1, and this model is SD 1.x. Next: " in told
