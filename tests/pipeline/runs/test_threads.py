from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from underdrawing.core.networks.placement import Placement
from underdrawing.pipeline.runs import threads
from underdrawing.pipeline.runs.threads import limit_threads


def make_model(device: str = "cpu") -> Any:
    return SimpleNamespace(unet=torch.nn.Linear(4, 4), placement=Placement(device=device))


@pytest.fixture(autouse=True)
def two_threads() -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_a_small_model_has_one_thread_and_gives_the_others_back() -> None:
    with limit_threads(make_model()):
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == 2


def test_larger_models_and_other_devices_keep_their_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    with limit_threads(make_model("cuda")):
        assert torch.get_num_threads() == 2
    monkeypatch.setattr(threads, "SMALL", 10)
    with limit_threads(make_model()):
        assert torch.get_num_threads() == 2
