from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from tests.support.shape_reader import make_weights

from underdrawing.checkpoints.layouts.prediction import LEAST, compute_alphas, guess_prediction

if TYPE_CHECKING:
    from pathlib import Path

NORM = "model.diffusion_model.output_blocks.11.1.transformer_blocks.0.norm1.bias"


def test_nothing_says_noise(tmp_path: Path) -> None:
    assert guess_prediction(make_weights({"a": [1]}), "sd1", tmp_path / "a.ckpt") == ("epsilon", False, "")


def test_a_mark_counts_first(tmp_path: Path) -> None:
    weights = make_weights({"v_pred": [0], "ztsnr": [0]}, {"modelspec.prediction_type": "epsilon"})
    guess = guess_prediction(weights, "sdxl", tmp_path / "a.safetensors")
    assert (guess.prediction, guess.zero_snr) == ("v_prediction", True)


@pytest.mark.parametrize(("told", "prediction"), [("v", "v_prediction"), ("epsilon", "epsilon"), ("", "epsilon")])
def test_the_header_counts(tmp_path: Path, told: str, prediction: str) -> None:
    weights = make_weights({"a": [1]}, {"modelspec.prediction_type": told})
    assert guess_prediction(weights, "sd1", tmp_path / "a.safetensors").prediction == prediction


@pytest.mark.parametrize(("text", "prediction"), [('parameterization: "v"', "v_prediction"), ("linear: 1", "epsilon")])
def test_a_configuration_beside_counts(tmp_path: Path, text: str, prediction: str) -> None:
    (tmp_path / "a.yaml").write_text(f"model:\n  params:\n    {text}\n")
    guess = guess_prediction(make_weights({"a": [1]}), "sd1", tmp_path / "a.ckpt")
    assert guess.prediction == prediction
    assert ("a.yaml" in guess.reason) == (prediction == "v_prediction")


def test_sd2_is_told_by_its_weights(tmp_path: Path) -> None:
    for name, family in (("plain", "sd2"), ("model-vpred", "sd1"), ("v2-1_768-ema-pruned", "sd2")):
        guess = guess_prediction(make_weights({NORM: [64]}), family, tmp_path / f"{name}.safetensors")  # type: ignore[arg-type]
        expected = "v_prediction" if family == "sd1" else "epsilon"
        assert guess.prediction == expected, "weights count before the name"


def test_schedule_is_stable_diffusions() -> None:
    alphas = compute_alphas()
    assert alphas.shape == (1000,)
    assert alphas.dtype == torch.float32
    assert float(alphas[0]) == pytest.approx(1 - 0.00085)
    assert float(((1 - alphas[-1]) / alphas[-1]) ** 0.5) == pytest.approx(14.6146, abs=1e-4)  # k-diffusion's sigma_max
    told = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "num_train_timesteps": 1000}
    assert torch.equal(compute_alphas(told), alphas)


def test_zero_snr_keeps_the_first_step_and_ends_in_noise() -> None:
    alphas, plain = compute_alphas(zero_snr=True), compute_alphas()
    assert float(alphas[0]) == pytest.approx(float(plain[0]))
    assert float(alphas[-1]) == pytest.approx(LEAST)
    assert bool((alphas[1:] < alphas[:-1]).all())
    assert torch.equal(compute_alphas({"rescale_betas_zero_snr": True}), alphas)
