from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from underdrawing.core.errors import BadWeights
from underdrawing.core.tensor_files.weight_files import find_weight_files

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("names", "expected", "variant"),
    [
        (("model.safetensors", "model.fp16.safetensors", "pytorch_model.bin"), "model.safetensors", ""),
        (("diffusion_pytorch_model.fp16.safetensors", "diffusion_pytorch_model.bin"),
         "diffusion_pytorch_model.bin", ""),
        (("diffusion_pytorch_model.fp16.bin", "diffusion_pytorch_model.fp16.safetensors"),
         "diffusion_pytorch_model.fp16.safetensors", "fp16"),
        (("model.non_ema.safetensors",), "model.non_ema.safetensors", "non_ema"),
    ],
)  # fmt: skip
def test_plain_before_variants_before_pickles(
    tmp_path: Path, names: tuple[str, ...], expected: str, variant: str
) -> None:
    for name in (*names, "flax_model.msgpack", "config.json", "model-00001-of-00002.safetensors"):
        (tmp_path / name).touch()
    assert find_weight_files(tmp_path) == ((tmp_path / expected,), variant)


@pytest.mark.parametrize("name", ["model.safetensors.index.json", "model.safetensors.index.fp16.json"])
def test_an_index_names_its_files(tmp_path: Path, name: str) -> None:
    parts = [f"model-0000{n}-of-00002.safetensors" for n in (1, 2)]
    (tmp_path / name).write_text(json.dumps({"weight_map": {"a": parts[1], "b": parts[0], "c": parts[1]}}))
    (tmp_path / parts[0]).touch()
    with pytest.raises(BadWeights, match=f"names {parts[1]}, which is not there"):
        find_weight_files(tmp_path)
    (tmp_path / parts[1]).touch()
    assert find_weight_files(tmp_path).paths == (tmp_path / parts[0], tmp_path / parts[1])


@pytest.mark.parametrize("table", [{"weight_map": {"a": "../secret.safetensors"}}, {"weight_map": []}, {}])
def test_an_index_leads_nowhere_else(tmp_path: Path, table: dict[str, object]) -> None:
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(table))
    with pytest.raises(BadWeights, match="is no list of files beside it"):
        find_weight_files(tmp_path)


def test_no_weights(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "absent"):
        with pytest.raises(BadWeights, match="holds no file of weights"):
            find_weight_files(folder)
