"""Rows of a weight that are computed piece by piece are those of the whole weight."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from safetensors.torch import load_file, save_file

from underdrawing.adapters import load_adapter
from underdrawing.adapters.applying import accumulate, changed_rows
from underdrawing.adapters.applying.bake import bake
from underdrawing.adapters.applying.checkpoint import FileCheckpoint

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

LAYER = "down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k"
KEY = "model.diffusion_model.input_blocks.4.1.transformer_blocks.0.attn2.to_k"
ROWS, COLUMNS = 80, 48
SCALES: dict[str, tuple[int, ...]] = {
    "none": (0,),
    "tensor": (),
    "rows": (ROWS, 1),
    "columns": (1, COLUMNS),
    "blocks": (5, 3),
}


def lora(folder: Path, kind: str) -> Path:
    stem, generator = f"lora_unet_{LAYER.replace('.', '_')}", torch.Generator().manual_seed(1)

    def draw(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator) * 0.3

    tensors = {f"{stem}.lora_up.weight": draw(ROWS, 4), f"{stem}.lora_down.weight": draw(4, COLUMNS)}
    if kind == "full":
        tensors = {f"{stem}.diff": draw(ROWS, COLUMNS)}
    elif kind == "dora":
        tensors[f"{stem}.dora_scale"] = draw(ROWS, 1).abs() + 1
    save_file(tensors, folder / "lora.safetensors")
    return folder / "lora.safetensors"


@pytest.mark.parametrize(
    ("scale", "dtype"),
    [("none", torch.bfloat16), *((scale, torch.float8_e4m3fn) for scale in SCALES), ("rows", torch.int8)],
)
@pytest.mark.parametrize("kind", ["lora", "full", "dora"])
def test_pieces_are_the_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, scale: str, dtype: torch.dtype
) -> None:
    plain = scale == "none"
    stored = torch.randn(ROWS, COLUMNS, generator=torch.Generator().manual_seed(0))
    tensors = {f"{KEY}.weight": (stored * (40 if dtype == torch.int8 else 1)).to(dtype)}
    if not plain:
        tensors[f"{KEY}.weight_scale"] = torch.rand(SCALES[scale]) * 0.02 + 0.01
    save_file(tensors, tmp_path / "model.safetensors")
    adapter, results = load_adapter(lora(tmp_path, kind)), list[dict[str, "Tensor"]]()
    monkeypatch.setattr(accumulate, "SMALL", 0)
    for piece in (1 << 22, COLUMNS * 20):
        monkeypatch.setattr(changed_rows, "PIECE", piece)
        bake(tmp_path / "model.safetensors", [(adapter, 0.9, 0.9)], tmp_path / "out.safetensors")
        results.append(load_file(tmp_path / "out.safetensors"))
    assert all(torch.equal(value.float(), results[1][key].float()) for key, value in results[0].items())
    assert not torch.equal(results[0][f"{KEY}.weight"].float(), tensors[f"{KEY}.weight"].float())


@pytest.mark.parametrize("scale", ["none", "tensor", "rows", "blocks"])
def test_pieces_stay_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scale: str) -> None:
    stored = torch.randn(ROWS, COLUMNS, generator=torch.Generator().manual_seed(0)).to(torch.float8_e4m3fn)
    scales = {} if scale == "none" else {f"{KEY}.scale_weight": torch.full(SCALES[scale], 0.01)}
    save_file({f"{KEY}.weight": stored, **scales}, tmp_path / "model.safetensors")
    monkeypatch.setattr(accumulate, "SMALL", 0)
    monkeypatch.setattr(changed_rows, "PIECE", COLUMNS * 20)
    most, read = [0], FileCheckpoint.rows

    def count(self: FileCheckpoint, name: str, first: int, last: int) -> Tensor:
        most[0] = max(most[0], last - first)
        return read(self, name, first, last)

    monkeypatch.setattr(FileCheckpoint, "rows", count)
    adapter = load_adapter(lora(tmp_path, "lora"))
    bake(tmp_path / "model.safetensors", [(adapter, 0.9, 0.9)], tmp_path / "out.safetensors")
    assert 0 < most[0] <= 20
