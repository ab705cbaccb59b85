from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import pytest
import torch

from underdrawing.core.networks.placement import Placement
from underdrawing.pipeline.reference.scoring.attributes import UNASKED

if find_spec("diffusers") is None:
    pytest.skip("the extra pipeline is not installed (pip install diffusers transformers)", allow_module_level=True)

from underdrawing.pipeline.reference.training import text
from underdrawing.pipeline.reference.training.latents import tokenize
from underdrawing.pipeline.reference.training.text import Captions, TextPart, draw_captions
from underdrawing.pipeline.reference.world.captions import describe_thing
from underdrawing.pipeline.reference.world.spec import sample_spec


@pytest.fixture(scope="module")
def captions() -> Captions:
    return draw_captions(range(40), torch.device("cpu"))


def test_things_end_where_their_part_of_the_caption_ends(captions: Captions) -> None:
    for row in range(len(captions.tokens)):
        spec = sample_spec(np.random.default_rng(row))
        assert {thing.place for thing in spec.things} == set((captions.things[row] >= 0).nonzero().flatten().tolist())
        for thing in spec.things:
            words = tokenize([describe_thing(thing)])[0]
            words = words[1 : int(words.argmax())]
            end = int(captions.things[row, thing.place])
            part = captions.tokens[row, : end + 1]
            assert any(torch.equal(part[i : i + len(words)], words) for i in range(len(part))), row
            assert captions.tokens[row, end + 1] in tokenize([","])[0, 1:3]


def test_nothing_is_asked_that_a_caption_does_not_say(captions: Captions) -> None:
    unplaced = (captions.said["kind"] == UNASKED).all(1)
    assert 0 < int(unplaced.sum()) < len(unplaced) / 2
    assert bool((captions.here["kind"][unplaced] > 0).any())
    assert bool((captions.said["ground"] == UNASKED).any())
    assert bool((captions.said["time"] == UNASKED).any())


def test_reading_is_learnt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text, "CAPTIONS", 4)
    monkeypatch.setattr(text, "JUDGED", 4)
    part = TextPart(Placement(), batch=4)
    optimiser = torch.optim.Adam(part.module.parameters(), 1e-3)
    losses: list[float] = []
    for _ in range(12):
        optimiser.zero_grad()
        loss = part.compute_loss(0.0)
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.8 * losses[0]
