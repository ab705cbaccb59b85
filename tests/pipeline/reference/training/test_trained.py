from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import pytest
import torch

from underdrawing.core.errors import BadParameter

if find_spec("diffusers") is None:
    pytest.skip("the extra pipeline is not installed (pip install diffusers transformers)", allow_module_level=True)

from underdrawing.pipeline.models.reference_files import FOLDER
from underdrawing.pipeline.reference.training.latents import tokenize
from underdrawing.pipeline.reference.training.trained import Words, load_text_encoder

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.skipif(not FOLDER.is_dir(), reason="the package comes without weights")
def test_captions_are_encoded_once_each() -> None:
    text = load_text_encoder(FOLDER, FOLDER)
    calls: list[int] = []
    forward = text.forward

    def count(rows: Any, *args: Any, **options: Any) -> Any:
        calls.append(len(rows))
        return forward(rows, *args, **options)

    text.forward = count
    tokens = tokenize(["a red ball", "a green tree", "a red ball"]).view(3, 1, 77)
    words = Words(text, tokens)
    chosen = torch.tensor([0, 1, 2, 1])
    with torch.no_grad():
        right = forward(tokens[chosen, 0]).last_hidden_state
        empty = forward(tokenize([""])).last_hidden_state
    for _ in range(2):
        torch.testing.assert_close(words.read(chosen, 0.0), right, rtol=0, atol=0.01)
    assert sum(calls) == 2
    torch.testing.assert_close(words.read(chosen[:1], 1.0), empty, rtol=0, atol=0.01)
    assert sum(calls) == 3


def test_what_is_not_trained_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadParameter, match=r"text is not trained yet\..* train text first"):
        load_text_encoder(tmp_path)
