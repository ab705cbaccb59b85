"""Seconds and peak memory of a training step beside diffusers' own script, and low rank beside full fine-tuning.

    python benchmarks/training.py [--size 256] [--steps 1] [--rounds 3] [--threads 1] [--rank 4]
                                  [--family reference sd1] [--only steps memory] [--full]

Theirs is what diffusers' examples/text_to_image/train_text_to_image_lora.py does at a step, written anew: LoRA through
peft on to_q, to_k, to_v and to_out.0 of the UNet with alpha = rank, DDPM noise, mean squared error, AdamW, gradients
clipped to norm 1, float32, batch 1. Ours is the loop of `underdrawing train lora` with the same targets, rank and
optimiser, on the same weights. Equal settings: both are given latents and text states that were computed before. The
script itself has no such cache; the row "as it comes" encodes picture and caption at every step, as it does.
Needs diffusers, transformers and peft. sd1 is the full size with random weights: 7 GB at 256 x 256. Peak memory is that
of a process of its own (VmHWM, Linux) over two steps, less what it held before the networks. Prints Markdown.
"""

from __future__ import annotations

import argparse
import gc
import json
import subprocess
import sys
import tempfile
from functools import partial
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from generate import CONFIGS, FACTORS, SCHEDULE, SEED, VAE, build, take_over
from interleave import all_threads, interleave, load, processor, set_threads, table
from lora import forget_peak, resident
from torch import Tensor, nn
from torch.nn import functional

from underdrawing.adapters.modules.parts import UNET
from underdrawing.core.networks.placement import Placement
from underdrawing.pipeline.models.assembly import place_tensor
from underdrawing.pipeline.models.folders import read_unet_folder
from underdrawing.pipeline.models.model import Model
from underdrawing.pipeline.models.reference_files import find_reference
from underdrawing.pipeline.training.loop.folder import RunFolder
from underdrawing.pipeline.training.loop.loop import Loop, Plan
from underdrawing.pipeline.training.loop.objective import Objective
from underdrawing.pipeline.training.networks.network import LowRankNetwork
from underdrawing.pipeline.training.networks.params import NetworkParams
from underdrawing.pipeline.training.trainable import Batch, ParamGroup, Trainable

if TYPE_CHECKING:
    from collections.abc import Callable

RATE, DECAY = 1e-4, 1e-2
TEXT: dict[str, Any] = {
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_attention_heads": 12,
    "num_hidden_layers": 12,
}
Step = "Callable[[], float]"


class Case:
    """What both sides are given. family: reference or sd1."""

    def __init__(self, family: str, size: int, rank: int) -> None:
        self.family, self.rank = family, rank
        side = (128 if family == "reference" else size) // 8
        generator = torch.Generator().manual_seed(SEED)
        width = 128 if family == "reference" else CONFIGS[family]["cross_attention_dim"]
        self.states = torch.randn(1, 77, width, generator=generator)
        self.latents, self.noise = (torch.randn(1, 4, side, side, generator=generator) for _ in range(2))
        self.steps = torch.tensor([500])
        self.alphas = torch.cumprod(1 - torch.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2, 0)

    def build_unet(self) -> Any:
        """As diffusers loads it."""
        if self.family == "sd1":
            return build("UNet2DConditionModel", CONFIGS["sd1"])
        return import_module("diffusers").UNet2DConditionModel.from_pretrained(find_reference() / UNET).float()

    def read_unet(self) -> Any:
        """As our loader reads it: each weight is put into place by itself, so that no two copies stand in memory."""
        if self.family == "reference":
            return read_unet_folder(find_reference() / UNET, Placement(), [])[1]
        unet = self.build_unet()
        for parameter in unet.parameters():
            parameter.data = place_tensor(parameter.data, Placement())
        return unet

    def build_model(self, unet: Any) -> Model:
        """As our loader makes it of these weights; one of its own, since what is trained stays in it."""
        placement = Placement()
        return Model(
            name=self.family,
            family="sd1",
            prediction="epsilon",
            unet=take_over(unet, placement),
            vae=None,
            text_encoders=(nn.Identity(),),
            tokenizers=(),
            alphas=self.alphas,
            scaling_factor=FACTORS["sd1"],
            placement=placement,
        )


class FullTuning(Trainable):
    """Every weight of the UNet."""

    def __init__(self, model: Model) -> None:
        self._unet = model.unet.requires_grad_(True)

    def groups(self) -> list[ParamGroup]:
        """One."""
        return [ParamGroup(name=UNET, tensors=dict(self._unet.named_parameters()), rate=RATE, weight_decay=DECAY)]

    def save(self, path: Path, metadata: Any) -> tuple[Path, ...]:
        """Nothing."""
        return ()


def start_ours(case: Case, unet: Any, *, full: bool = False) -> Callable[[], object]:
    """A step of our loop."""
    model = case.build_model(unet)
    if full:
        trainable: Trainable = FullTuning(model)
    else:
        params = NetworkParams(rank=case.rank, targets="attn cross-attn")
        trainable = LowRankNetwork(model, params, rate=RATE, weight_decay=DECAY, seed=SEED)
    objective = Objective(model.alphas)

    def compute_loss(_: int) -> Tensor:
        batch = Batch(
            latents=case.latents,
            noise=case.noise,
            noisy=objective.add_noise(case.latents, case.noise, case.steps),
            target=objective.find_target(case.latents, case.noise, case.steps),
            steps=case.steps,
            states=case.states,
            added={},
            samples=(),
            captions=(),
            flips=(),
            size=(0, 0),
        )
        return objective.judge(trainable.predict(model, batch), batch.target, batch.steps)

    folder = RunFolder(Path(tempfile.mkdtemp()))
    loop = Loop(trainable, compute_loss, Plan(steps=1 << 30), folder, print)
    return loop.advance


def start_theirs(case: Case, unet: Any, *, full: bool = False, encode: Callable[[], object] | None = None) -> Any:
    """A step of the script. encode: what it computes of picture and caption before."""
    diffusers = import_module("diffusers")
    noising = diffusers.DDPMScheduler(**SCHEDULE)
    unet.requires_grad_(full)
    if not full:
        targets = ["to_k", "to_q", "to_v", "to_out.0"]
        own = {"r": case.rank, "lora_alpha": case.rank, "init_lora_weights": "gaussian", "target_modules": targets}
        unet.add_adapter(import_module("peft").LoraConfig(**own))
    unet.train()
    trained: list[nn.Parameter] = [p for p in unet.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(trained, lr=RATE, weight_decay=DECAY)

    def step() -> float:
        if encode is not None:
            encode()
        noisy = noising.add_noise(case.latents, case.noise, case.steps)
        answer = unet(noisy, case.steps, case.states, return_dict=False)[0]
        loss = functional.mse_loss(answer.float(), case.noise.float(), reduction="mean")
        loss.backward()
        nn.utils.clip_grad_norm_(trained, 1.0)
        optimiser.step()
        optimiser.zero_grad()
        return float(loss.detach())

    return step


def build_encoding(case: Case, size: int) -> Callable[[], object]:
    """A picture through a VAE and a caption through CLIP, of full size."""
    transformers = import_module("transformers")
    vae = build("AutoencoderKL", {**VAE, "sample_size": size})
    encoder = transformers.CLIPTextModel(transformers.CLIPTextConfig(**TEXT)).requires_grad_(False)
    picture, ids = torch.rand(1, 3, size, size), torch.randint(0, 40_000, (1, 77))

    @torch.no_grad()
    def encode() -> None:
        vae.encode(picture).latent_dist.sample()
        encoder(ids)

    return encode


def list_sides(case: Case, options: argparse.Namespace) -> dict[str, Any]:
    """Name → what starts it, of a UNet."""
    diffusers, peft = (version(name) for name in ("diffusers", "peft"))
    found: dict[str, Any] = {
        f"diffusers {diffusers}, peft {peft}": partial(start_theirs, case),
        "ours": partial(start_ours, case),
    }
    if case.family == "sd1":
        found["diffusers, as it comes"] = partial(start_theirs, case, encode=build_encoding(case, options.size))
    if options.full or case.family == "reference":
        found["diffusers, full fine-tuning"] = partial(start_theirs, case, full=True)
        found["ours, full fine-tuning"] = partial(start_ours, case, full=True)
    return found


def share_weights(unet: Any) -> Any:
    """A second UNet of the same tensors."""
    with torch.device("meta"):
        empty = type(unet)(**{k: v for k, v in unet.config.items() if not k.startswith("_")})
    empty.load_state_dict(unet.state_dict(), assign=True)
    return empty


def compare_steps(case: Case, options: argparse.Namespace) -> None:
    """Time all in turn; frozen weights are shared where a side leaves them as they are."""
    unet = case.build_unet()
    runs: dict[str, Any] = {}
    for name, start in list_sides(case, options).items():
        runs[name] = start(share_weights(unet) if "full" not in name else case.build_unet())
    timings = interleave(runs, options.rounds)
    table(f"a step, {case.family}, {tuple(case.latents.shape[2:])} latents, rank {case.rank}", timings, options.threads)


def measure(case: Case, options: argparse.Namespace) -> None:
    """Print this process's peak over two steps as JSON."""
    import_module("diffusers").UNet2DConditionModel  # noqa: B018 - imports count before
    if "diffusers" in options.side:
        import_module("peft")
    before = resident()
    unet = case.read_unet() if options.side.startswith("ours") else case.build_unet()
    step = list_sides(case, options)[options.side](unet)
    del unet
    gc.collect()
    held = resident() - before
    forget_peak()
    for _ in range(2):
        step()
    print(json.dumps({"held": held, "peak": resident("VmHWM") - before}))


def compare_memory(case: Case, options: argparse.Namespace) -> None:
    """Measure each side in a process of its own."""
    print(f"\n**peak memory, MiB, {case.family}**\n\n| | before a step | at its peak |\n|---|---|---|")
    for name in list_sides(case, options):
        command = [sys.executable, __file__, *sys.argv[1:], "--side", name, "--of", case.family]
        answer = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        found = json.loads(answer.strip().splitlines()[-1])
        print(f"| {name} | {found['held']:.0f} | {found['peak']:.0f} |", flush=True)


def main() -> None:
    """Compare and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--family", nargs="+", default=["reference", "sd1"], choices=["reference", "sd1"])
    parser.add_argument("--size", type=int, default=256, help="of sd1's pictures")
    parser.add_argument("--rank", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=all_threads())
    parser.add_argument("--full", action="store_true", help="full fine-tuning of sd1, too: 16 GB each")
    parser.add_argument("--only", nargs="+", default=["steps", "memory"])
    parser.add_argument("--side", help=argparse.SUPPRESS)
    parser.add_argument("--of", help=argparse.SUPPRESS)
    options = parser.parse_args()
    set_threads(options.threads)
    if options.side:
        measure(Case(options.of, options.size, options.rank), options)
        return
    print(f"{processor()}; torch {torch.__version__}, {options.threads} threads; {load()}")
    for family in options.family:
        case = Case(family, options.size, options.rank)
        if "steps" in options.only:
            compare_steps(case, options)
        if "memory" in options.only:
            compare_memory(case, options)


if __name__ == "__main__":
    main()
