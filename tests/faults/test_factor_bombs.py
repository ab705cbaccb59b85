"""Small files that ask for huge products: factored or refused within a limit on memory, in a child."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import torch
from safetensors.torch import save_file
from tests.support.forked import LIMIT_MEMORY, needs_limits, start_cases

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

STEM = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q"
LIMIT = 1 << 30
"""Bytes of address space beyond what the imports took."""
CHILD = (
    LIMIT_MEMORY
    + """
import json
from pathlib import Path
import torch
from underdrawing.adapters import load_adapter
from underdrawing.adapters.tools.combine import merge, resize
from underdrawing.adapters.tools.convert import convert
from underdrawing.adapters.tools.svd import RankRule
from underdrawing.core.errors import BadWeights
torch.set_num_threads(1)
torch.linalg.svd(torch.randn(64, 64)); torch.linalg.eigh(torch.eye(64))  # what these load, loads before the limit

def case(bomb, limit):
    limit_memory(int(limit))
    path, out, report = Path(bomb), Path(bomb).with_name("out.safetensors"), {}
    calls = {
        "merge": lambda a: merge([(a, 1.0)], out, how="svd", rule=RankRule(4)),
        "merge twice": lambda a: merge([(a, 1.0), (a, 0.5)], out),
        "merge to a share": lambda a: merge([(a, 1.0)], out, how="svd", rule=RankRule(10000, "cumulative", 0.9)),
        "resize": lambda a: resize(a, out, RankRule(4)),
        "convert": lambda a: convert(a, out, "diffusers", dense=RankRule(4)),
    }
    for name, call in calls.items():
        try:
            call(load_adapter(path))
            report[name] = "done"
        except BadWeights as error:
            report[name] = f"refused: {error}"[:300]
    print(json.dumps(report))
"""
)


def random(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))


BOMBS: dict[str, dict[str, torch.Tensor]] = {
    "lokr": {"lokr_w1": random(320, 320), "lokr_w2": random(320, 320)},
    "lokr of factors": {
        "lokr_w1_a": random(3000, 1),
        "lokr_w1_b": random(1, 3000),
        "lokr_w2_a": random(3000, 1),
        "lokr_w2_b": random(1, 3000),
    },
    "lokr with a core": {
        "lokr_w1": random(8, 8),
        "lokr_w2_a": random(1, 64),
        "lokr_w2_b": random(1, 60000),
        "lokr_t2": random(1, 1, 200, 200),
    },
    "loha": {name: random(90000, 1) if name.endswith("a") else random(1, 90000) for name in (
        "hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b"
    )},
    "tucker": {
        "lora_up.weight": random(4, 1, 1, 1),
        "lora_down.weight": random(1, 90000, 1, 1),
        "lora_mid.weight": random(1, 1, 250, 250),
    },
    "lora beside a difference": {
        "lora_up.weight": random(90000, 1),
        "lora_down.weight": random(1, 90000),
        "diff": random(8, 8),
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def child(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., str]]:
    with start_cases(CHILD, tmp_path_factory.mktemp("child")) as run:
        yield run


@needs_limits
@pytest.mark.parametrize("tensors", BOMBS.values(), ids=BOMBS)
def test_no_product_is_formed_before_its_size_was_checked(
    child: Callable[..., str], tmp_path: Path, tensors: dict[str, torch.Tensor]
) -> None:
    path = tmp_path / "bomb.safetensors"
    save_file({f"{STEM}.{suffix}": tensor for suffix, tensor in tensors.items()}, path)
    assert path.stat().st_size < 2_000_000
    report = json.loads(child(path, LIMIT))
    assert {name: text for name, text in report.items() if text != "done" and "than any layer" not in text
            and "different weights" not in text} == {}  # fmt: skip
