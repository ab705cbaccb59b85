"""Compares whole runs with ComfyUI's KSampler on a small random SD1 model; prints the differences.

Two steps, as both sides need packages of their own; from the project's folder:

    PYTHONPATH=.dev:. python tests/golden/sampling/compare_comfyui.py draw FOLDER    # with diffusers
    COMFYUI_PYTHON tests/golden/sampling/compare_comfyui.py compare FOLDER COMFYUI

FOLDER: where weights and latents are kept between both. COMFYUI: a checkout of ComfyUI 0.3.64. Differences are shares
of the latents' range; 2 levels of a picture are some 0.8 %.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

SCALE, SEED, STEPS, CFG, STRENGTH = 0.18215, 77, 6, 4.0, 0.6
WHOLE = (
    *("euler|normal", "euler_ancestral|normal", "dpmpp_2m|karras", "ddim|ddim_uniform", "heun|simple"),
    *("dpm_2|karras", "dpmpp_2s_ancestral|karras", "dpmpp_sde|karras", "dpmpp_2m_sde|exponential"),
    *("dpmpp_3m_sde|sgm_uniform", "lms|beta", "uni_pc|normal", "lcm|sgm_uniform", "dpm_fast|karras"),
)
PART = ("euler|normal", "euler_ancestral|normal", "dpmpp_2m|karras", "ddim|ddim_uniform", "dpmpp_2m_sde|exponential")
CASES = [f"{name}|text" for name in WHOLE] + [f"{name}|{kind}" for name in PART for kind in ("image", "mask")]
UNET = {
    "use_checkpoint": False,
    "image_size": 32,
    "in_channels": 4,
    "out_channels": 4,
    "use_spatial_transformer": True,
    "legacy": False,
    "model_channels": 32,
    "num_res_blocks": [2, 2, 2, 2],
    "channel_mult": [1, 1, 2, 2],
    "transformer_depth": [1, 1, 1, 1, 1, 1, 0, 0],
    "transformer_depth_output": [1] * 9 + [0] * 3,
    "transformer_depth_middle": 1,
    "context_dim": 32,
    "num_heads": 8,
    "num_head_channels": -1,
    "use_temporal_attention": False,
    "use_linear_in_transformer": False,
    "adm_in_channels": None,
}


def draw(folder: Path) -> None:
    """Our side: weights in LDM's layout, inputs and latents."""
    from tests.support.fake_diffusion import Prompt
    from tests.support.tiny_diffusion import make_ldm_table, make_model

    from underdrawing.pipeline.denoising.loop import denoise_latents
    from underdrawing.pipeline.denoising.units import Conditioning
    from underdrawing.pipeline.sampling.names import find_sampler
    from underdrawing.pipeline.sampling.noise import Noise
    from underdrawing.pipeline.sampling.plan import plan_steps
    from underdrawing.pipeline.sampling.sigmas import ModelSigmas

    model, generator = make_model("sd1"), torch.Generator().manual_seed(5)
    found = {name: torch.randn(1, 77, 32, generator=generator) for name in ("positive", "negative")}
    found["start"] = torch.randn(1, 4, 16, 16, generator=generator)
    found["mask"] = torch.zeros(1, 1, 16, 16)
    found["mask"][..., 4:12, 5:14] = 1
    prompts = [Prompt(Conditioning(states=found[name])) for name in ("positive", "negative")]
    for case in CASES:
        sampler, scheduler, kind = case.split("|")
        strength = None if kind == "text" else STRENGTH
        plan = plan_steps(find_sampler(sampler, scheduler), STEPS, ModelSigmas(model.alphas), strength=strength)
        start, mask = (None if kind == "text" else found["start"]), (found["mask"] if kind == "mask" else None)
        noise = Noise((SEED,), (4, 16, 16), host="comfyui")
        found[case] = denoise_latents(model, plan, noise, *prompts, cfg=CFG, start=start, mask=mask)
    save_file(
        {name: value.contiguous() for name, value in make_ldm_table("sd1").items()}, folder / "weights.safetensors"
    )
    save_file({name: value.contiguous() for name, value in found.items()}, folder / "latents.safetensors")


def compare(folder: Path, comfyui: Path) -> None:
    """ComfyUI's side."""
    sys.path.insert(0, str(comfyui))
    sys.argv = [sys.argv[0], "--cpu"]
    import comfy.options

    comfy.options.enable_args_parsing()
    import comfy.sample

    ours = load_file(folder / "latents.safetensors")
    patcher = load_model(load_file(folder / "weights.safetensors"))
    for case in CASES:
        sampler, scheduler, kind = case.split("|")
        latents = torch.zeros(1, 4, 16, 16) if kind == "text" else ours["start"] / SCALE
        prompts = [[[ours[name], {}]] for name in ("positive", "negative")]
        found = comfy.sample.sample(
            patcher,
            comfy.sample.prepare_noise(latents, SEED),
            *(STEPS, CFG, sampler, scheduler, *prompts, latents),
            denoise=1.0 if kind == "text" else STRENGTH,
            seed=SEED,
            disable_pbar=True,
            noise_mask=ours["mask"] if kind == "mask" else None,
        ).detach()
        reach = float(ours[case].max() - ours[case].min())
        difference = float((found * SCALE - ours[case]).abs().max()) / reach
        sys.stdout.write(f"{case:40} {difference:.1e}\n")


def load_model(weights: dict[str, torch.Tensor]) -> Any:
    import comfy.model_patcher
    import comfy.supported_models

    prefix, cpu = "model.diffusion_model.", torch.device("cpu")
    config = comfy.supported_models.SD15(UNET)
    config.set_inference_dtype(torch.float32, None)
    model = config.get_model(weights, prefix, device=cpu)
    model.load_model_weights(weights, prefix)
    return comfy.model_patcher.ModelPatcher(model, load_device=cpu, offload_device=cpu)


if __name__ == "__main__":
    if sys.argv[1] == "draw":
        draw(Path(sys.argv[2]))
    else:
        compare(Path(sys.argv[2]), Path(sys.argv[3]))
