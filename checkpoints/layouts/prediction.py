"""What a base model predicts, and how much of a picture is left at each step of its training.

The standard deviation in `_looks_like_v` tells SD 2.x trained at 768 (v) from 512 (noise); ComfyUI tells them so too.
Zero terminal SNR: Lin et al., "Common Diffusion Noise Schedules and Sample Steps are Flawed", 2024.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import torch

from ...core.regular_files import read_text_file

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor

    from .configurations import Family, Prediction

STEPS = 1000
FIRST, LAST = 0.00085, 0.012
"""Noise that is added in the first and in the last step, of all Stable Diffusion models."""
LEAST = 4.8973451890853435e-08
"""What is left at the last step in place of nothing, so that its noise level is a number (as in ComfyUI)."""
_NORM = "output_blocks.11.1.transformer_blocks.0.norm1.bias"
_V_DEVIATION = 0.09
_MOST_TEXT = 1 << 16


class Readable(Protocol):
    """What a model's prediction is read from: shapes and metadata first, tensors on demand."""

    @property
    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        """Of every tensor."""
        ...

    @property
    def metadata(self) -> Mapping[str, str]:
        """Of the file's header."""
        ...

    def read(self, name: str) -> Tensor:
        """A tensor."""
        ...


class Guess(NamedTuple):
    """What a model predicts and how that is known. zero_snr: whether the last step is pure noise."""

    prediction: Prediction
    zero_snr: bool = False
    reason: str = ""


def guess_prediction(weights: Readable, family: Family, path: Path) -> Guess:
    """From marks in the file, its header, a .yaml beside it, SD2's weights and the name, in this order."""
    zero_snr = "ztsnr" in weights.shapes
    if "v_pred" in weights.shapes:
        return Guess("v_prediction", zero_snr, "the file is marked v_pred")
    if (told := _read_header(weights.metadata)) is not None:
        return Guess(told, zero_snr, "the file's header says so")
    if (beside := _read_yaml(path.with_suffix(".yaml"))) is not None:
        return Guess(beside, zero_snr, f"{path.with_suffix('.yaml').name} says so")
    if family == "sd2" and (looks := _looks_like_v(weights)) is not None:
        return Guess("v_prediction" if looks else "epsilon", zero_snr, "its weights look so")
    if re.search(r"(?<![a-z])v[-_ ]?pred|768-?v|v-ema", path.stem.lower()):
        return Guess("v_prediction", zero_snr, "the file's name says so")
    return Guess("v_prediction" if zero_snr else "epsilon", zero_snr)


def compute_alphas(scheduler: Mapping[str, Any] | None = None, *, zero_snr: bool = False) -> Tensor:
    """Share of the picture's variance that is left at each step, float32 [1000].

    scheduler: diffusers' configuration of one; None for Stable Diffusion's own.
    """
    told = dict(scheduler or {})
    count = int(told.get("num_train_timesteps", STEPS))
    first, last = float(told.get("beta_start", FIRST)), float(told.get("beta_end", LAST))
    if told.get("trained_betas") is not None:
        betas = torch.tensor(told["trained_betas"], dtype=torch.float64)
    elif told.get("beta_schedule", "scaled_linear") == "linear":
        betas = torch.linspace(first, last, count, dtype=torch.float64)
    else:
        betas = torch.linspace(first**0.5, last**0.5, count, dtype=torch.float64) ** 2
    alphas = torch.cumprod(1 - betas, 0)
    if zero_snr or told.get("rescale_betas_zero_snr"):
        alphas = rescale_to_zero(alphas)
    return alphas.to(torch.float32)


def rescale_to_zero(alphas: Tensor) -> Tensor:
    """Shift and scale the roots so that the first stays and the last is (nearly) nothing."""
    roots = alphas.sqrt()
    first, last = roots[0].clone(), roots[-1].clone()
    rescaled = ((roots - last) * (first / (first - last))) ** 2
    rescaled[-1] = LEAST
    return rescaled


def _read_header(metadata: Mapping[str, str]) -> Prediction | None:
    told = metadata.get("modelspec.prediction_type", "").lower()
    if told.startswith("v") or metadata.get("ss_v_parameterization", "").lower() == "true":
        return "v_prediction"
    return "epsilon" if told.startswith("eps") else None


def _read_yaml(path: Path) -> Prediction | None:
    """The setting in a configuration as A1111 takes it from beside a checkpoint."""
    try:
        if not path.is_file() or path.stat().st_size > _MOST_TEXT:
            return None
        text = read_text_file(path, errors="replace")
    except OSError:
        return None
    found = re.search(r"^\s*parameterization:\s*[\"']?(\w+)", text, re.MULTILINE)
    if found is None:
        return None
    return "v_prediction" if found[1] == "v" else "epsilon"


def _looks_like_v(weights: Readable) -> bool | None:
    key = next((name for name in weights.shapes if name.endswith(_NORM)), None)
    if key is None or len(weights.shapes[key]) != 1:
        return None
    return bool(weights.read(key).float().std(unbiased=False) > _V_DEVIATION)
