"""Weights for LeReS and Normal BAE: random under the published names, or constant in the published file form."""

from __future__ import annotations

import hashlib
import json
import zlib
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from tests.support import random_weights

from underdrawing.core.networks import cache
from underdrawing.core.weights import store
from underdrawing.core.weights.record import Weight

if TYPE_CHECKING:
    from collections.abc import Generator

    import pytest
    from numpy.typing import NDArray
    from torch import Tensor

    Tensors = dict[str, Tensor]

REQUIRE, TENSORS = store.Store.require, store.Store.read_tensors
"""The store's own methods, while others stand in for them."""

GOLDEN = Path(__file__).parents[1] / "golden" / "surfaces"
GAINS = {"leres": 0.6, "bae": 0.8}
"""As benchmarks/peers/peer_surfaces.py had them when golden data were made."""


def golden(name: str) -> dict[str, NDArray[Any]]:
    """Arrays of golden/surfaces/make.py."""
    with np.load(GOLDEN / f"{name}.npz") as arrays:
        return dict(arrays)


def shapes(name: str) -> dict[str, tuple[int, ...]]:
    """Published names and shapes, as the reference's own network has them."""
    table: dict[str, list[int]] = json.loads(golden(name)["shapes"].tobytes())
    return {key: tuple(shape) for key, shape in table.items()}


@contextmanager
def on_random_weights(name: str, patch: pytest.MonkeyPatch) -> Generator[Tensors, None, None]:
    """Let the store hand out the random weights that golden data were made with, for every weight it is asked for."""
    tensors = random_weights.tensors(shapes(name), gain=GAINS[name])
    named = {f"module.{key}": tensor for key, tensor in tensors.items()}

    def require(self: store.Store, weight: Weight, progress: Any = None) -> Path:
        return Path("random")

    def handed_out(self: store.Store, weight: Weight) -> tuple[Tensors, dict[str, str]]:
        return dict(named), {}

    patch.setattr(store.Store, "require", require)
    patch.setattr(store.Store, "read_tensors", handed_out)
    cache.unload()
    yield tensors
    cache.unload()


def constants(name: str) -> Tensors:
    """Each published name with one number of its own in every place, float16."""
    return {
        key: torch.zeros(shape, dtype=torch.int64)
        if key.endswith("num_batches_tracked")
        else torch.full(shape, 0.5 + zlib.crc32(key.encode()) % 1000 / 1000, dtype=torch.float16)
        for key, shape in shapes(name).items()
    }


def saved(tmp_path: Path, patch: pytest.MonkeyPatch, file: str, content: dict[str, Any]) -> Weight:
    """Record of a pickled checkpoint that lies where a user put it."""
    patch.setattr(store, "get_store", lambda: store.Store(tmp_path / "cache"))
    patch.setattr(cache, "get_store", store.get_store)
    patch.setattr(store.Store, "require", REQUIRE)
    patch.setattr(store.Store, "read_tensors", TENSORS)
    folder = tmp_path / "mine"
    folder.mkdir()
    patch.setenv("UNDERDRAWING_WEIGHTS", str(folder))
    path = folder / file
    torch.save(content, path)
    data = path.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    return Weight(repo="a/b", file=file, sha256=digest, size=len(data), licence="none", commercial=False)


def refusal(module: Any, name: str, fault: str, key: str) -> None:
    """Load a table with one fault at one published key, without numbers; raises what the loader raises."""
    tensors = {f"module.{one}": torch.empty(shape, device="meta") for one, shape in shapes(name).items()}
    broken = f"module.{key}"
    if fault == "missing":
        del tensors[broken]
    elif fault == "mis-shaped":
        tensors[broken] = torch.empty((*tensors[broken].shape[:-1], 7), device="meta")
    else:
        tensors[f"{broken}.more"] = torch.empty(3, device="meta")
    with torch.device("meta"):
        empty = module.build({}).state_dict()
    found = module.convert(tensors)
    cache.check_shapes(_table(empty), _table(found), "file")


def _table(tensors: Tensors) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in tensors.items()}
