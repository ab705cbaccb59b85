"""Writes sigmas.npz and runs.npz: what ComfyUI, A1111 and k-diffusion compute, with their own code.

Run outside the project's environment, with ComfyUI's Python (torch, scipy, torchsde, tqdm):

    python tests/golden/sampling/make_golden.py COMFYUI WEBUI K_DIFFUSION

COMFYUI: a checkout of ComfyUI 0.3.64. WEBUI: one of stable-diffusion-webui-forge (its modules/sd_schedulers.py,
sd_samplers_timesteps_impl.py, sd_samplers_lcm.py and models/diffusion/uni_pc are A1111's; A1111 itself does as well).
K_DIFFUSION: one of crowsonkb/k-diffusion. What these import beside torch is replaced by empty modules.
"""

from __future__ import annotations

import importlib.util
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import torch

HERE = Path(__file__).parent
STEPS = (1, 2, 7, 11, 20, 30)
SHAPE = (2, 4, 5, 6)
SEEDS = [11, 12]


def stub(name: str, **contents: Any) -> Any:
    module = types.ModuleType(name)
    module.__dict__.update(contents)
    module.__getattr__ = lambda _key: lambda *_a, **_k: None
    module.__path__ = []
    sys.modules[name] = module
    parent, _, last = name.rpartition(".")
    if parent in sys.modules:
        setattr(sys.modules[parent], last, module)
    return module


def load(name: str, path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def load_k_diffusion(folder: Path) -> Any:
    package = stub("k_diffusion")
    package.utils = stub("k_diffusion.utils", append_dims=lambda x, n: x[(...,) + (None,) * (n - x.ndim)])
    stub("torchdiffeq", odeint=None)
    package.sampling = load("k_diffusion.sampling", folder / "k_diffusion/sampling.py")
    package.external = load("k_diffusion.external", folder / "k_diffusion/external.py")
    return package


def alphas() -> torch.Tensor:
    """SD1's, as the trained model holds them: float64 on the way, float32 in the end."""
    betas = np.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=np.float64) ** 2
    return torch.tensor(np.cumprod(1.0 - betas), dtype=torch.float32)


def x0(x: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
    """A stand-in for a model: smooth, and not linear in the latents."""
    flat = x / (1 + sigma**2) ** 0.5
    return 0.8 * torch.tanh(1.3 * flat) + 0.1 * torch.cos(3 * flat.flip(-1)) - 0.05


class Model:
    """k-diffusion's denoiser: sigma [B]."""

    def __init__(self, sampling: Any = None) -> None:
        inner = types.SimpleNamespace(model_sampling=sampling)
        patcher = types.SimpleNamespace(get_model_object=lambda _name: sampling)
        self.inner_model = types.SimpleNamespace(inner_model=inner, model_patcher=patcher)

    def __call__(self, x: torch.Tensor, sigma: torch.Tensor, **_: Any) -> torch.Tensor:
        return x0(x, sigma.reshape(-1, 1, 1, 1))


class TimestepModel:
    """A1111's denoiser of DDIM, PLMS and UniPC: latents of constant variance and a step in, noise out."""

    def __init__(self, table: torch.Tensor) -> None:
        self.alphas = table
        self.inner_model = types.SimpleNamespace(inner_model=types.SimpleNamespace(alphas_cumprod=table))

    def __call__(self, x: torch.Tensor, steps: torch.Tensor, **_: Any) -> torch.Tensor:
        places = steps.double().clamp(0, 999)
        logs = 0.5 * self.alphas.double().log()
        low, high, share = places.floor().long(), places.ceil().long(), places.frac()
        alpha = (2 * ((1 - share) * logs[low] + share * logs[high])).exp().reshape(-1, 1, 1, 1)
        sigma = ((1 - alpha) / alpha) ** 0.5
        full = x.double() / alpha**0.5
        return ((full - x0(full, sigma)) / sigma).to(x)


def comfyui_sigmas(samplers: Any, model_sampling: Any, extra: Any) -> tuple[Any, dict[str, Any]]:
    kind = type("ModelSampling", (model_sampling.ModelSamplingDiscrete, model_sampling.EPS), {})
    sampling = kind()
    found = {}
    for name in samplers.SCHEDULER_NAMES:
        for steps in STEPS:
            if (name, steps) == ("kl_optimal", 1):
                continue
            found[f"comfyui/{name}/{steps}"] = samplers.calculate_sigmas(sampling, name, steps).numpy()
    for kind in ("SD1", "SDXL"):
        for steps in STEPS:
            found[f"comfyui/align_your_steps/{steps}/{kind}"] = np.asarray(extra(kind, steps))
    return sampling, found


def comfyui_ays(folder: Path) -> Any:
    source = (folder / "comfy_extras/nodes_align_your_steps.py").read_text()
    space = {"np": np, "torch": torch}
    exec(source[source.index("def loglinear_interp") : source.index("class AlignYourStepsScheduler")], space)  # noqa: S102

    def compute(kind: str, steps: int) -> Any:
        sigmas = space["NOISE_LEVELS"][kind][:]
        if steps + 1 != len(sigmas):
            sigmas = space["loglinear_interp"](sigmas, steps + 1)
        sigmas[-1] = 0
        return np.asarray(sigmas, dtype=np.float32)

    return compute


def webui_sigmas(schedulers: Any, model: Any, shared: Any) -> dict[str, Any]:
    found = {}
    ends = {"sigma_min": model.sigmas[0].item(), "sigma_max": model.sigmas[-1].item()}
    for item in schedulers.schedulers:
        if item.function is None or item.name.startswith("align_your_steps_") or item.name == "turbo":
            continue
        for sdxl in (False, True) if item.name == "align_your_steps" else (False,):
            shared.sd_model = types.SimpleNamespace(is_sdxl=sdxl)
            for steps in STEPS:
                inner = {"inner_model": model} if item.need_inner_model else {}
                sigmas = item.function(n=steps, device="cpu", **ends, **inner)
                kind = f"/{'SDXL' if sdxl else 'SD1'}" if item.name == "align_your_steps" else ""
                found[f"a1111/{item.name}/{steps}{kind}"] = sigmas.float().numpy()
    return found


def runs_of_k_diffusion(sampling: Any, model: Any, sigmas: torch.Tensor, host: str) -> dict[str, Any]:
    found = {}
    plain = ["euler", "euler_ancestral", "heun", "dpm_2", "dpm_2_ancestral", "lms"]
    plain += ["dpmpp_2s_ancestral", "dpmpp_2m"]
    brownian = ["dpmpp_sde", "dpmpp_2m_sde", "dpmpp_3m_sde"] + (["dpmpp_2m_sde_heun"] if host == "comfyui" else [])
    for name in plain + brownian + (["lcm"] if host == "comfyui" else []):
        extra = {}
        torch.manual_seed(5)
        start = torch.randn(SHAPE) * sigmas[0]
        if name in brownian:
            low, high = sigmas[sigmas > 0].min(), sigmas.max()
            extra["noise_sampler"] = sampling.BrownianTreeNoiseSampler(start, low, high, seed=SEEDS)
        found[f"{host}/{name}"] = getattr(sampling, f"sample_{name}")(model, start, sigmas, disable=True, **extra)
    for eta in (0.0, 0.6):
        torch.manual_seed(5)
        start = torch.randn(SHAPE) * sigmas[0]
        found[f"{host}/euler_ancestral/eta{eta}"] = sampling.sample_euler_ancestral(
            model, start, sigmas, disable=True, eta=eta, s_noise=1.02
        )
    for name in ("euler", "heun", "dpm_2"):
        torch.manual_seed(5)
        start = torch.randn(SHAPE) * sigmas[0]
        run = getattr(sampling, f"sample_{name}")
        # k-diffusion draws at every step, ComfyUI only where noise is added: here, that is every step
        found[f"{host}/{name}/churn"] = run(model, start, sigmas, disable=True, s_churn=3.0, s_noise=1.01)
    for eta in (0.0, 1.0):
        torch.manual_seed(5)
        start = torch.randn(SHAPE) * sigmas[0]
        found[f"{host}/dpm_fast/eta{eta}"] = sampling.sample_dpm_fast(
            model, start, sigmas[-2], sigmas[0], 8, disable=True, eta=eta
        )
        torch.manual_seed(5)
        start = torch.randn(SHAPE) * sigmas[0]
        found[f"{host}/dpm_adaptive/eta{eta}"] = sampling.sample_dpm_adaptive(
            model, start, sigmas[-2], sigmas[0], disable=True, eta=eta
        )
    return found


def runs_of_webui(timesteps_impl: Any, lcm: Any, table: torch.Tensor) -> tuple[dict[str, Any], dict[str, Any]]:
    found = {}
    model = TimestepModel(table)
    places = torch.clip(torch.asarray(list(range(0, 1000, 1000 // 8))) + 1, 0, 999)
    for name in ("ddim", "plms", "unipc"):
        torch.manual_seed(5)
        start = torch.randn(SHAPE)
        found[f"a1111/{name}"] = getattr(timesteps_impl, name)(
            model, start, places, {}, disable=True, callback=lambda _state: None
        )
    torch.manual_seed(5)
    start = torch.randn(SHAPE)
    found["a1111/ddim/eta0.5"] = timesteps_impl.ddim(model, start, places, disable=True, eta=0.5)
    forge = types.SimpleNamespace(sigmas=((1 - table) / table) ** 0.5)
    unet = types.SimpleNamespace(model=types.SimpleNamespace(predictor=forge))
    holder = types.SimpleNamespace(forge_objects=types.SimpleNamespace(unet=unet))
    wrap = lcm.LCMCompVisDenoiser(holder)
    wrap.get_eps = lambda x, steps, **_: TimestepModel(table)(x, steps)
    sigmas = wrap.get_sigmas(5)
    torch.manual_seed(5)
    start = torch.randn(SHAPE) * sigmas[0]
    found["a1111/lcm"] = lcm.sample_lcm(wrap, start, sigmas, disable=True)
    return found, {"a1111/lcm_sigmas": sigmas.numpy()}


def main(comfyui: Path, webui: Path, k_diffusion_folder: Path) -> None:
    table = alphas()
    k_diffusion = load_k_diffusion(k_diffusion_folder)
    opts = types.SimpleNamespace(
        beta_dist_alpha=0.6,
        beta_dist_beta=0.6,
        uni_pc_variant="bh1",
        uni_pc_skip_type="time_uniform",
        uni_pc_order=3,
        uni_pc_lower_order_final=True,
    )
    stub("modules")
    shared = stub("modules.shared", opts=opts, sd_model=None)
    base = type("Base", (), {})
    for name in ("sd_samplers_common", "sd_samplers_cfg_denoiser", "sd_samplers_kdiffusion"):
        stub(f"modules.{name}", CFGDenoiser=base, KDiffusionSampler=base, SamplerData=lambda *_: None)
    stub("modules.torch_utils", float64=lambda _x: torch.float64)
    for name in ("modules.models", "modules.models.diffusion", "modules.models.diffusion.uni_pc"):
        stub(name)
    uni_pc = load("modules.models.diffusion.uni_pc.uni_pc", webui / "modules/models/diffusion/uni_pc/uni_pc.py")
    sys.modules["modules.models.diffusion.uni_pc"].uni_pc = uni_pc
    schedulers = load("modules.sd_schedulers", webui / "modules/sd_schedulers.py")
    timesteps_impl = load("timesteps_impl", webui / "modules/sd_samplers_timesteps_impl.py")
    lcm = load("lcm", webui / "modules/sd_samplers_lcm.py")
    model = k_diffusion.external.DiscreteEpsDDPMDenoiser(None, table, quantize=False)
    sigmas = webui_sigmas(schedulers, model, shared)
    karras = k_diffusion.sampling.get_sigmas_karras(7, model.sigmas[0].item(), model.sigmas[-1].item())
    runs = runs_of_k_diffusion(k_diffusion.sampling, Model(), karras, "a1111")
    more, found = runs_of_webui(timesteps_impl, lcm, table)
    runs, sigmas = {**runs, **more}, {**sigmas, **found}

    sys.path.insert(0, str(comfyui))
    sys.argv = [sys.argv[0], "--cpu"]
    import comfy.options

    comfy.options.enable_args_parsing()
    import comfy.model_sampling
    import comfy.samplers
    from comfy.extra_samplers import uni_pc as comfy_uni_pc
    from comfy.k_diffusion import sampling as comfy_sampling

    sampling, found = comfyui_sigmas(comfy.samplers, comfy.model_sampling, comfyui_ays(comfyui))
    sigmas.update(found)
    comfy_karras = comfy.samplers.calculate_sigmas(sampling, "karras", 7)
    runs.update(runs_of_k_diffusion(comfy_sampling, Model(sampling), comfy_karras, "comfyui"))
    for name, run in (("uni_pc", comfy_uni_pc.sample_unipc), ("uni_pc_bh2", comfy_uni_pc.sample_unipc_bh2)):
        torch.manual_seed(5)
        start = torch.randn(SHAPE) * (1 + comfy_karras[0] ** 2) ** 0.5
        runs[f"comfyui/{name}"] = run(Model(sampling), start, comfy_karras.clone(), {}, disable=True)
    np.savez_compressed(HERE / "sigmas.npz", alphas=table.numpy(), **sigmas)
    np.savez_compressed(HERE / "runs.npz", **{name: run.numpy().astype(np.float32) for name, run in runs.items()})


if __name__ == "__main__":
    main(*(Path(argument).resolve() for argument in sys.argv[1:4]))
