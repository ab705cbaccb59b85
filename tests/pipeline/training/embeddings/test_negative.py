from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch
from tests.support.tiny_diffusion import make_model, require_diffusers

from underdrawing.core.errors import BadParameter
from underdrawing.pipeline.training.data.texts import CaptionEncoder
from underdrawing.pipeline.training.embeddings.embedding import EmbeddingTraining
from underdrawing.pipeline.training.embeddings.negative import NEGATIVE_RULES, NegativeTraining, check_strength
from underdrawing.pipeline.training.embeddings.params import EmbeddingParams
from underdrawing.pipeline.training.rules import check_options
from underdrawing.pipeline.training.trainable import Batch

require_diffusers()

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from underdrawing.pipeline.models.model import Model

CAPTIONS = ("a tree on a hill", "a ball")
STRENGTH = 3.0
PARAMS = EmbeddingParams(negative=STRENGTH, vectors=2, init="sphere cube", rate=1e-2)


def make_batch(model: Model, training: NegativeTraining) -> Batch:
    states = CaptionEncoder(model, training, clip_skip=1, windows=1).encode(CAPTIONS)
    generator = torch.Generator().manual_seed(2)
    noisy, noise = (torch.randn(2, 4, 8, 8, generator=generator) for _ in range(2))
    ids = torch.tensor([[64.0, 64, 0, 0, 64, 64]] * 2)
    return Batch(
        latents=noisy,
        noise=noise,
        noisy=noisy,
        target=noise,
        steps=torch.tensor([300, 700]),
        states=states.hidden,
        added={} if states.pooled is None else {"text_embeds": states.pooled, "time_ids": ids},
        samples=(),
        captions=CAPTIONS,
        flips=(False, False),
        size=(64, 64),
    )


def ask(model: Model, batch: Batch, row: int, states: Tensor, pooled: Tensor | None) -> Tensor:
    """The UNet about one picture."""
    x, step = batch.noisy[row : row + 1], batch.steps[row : row + 1]
    added = None if pooled is None else {"text_embeds": pooled, "time_ids": batch.added["time_ids"][row : row + 1]}
    return model.unet(x, step, states, added_cond_kwargs=added, return_dict=False)[0]


@pytest.mark.parametrize("family", ["sd1", "sdxl"])
def test_one_step_is_that_of_guidance_written_out(family: str) -> None:
    model = make_model(family)
    training = NegativeTraining(model, "blob", PARAMS)
    batch = make_batch(model, training)
    (training.predict(model, batch) - batch.target).square().mean().backward()
    found = {part: rows.grad for part, rows in training.rows.items()}

    plain = EmbeddingTraining(model, "blob", PARAMS)
    word = CaptionEncoder(model, plain, clip_skip=1, windows=1).encode(["blob"])
    losses: list[Tensor] = []
    for row in range(2):
        pooled = batch.added["text_embeds"][row : row + 1] if batch.added else None
        wanted = ask(model, batch, row, batch.states[row : row + 1], pooled).detach()
        unwanted = ask(model, batch, row, word.hidden, word.pooled)
        losses.append((unwanted + STRENGTH * (wanted - unwanted) - batch.target[row]).square().mean())
    (sum(losses, torch.zeros(())) / 2).backward()
    for part, rows in plain.rows.items():
        own = found[part]
        assert own is not None
        assert rows.grad is not None
        assert float((own - rows.grad).norm()) < 1e-3 * float(rows.grad.norm())
    assert all(parameter.grad is None for parameter in model.unet.parameters())


def test_captions_stay_and_pictures_without_are_refused(tmp_path: Path) -> None:
    training = NegativeTraining(make_model("sd1"), "blob", PARAMS)
    assert training.write_caption("a tree", 0) == "a tree"
    assert training.list_preview_fields(tmp_path, "a tree") == {"negative": "blob", "cfg": STRENGTH}
    training.check_captions(["a tree"])
    with pytest.raises(BadParameter, match="without caption"):
        training.check_captions(["a tree", " "])


@pytest.mark.parametrize(
    "values", [{"template": "word"}, {"drop_captions": 0.1}, {"prior": "x"}, {"prior_count": 3, "prior_prompt": "x"}]
)
def test_options_without_effect_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(BadParameter, match=f"--{next(iter(values)).replace('_', '-')} .*has no effect"):
        check_options(EmbeddingParams(negative=3.0, **values), set(values), NEGATIVE_RULES, where="train embedding")
    check_options(EmbeddingParams(**values), set(values), NEGATIVE_RULES, where="train embedding")


@pytest.mark.parametrize("strength", [0.5, 1.0])
def test_a_strength_that_guides_nowhere_is_refused(strength: float) -> None:
    with pytest.raises(BadParameter, match="no effect"):
        check_strength(strength)
