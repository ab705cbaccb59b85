"""Models of the library as its older versions make them."""

from __future__ import annotations

from typing import Any

import pytest
from torch import nn

library: Any = pytest.importorskip("transformers", reason="pip install transformers")

from underdrawing.preprocessors.layers.pretrained import Pretrained, hide_progress_bars, talk  # noqa: E402


def test_a_loss_that_can_only_be_read_is_taken_away_too() -> None:
    class Old(library.PreTrainedModel):
        @property
        def loss_function(self) -> Any:
            raise AssertionError("nobody asks for it")

    model = Old(library.PretrainedConfig())
    whole = nn.Sequential(model)
    assert Pretrained("Old", library.PretrainedConfig).finished(whole) is whole
    assert model.loss_function is None
    assert isinstance(model, Old)
    assert type(model).__name__ == "Old"
    assert isinstance(vars(Old)["loss_function"], property), "the library's class is as it was"


def test_bars_are_hidden_for_a_while() -> None:
    talk.enable_progress_bar()
    with hide_progress_bars():
        assert not talk.is_progress_bar_enabled()
    assert talk.is_progress_bar_enabled()
