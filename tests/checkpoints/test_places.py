from __future__ import annotations

from pathlib import Path

import pytest

from underdrawing.checkpoints.places import place_recipe
from underdrawing.checkpoints.recipe import list_loads, list_loras, make_recipe
from underdrawing.core.errors import BadParameter
from underdrawing.core.hooks import FileKind

LOAD = {"type": "load", "path": "a"}
RECIPE = {
    "type": "cast",
    "input": {
        "type": "bake_vae",
        "vae": {"type": "load", "path": "v"},
        "input": {
            "type": "apply",
            "method": "weighted_sum",
            "inputs": [LOAD, {"type": "adapt", "input": LOAD, "loras": [{"path": "l", "unet": 0.5}]}],
        },
    },
}


def test_every_file_is_found_by_its_kind() -> None:
    def find(kind: FileKind, name: str) -> Path:
        return Path(kind, name)

    node = place_recipe(make_recipe(RECIPE), find).node
    assert {Path(load.path).as_posix() for load in list_loads(node)} == {"checkpoint/a", "vae/v"}
    (lora,) = list_loras(node)
    assert (Path(lora.path).as_posix(), lora.unet) == ("lora/l", 0.5)


def test_a_file_that_is_not_found_is_said() -> None:
    def find(kind: FileKind, name: str) -> Path:
        raise BadParameter(f"no {kind} is called {name}")

    with pytest.raises(BadParameter, match="no checkpoint is called a"):
        place_recipe(make_recipe(LOAD), find)
