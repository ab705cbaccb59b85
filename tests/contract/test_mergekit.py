"""TIES, DARE and DELLA beside mergekit, whose own functions made golden/checkpoints/mergekit.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tests.support.checkpoint_models import apply_node, save

from underdrawing.checkpoints.merging import merge

GOLDEN: dict[str, Any] = json.loads(
    (Path(__file__).parents[1] / "golden" / "checkpoints" / "mergekit.json").read_text("utf-8")
)
KEY = "model.diffusion_model.out.2.weight"
MODELS = [torch.tensor(model) for model in GOLDEN["models"]]


def run(folder: Path, method: str, models: list[torch.Tensor], **params: float) -> torch.Tensor:
    files = [save(folder / f"{number}.safetensors", {KEY: model}) for number, model in enumerate(models)]
    node = {**apply_node(method, *files), "params": {"alpha": 1.0, **params}}
    merge(node, folder / "o.safetensors")
    return load_file(folder / "o.safetensors")[KEY]


@pytest.mark.parametrize("density", GOLDEN["ties"])
def test_ties(density: str, tmp_path: Path) -> None:
    found = run(tmp_path, "ties", MODELS, density=float(density))
    torch.testing.assert_close(found, torch.tensor(GOLDEN["ties"][density]), rtol=0, atol=1e-6)


@pytest.mark.parametrize(("method", "params"), [("dare", {}), ("della", {"epsilon": 0.4})])
def test_what_is_kept_by_chance(method: str, params: dict[str, float], tmp_path: Path) -> None:
    kept = torch.tensor(GOLDEN[method])
    assert 0 < (kept != 0).sum() < kept.numel()
    origin = torch.zeros_like(MODELS[0])
    for number in range(len(kept)):
        deltas = [torch.zeros_like(origin) for _ in kept]
        deltas[number] = MODELS[number + 1] - MODELS[0]
        found = run(tmp_path, method, [origin, *deltas], density=0.5, seed=3, **params)
        assert torch.equal(found != 0, kept[number] != 0)
        width = found.shape[1]
        levels = 0.5 + params.get("epsilon", 0.0) * torch.linspace(-0.5, 0.5, width)
        order = deltas[number].abs().argsort(dim=1).argsort(dim=1)
        torch.testing.assert_close(found * levels[order], kept[number], rtol=0, atol=1e-6)
