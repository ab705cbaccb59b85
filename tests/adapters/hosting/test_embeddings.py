from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from underdrawing.adapters.hosting.embeddings import load_refused, make_host_embeddings
from underdrawing.core.errors import BadWeights

L, G = torch.ones(2, 768), torch.ones(2, 1280)


def write(path: Path, **tensors: torch.Tensor) -> Path:
    save_file(tensors, path)
    return path


PAIR, ONE = {"clip_l", "clip_g"}, {"emb_params"}


@pytest.mark.parametrize(("width", "keys"), [(768, ONE), (1280, ONE), (2048, PAIR), (-1, PAIR)])
def test_pairs_serve_each_model_by_its_width(tmp_path: Path, width: int, keys: set[str]) -> None:
    found = make_host_embeddings(write(tmp_path / "pair.safetensors", clip_l=L, clip_g=G), width)
    assert set(found["pair"]) == keys
    assert width < 0 or sum(rows.shape[1] for rows in found["pair"].values()) == width


def test_several_tokens_have_their_own_names(tmp_path: Path) -> None:
    path = write(tmp_path / "many.safetensors", **{"<a>": L, "<b>": L * 2})
    assert set(make_host_embeddings(path, 768)) == {"<a>", "<b>"}


def test_what_fits_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadWeights, match="768 wide, those of the loaded model are 1024"):
        make_host_embeddings(write(tmp_path / "one.safetensors", emb_params=L), 1024)


@pytest.mark.parametrize("refusal", ["raises", "skips", "reads"])
def test_the_host_is_asked_first(tmp_path: Path, refusal: str) -> None:
    path, added = write(tmp_path / "one.safetensors", clip_l=L, clip_g=G), list[str]()

    def add(_: Any, name: str) -> None:
        added.append(name)

    database: Any = SimpleNamespace(skipped_embeddings={}, expected_shape=768)

    def read(_: Any, path: str, filename: str) -> None:
        if refusal == "raises":
            raise AssertionError(path)
        if refusal == "skips":
            database.skipped_embeddings[Path(filename).stem] = 1

    load_refused(read, database, str(path), path.name, add=add)
    assert added == ([] if refusal == "reads" else ["one"])
    assert not database.skipped_embeddings


def test_damaged_files_are_told_and_others_go_on(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "cut.safetensors").write_bytes(b"abc")
    database: Any = SimpleNamespace(skipped_embeddings={}, expected_shape=768)

    def fail(*_: Any) -> None:
        raise ValueError("header")

    load_refused(fail, database, str(tmp_path / "cut.safetensors"), "cut.safetensors", add=fail)
    assert "too short" in caplog.text
