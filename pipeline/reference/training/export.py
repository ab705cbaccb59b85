"""The trained model as files that loaders know: diffusers' folders and Control-LoRAs, in half precision."""

from __future__ import annotations

import json
import shutil
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ....core.files import atomic_write, hash_file
from ....core.tensor_files.safetensors_io import read_safetensors, write_safetensors
from ...training.controls.files import build_control_lora
from ...training.controls.low_rank import LowRankControl
from ..checkpoint import FILES
from ..networks import build_vae
from .control_files import STRENGTHS, strengthen
from .controls import KINDS, RANK, READERS, WHOLE, build_control
from .latents import TOKENIZER
from .loop import read_average, read_state
from .starting import copy_weights
from .trained import load_text_encoder, load_unet

if TYPE_CHECKING:
    from pathlib import Path


SCHEDULER = {
    "_class_name": "PNDMScheduler",
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "num_train_timesteps": 1000,
    "set_alpha_to_one": False,
    "skip_prk_steps": True,
    "steps_offset": 1,
}
"""SD1's."""
INDEX = {
    "_class_name": "StableDiffusionPipeline",
    "feature_extractor": [None, None],
    "safety_checker": [None, None],
    "scheduler": ["diffusers", "PNDMScheduler"],
    "text_encoder": ["transformers", "CLIPTextModel"],
    "tokenizer": ["transformers", "CLIPTokenizer"],
    "unet": ["diffusers", "UNet2DConditionModel"],
    "vae": ["diffusers", "AutoencoderKL"],
    "requires_safety_checker": False,
}
LICENCE = "Apache-2.0"


def export_run(run: Path, target: Path, start: Path | None = None) -> list[Path]:
    """Write what a run has finished to a folder; parts that are not there are left out.

    start: weights that the run started from, for a text encoder that it has not trained. Gives the files of weights.
    """
    target.mkdir(parents=True, exist_ok=True)
    modules: dict[str, Any] = {}
    if (run / "vae_final.safetensors").exists():
        modules["vae"] = build_vae()
        copy_weights(modules["vae"], read_safetensors(run / "vae_final.safetensors"), where="vae_final.safetensors")
    if (run / "base.safetensors").exists():
        modules |= {"unet": load_unet(run, start), "text_encoder": load_text_encoder(run, start)}
        shutil.copytree(TOKENIZER, target / "tokenizer", dirs_exist_ok=True)
    for name, module in modules.items():
        module.half().save_pretrained(target / name)
    if len(modules) == len(FILES):
        (target / "scheduler").mkdir(exist_ok=True)
        atomic_write(target / "scheduler" / "scheduler_config.json", json.dumps(SCHEDULER, indent=2).encode())
        atomic_write(target / "model_index.json", json.dumps(INDEX, indent=2).encode())
    trained = [kind for kind in KINDS if (run / f"control_{kind}.safetensors").exists()]
    unet = modules.get("unet") or (load_unet(run, start) if trained else None)
    for kind in trained:
        _write_control(run, kind, target, unet)
    if (run / "judge.safetensors").exists():
        judge = read_average(run / "judge.safetensors")
        write_safetensors(target / "judge.safetensors", {name: value.half() for name, value in judge.items()})
    _write_manifest(run, target)
    return sorted(target.rglob("*.safetensors"))


def _write_control(run: Path, kind: str, target: Path, unet: Any) -> None:
    average = read_average(run / f"control_{kind}.safetensors")
    control = build_control(unet)
    if kind in WHOLE:
        copy_weights(control, average, where=f"control_{kind}")
        control.half().save_pretrained(target / f"controlnet_{kind}")
        return
    low = LowRankControl(control, RANK)
    copy_weights(low, average, where=f"control_{kind}")
    names = frozenset(name for name, _ in unet.named_modules())
    tensors = strengthen(build_control_lora(low, names), STRENGTHS.get(kind, 1.0))
    write_safetensors(target / f"control_lora_{kind}.safetensors", tensors)


def _write_manifest(run: Path, target: Path) -> None:
    """What each file is, how long it was trained, and what it measured."""
    files = {
        path.relative_to(target).as_posix(): {"sha256": hash_file(path), "size": path.stat().st_size}
        for path in sorted(target.rglob("*.safetensors"))
    }
    states = {
        path.stem: {"steps": state.steps, "samples": state.samples, "minutes": state.seconds / 60, **state.measures}
        for path in sorted(run.glob("*.safetensors"))
        if path.stem
        in {"judge", "vae", "text", "base", *(f"control_{k}" for k in KINDS), *(f"reader_{k}" for k in READERS)}
        for state in (read_state(path),)
    }
    versions = {name: import_module(name).__version__ for name in ("torch", "diffusers", "transformers")}
    document = {"licence": LICENCE, "training": states, "files": files, "versions": versions}
    atomic_write(target / "manifest.json", json.dumps(document, indent=1).encode() + b"\n")
