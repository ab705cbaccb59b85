from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from underdrawing.checkpoints.layouts.reading import open_weights
from underdrawing.core.errors import BadWeights
from underdrawing.core.tensor_files.json_objects import read_json
from underdrawing.core.tensor_files.safetensors_io import write_safetensors

if TYPE_CHECKING:
    from pathlib import Path

KEY = "model.diffusion_model.out.2.weight"


def test_codes_with_a_scale_are_decoded(tmp_path: Path) -> None:
    codes = torch.tensor([[1.0, 2.0], [4.0, 0.5]]).to(torch.float8_e4m3fn)
    table = {KEY: codes, "model.diffusion_model.out.2.scale_weight": torch.tensor(0.25)}
    with open_weights([write_safetensors(tmp_path / "a.safetensors", table)]) as weights:
        assert set(weights.shapes) == {KEY}
        assert weights.read(KEY).tolist() == [[0.25, 0.5], [1.0, 0.125]]


def test_packed_weights_are_refused_by_name(tmp_path: Path) -> None:
    table = {f"{KEY}.absmax": torch.zeros(1), f"{KEY}.quant_state.bitsandbytes__nf4": torch.zeros(1, dtype=torch.uint8)}
    path = write_safetensors(tmp_path / "a.safetensors", table)
    with pytest.raises(BadWeights, match="use the model before it was quantised"), open_weights([path]) as weights:
        weights.read(KEY)


def test_several_files_are_one(tmp_path: Path) -> None:
    paths = [write_safetensors(tmp_path / f"{n}.safetensors", {str(n): torch.full((2,), float(n))}) for n in (1, 2)]
    with open_weights(paths, "folder") as weights:
        assert weights.where == "folder"
        assert [weights.read(name).tolist() for name in weights.shapes] == [[1.0, 1.0], [2.0, 2.0]]


@pytest.mark.parametrize("saved", ["a.bin", "a.safetensors"])
def test_pickles_are_copied_out_of_their_files(tmp_path: Path, saved: str) -> None:
    torch.save({"state_dict": {"a": torch.ones(3, dtype=torch.float16)}}, tmp_path / saved)
    with open_weights([tmp_path / saved]) as weights:
        value = weights.read("a")
    value += 1
    with open_weights([tmp_path / saved]) as weights:
        assert weights.read("a").tolist() == [1.0] * 3


@pytest.mark.parametrize("text", ["[1]", "{", "\0"])
def test_damaged_configurations_are_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(BadWeights, match=r"config\.json"):
        read_json(tmp_path / "config.json")
    with pytest.raises(BadWeights, match="cannot be read"):
        read_json(tmp_path / "none.json")
