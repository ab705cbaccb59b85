"""Seconds per step and peak memory of the pipeline beside diffusers' own, random weights of full size, one ControlNet.

    python benchmarks/generate.py [--size 512] [--steps 2] [--rounds 1] [--threads 1] [--dtype float32]
                                  [--family sd1 | sdxl] [--only steps decode memory] [--rank 16] [--openvino]

diffusers runs as it is by default: StableDiffusionControlNetPipeline, float32, Euler, guidance. Both have the same
weights and noise, and run in turn. LoRAs are on by `--rank`, of every linear layer of the UNet's transformers: ours
through Patcher, theirs through load_lora_weights, which needs peft. A step is a whole run without text and VAE, divided
by its steps. Peak memory is that of a process of its own (VmHWM, Linux) with networks, steps and decoding, less what it
held before. SD1 needs 13 GB of memory in float32, SDXL 40. Prints Markdown; docs/pipeline.md has figures of it.
"""

from __future__ import annotations

import argparse
import gc
import json
import subprocess
import sys
import tempfile
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from interleave import all_threads, interleave, load, processor, set_threads, table
from lora import forget_peak, resident, saved

from underdrawing.adapters import Patcher, load_adapter
from underdrawing.core.networks.placement import Placement, resolve_placement
from underdrawing.pipeline.denoising.latents import decode
from underdrawing.pipeline.denoising.loop import denoise_latents
from underdrawing.pipeline.denoising.units import Conditioning, ControlUnit
from underdrawing.pipeline.models.assembly import finish, place_tensor
from underdrawing.pipeline.models.model import ControlNetwork, Model
from underdrawing.pipeline.sampling.names import find_sampler
from underdrawing.pipeline.sampling.noise import Noise
from underdrawing.pipeline.sampling.plan import plan_steps
from underdrawing.pipeline.sampling.sigmas import ModelSigmas

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor, nn

SEED, CFG, WEIGHT = 7, 7.0, 0.8
SCHEDULE: dict[str, Any] = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
XL: dict[str, Any] = {
    "block_out_channels": (320, 640, 1280),
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "transformer_layers_per_block": (1, 2, 10),
    "attention_head_dim": (5, 10, 20),
    "use_linear_projection": True,
    "cross_attention_dim": 2048,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 2816,
}
CONFIGS: dict[str, dict[str, Any]] = {"sd1": {"cross_attention_dim": 768}, "sdxl": XL}
UPS = {"sd1": {}, "sdxl": {"up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D")}}
VAE: dict[str, Any] = {
    "block_out_channels": [128, 256, 512, 512],
    "layers_per_block": 2,
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
}
FACTORS = {"sd1": 0.18215, "sdxl": 0.13025}
POOLED = 1280


def build(kind: str, config: dict[str, Any]) -> Any:
    """A network of diffusers with random weights, float32; the same ones at every call."""
    with torch.device("meta"):
        module = getattr(import_module("diffusers"), kind)(**config)
    module.to_empty(device="cpu").eval().requires_grad_(False)
    noise = torch.randn(1 << 20, generator=torch.Generator().manual_seed(SEED)).mul_(0.02)
    for name, value in module.named_parameters():
        flat, one = value.view(-1), "norm" in name and name.endswith("weight")
        for start in range(0, flat.numel(), noise.numel()):
            piece = flat[start : start + noise.numel()]
            piece.copy_(noise[: piece.numel()]).add_(1.0 if one else 0.0)
    return module


def take_over(module: nn.Module, placement: Placement) -> Any:
    """A network as our loader makes it of these weights."""
    with torch.device("meta"):
        empty = type(module)(**{k: v for k, v in module.config.items() if not k.startswith("_")})  # type: ignore[attr-defined]
    return finish(empty, {name: place_tensor(v, placement) for name, v in module.state_dict().items()}, placement)


class Case:
    """What both sides are given."""

    def __init__(self, family: str, size: int, steps: int) -> None:
        generator = torch.Generator().manual_seed(SEED)
        self.family, self.size, self.steps = family, size, steps
        width = CONFIGS[family]["cross_attention_dim"]
        self.states = [torch.randn(1, 77, width, generator=generator) for _ in range(2)]
        self.pooled = [torch.randn(1, POOLED, generator=generator) for _ in range(2)]
        self.hint = torch.rand(1, 3, size, size, generator=generator)
        self.alphas = torch.cumprod(1 - torch.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2, 0)

    def networks(self) -> tuple[Any, Any, Any]:
        """UNet, ControlNet and VAE."""
        config = CONFIGS[self.family]
        unet = build("UNet2DConditionModel", {**config, **UPS[self.family], "sample_size": self.size // 8})
        return unet, build("ControlNetModel", config), build("AutoencoderKL", {**VAE, "sample_size": self.size})


class Ours:
    """The pipeline's loop."""

    def __init__(self, case: Case, placement: Placement, networks: Sequence[Any]) -> None:
        unet, control, vae = (take_over(network, placement) for network in networks)
        self.case = case
        self.model = Model(
            name="random",
            family=case.family,  # type: ignore[arg-type]
            prediction="epsilon",
            unet=unet,
            vae=vae,
            text_encoders=(),
            tokenizers=(),
            alphas=case.alphas,
            scaling_factor=FACTORS[case.family],
            placement=placement,
        )
        self.running = self.model
        self.network = ControlNetwork(name="random", form="controlnet", family=self.model.family, network=control)

    def denoise(self) -> Tensor:
        """Latents."""
        case = self.case
        prompts = [Prompt(self._condition(index)) for index in range(2)]
        plan = plan_steps(find_sampler("Euler"), case.steps, ModelSigmas(case.alphas))
        noise = Noise((SEED,), (4, case.size // 8, case.size // 8))
        units = [ControlUnit(network=self.network, hint=case.hint, weight=WEIGHT)]
        return denoise_latents(self.running, plan, noise, prompts[0], prompts[1], cfg=CFG, controls=units)

    def _condition(self, index: int) -> Conditioning:
        case, large = self.case, self.case.family == "sdxl"
        ids = torch.tensor([[case.size, case.size, 0, 0, case.size, case.size]], dtype=torch.float32)
        pooled = case.pooled[index] if large else None
        return Conditioning(states=case.states[index], pooled=pooled, ids=ids if large else None)

    def decode(self, latents: Tensor) -> Any:
        """Pictures uint8 [1, H, W, 3]."""
        return decode(self.running, latents)


class Prompt:
    """The same at every step."""

    def __init__(self, condition: Conditioning) -> None:
        self._found = [[condition]]

    def at(self, step: int, total: int) -> Sequence[Sequence[Conditioning]]:
        """As PromptPlan."""
        return self._found


class Theirs:
    """diffusers' pipeline as it is by default."""

    def __init__(self, case: Case, networks: Sequence[Any]) -> None:
        unet, control, vae = networks
        diffusers, large = import_module("diffusers"), case.family == "sdxl"
        vae.register_to_config(scaling_factor=FACTORS[case.family])
        scheduler = diffusers.EulerDiscreteScheduler(timestep_spacing="linspace", steps_offset=1, **SCHEDULE)
        parts: dict[str, Any] = {"unet": unet, "controlnet": control, "vae": vae, "scheduler": scheduler}
        parts |= {"text_encoder": None, "tokenizer": None}
        if large:
            parts |= {"text_encoder_2": None, "tokenizer_2": None}
        else:
            parts |= {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}
        kind = "StableDiffusionXLControlNetPipeline" if large else "StableDiffusionControlNetPipeline"
        self.case, self.pipe = case, getattr(diffusers, kind)(**parts)
        self.pipe.set_progress_bar_config(disable=True)

    def denoise(self) -> Tensor:
        """Latents."""
        case = self.case
        own: dict[str, Any] = {"prompt_embeds": case.states[0], "negative_prompt_embeds": case.states[1]}
        if case.family == "sdxl":
            own |= {"pooled_prompt_embeds": case.pooled[0], "negative_pooled_prompt_embeds": case.pooled[1]}
        return self.pipe(
            image=case.hint,
            height=case.size,
            width=case.size,
            num_inference_steps=case.steps,
            guidance_scale=CFG,
            controlnet_conditioning_scale=WEIGHT,
            generator=torch.Generator().manual_seed(SEED),
            output_type="latent",
            **own,
        ).images

    def decode(self, latents: Tensor) -> Any:
        """Pictures uint8 [1, H, W, 3]."""
        with torch.no_grad():
            planes = self.pipe.vae.decode(latents / FACTORS[self.case.family], return_dict=False)[0]
        return (self.pipe.image_processor.postprocess(planes, output_type="np") * 255).astype(np.uint8)


def compare_steps(case: Case, options: argparse.Namespace, placement: Placement) -> None:
    """Time steps and decoding of both in turn, and compare what comes out."""
    networks = case.networks()
    sides: dict[str, Ours | Theirs] = {f"diffusers {version('diffusers')}, float32": Theirs(case, networks)}
    sides[f"ours, {placement.dtype}"] = ours = Ours(case, placement, networks)
    if options.openvino:
        sides["ours, OpenVINO"] = hand_over(Ours(case, Placement(), networks), placement.dtype)
    expected, *more = [side.denoise() for side in sides.values()]
    reach = float(expected.max() - expected.min())
    apart = {
        name: f"latents differ by {float((found.float() - expected).abs().max()) / reach:.1e} of their range"
        for name, found in zip(list(sides)[1:], more, strict=True)
    }
    if "steps" in options.only:
        timings = interleave({name: side.denoise for name, side in sides.items()}, options.rounds, warm=False)
        show_steps(f"one of {case.steps} steps", timings, case.steps, options.threads, apart)
        if options.rank and case.family == "sd1":
            show_loras(next(iter(sides.values())), ours, options)
    if "decode" in options.only:
        runs: dict[str, Callable[[], object]] = {name: bind(side, expected) for name, side in sides.items()}
        pictures = [side.decode(expected).astype(int) for side in sides.values()]
        levels = {n: f"levels differ by {abs(p - pictures[0]).max()}" for n, p in zip(sides, pictures, strict=True)}
        show = interleave(runs, options.rounds, warm=False)
        table("decoding", show, options.threads, levels)


def bind(side: Ours | Theirs, latents: Tensor) -> Callable[[], object]:
    """Decode these latents."""
    return lambda: side.decode(latents)


def hand_over(side: Ours, dtype: str) -> Ours:
    """The same with networks that OpenVINO computes."""
    from underdrawing.pipeline.engines.openvino import OpenVinoEngine

    engine = OpenVinoEngine(Placement(dtype=dtype, backend="openvino"), print)  # type: ignore[arg-type]
    side.running, side.network = engine.take_model(side.model), engine.take_control(side.network)
    return side


def show_steps(title: str, timings: Any, steps: int, threads: int, notes: dict[str, str]) -> None:
    """A table of runs, by the step."""
    for timing in timings.values():
        timing.cpu[:] = [seconds / steps for seconds in timing.cpu]
        timing.wall[:] = [seconds / steps for seconds in timing.wall]
    table(title, timings, threads, notes)


def show_loras(theirs: Any, ours: Ours, options: argparse.Namespace) -> None:
    """The same with a LoRA on, beside ours without it."""
    with tempfile.TemporaryDirectory() as folder:
        path = saved(Path(folder), options.rank, SEED)
        patcher = Patcher(unet=ours.model.unet)
        runs: dict[str, Callable[[], object]] = {"ours, no LoRA": ours.denoise}
        adapter = load_adapter(path)

        def patched() -> None:
            ours.denoise()

        if find_spec("peft") is not None:
            theirs.pipe.load_lora_weights(str(path))
            runs[f"diffusers, LoRA, peft {version('peft')}"] = theirs.denoise
        timings = interleave(runs, options.rounds, warm=False)
        patcher.set([(adapter, 1.0, 1.0)])
        timings |= interleave({"ours, LoRA": patched, "ours, LoRA again": patched}, options.rounds, warm=False)
        patcher.clear()
    show_steps(
        f"one of {ours.case.steps} steps, LoRA of rank {options.rank}", timings, ours.case.steps, options.threads, {}
    )
    if find_spec("peft") is None:
        print("\ndiffusers' LoRAs need peft, which is not installed")


def measure(side: str, case: Case, placement: Placement) -> None:
    """Print the peak of this process as JSON: networks, steps, decoding."""
    import_module("diffusers").StableDiffusionControlNetPipeline  # noqa: B018 - imports count before
    before = resident()
    networks: Sequence[Any] = case.networks()
    made = Theirs(case, networks) if side == "theirs" else Ours(case, placement, networks)
    del networks
    gc.collect()
    forget_peak()
    latents = made.denoise()
    steps = resident("VmHWM") - before
    made.decode(latents)
    print(json.dumps({"steps": steps, "all": resident("VmHWM") - before, "held": resident() - before}))


def compare_memory(arguments: Sequence[str]) -> None:
    """Measure each side in a process of its own."""
    print("\n**peak memory, MiB**\n\n| | while denoising | with decoding |\n|---|---|---|")
    for side, name in (("theirs", "diffusers, float32"), ("ours", "ours")):
        command = [sys.executable, __file__, *arguments, "--side", side]
        told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        found = json.loads(told.strip().splitlines()[-1])
        print(f"| {name} | {found['steps']:.0f} | {found['all']:.0f} |", flush=True)


def main() -> None:
    """Compare and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--steps", type=int, default=2, choices=[2, 4, 10], help="steps whose sigmas agree")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--threads", type=int, default=all_threads())
    parser.add_argument("--dtype", default="auto", help="of ours")
    parser.add_argument("--family", choices=list(CONFIGS), default="sd1")
    parser.add_argument("--rank", type=int, default=16, help="of the LoRA; 0: none")
    parser.add_argument("--openvino", action="store_true", help="ours through OpenVINO, too")
    parser.add_argument("--only", nargs="+", default=["steps", "decode", "memory"])
    parser.add_argument("--side", choices=["ours", "theirs"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    set_threads(options.threads)
    placement = resolve_placement("cpu", options.dtype, bf16=True)
    case = Case(options.family, options.size, options.steps)
    if options.side:
        measure(options.side, case, placement)
        return
    print(f"{processor()}; torch {torch.__version__}, {options.threads} threads; {load()}")
    print(f"\n{options.family}, {options.size} x {options.size}, ours: {placement}")
    if {"steps", "decode"} & set(options.only):
        compare_steps(case, options, placement)
    if "memory" in options.only:
        compare_memory(sys.argv[1:])


if __name__ == "__main__":
    main()
