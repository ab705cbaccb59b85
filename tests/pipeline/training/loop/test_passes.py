from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pytest
import torch
from PIL import Image
from tests.support.tiny_diffusion import make_model, require_diffusers

from underdrawing.core.images.geometry import Size
from underdrawing.core.networks.placement import Placement
from underdrawing.pipeline.training.controls.maps import MapReader
from underdrawing.pipeline.training.controls.params import ControlParams
from underdrawing.pipeline.training.data.buckets import Buckets
from underdrawing.pipeline.training.data.captions import Changes
from underdrawing.pipeline.training.data.finding import find_samples
from underdrawing.pipeline.training.data.latents import Item, LatentCache, Latents
from underdrawing.pipeline.training.data.masks import MaskReader
from underdrawing.pipeline.training.data.samples import Sample
from underdrawing.pipeline.training.data.texts import CaptionEncoder
from underdrawing.pipeline.training.embeddings.embedding import EmbeddingTraining
from underdrawing.pipeline.training.embeddings.params import EmbeddingParams
from underdrawing.pipeline.training.loop.objective import Objective
from underdrawing.pipeline.training.loop.passes import Passes, PassOptions, Pictures, make_ids
from underdrawing.pipeline.training.networks.network import LowRankNetwork
from underdrawing.pipeline.training.networks.params import NetworkParams

from ..data.test_latents import Means

require_diffusers()

if TYPE_CHECKING:
    from pathlib import Path

    from underdrawing.pipeline.models.model import Model
    from underdrawing.pipeline.training.trainable import Trainable


class Cache:
    """Latents that need no pictures. masked: name of the sample that has a mask."""

    def __init__(self, masked: str = "") -> None:
        self.masked = masked
        self.flips: list[bool] = []

    def read(self, item: Item, *, flip: bool) -> Latents:
        self.flips.append(flip)
        generator = torch.Generator().manual_seed(int(item.sample.name))
        values = torch.randn(4, item.size.height // 8, item.size.width // 8, generator=generator)
        mask = torch.zeros(1, *values.shape[1:]) if item.sample.name == self.masked else None
        if mask is not None:
            mask[:, :2] = 1.0
        return Latents(values.flip(-1) if flip else values, mask)


def make_items(*sizes: Size) -> list[Item]:
    return [
        Item(
            sample=Sample(name=str(number), digest="", read=bytes, caption=f"a thing, number {number}"),
            size=size,
            original=Size(100, 200),
            crop=(3, 4),
            keys=(),
        )
        for number, size in enumerate(sizes)
    ]


def make_pictures(cache: Cache, *, label: str = "", **options: Any) -> Pictures:
    items = make_items(Size(64, 64), Size(64, 64), Size(64, 128))
    return Pictures(items, cache, PassOptions(**options), label)  # type: ignore[arg-type]


def build(model: Model, **params: Any) -> tuple[Trainable, CaptionEncoder, Objective]:
    network = LowRankNetwork(model, NetworkParams(targets="cross-attn", **params), rate=0.01)
    objective = Objective(model.alphas, velocity=model.prediction == "v_prediction")
    return network, CaptionEncoder(model, network, clip_skip=1, windows=1), objective


@pytest.mark.parametrize(
    ("family", "prediction", "dtype"),
    [("sd1", "epsilon", "float32"), ("sd2", "v_prediction", "float32"), ("sdxl", "epsilon", "bfloat16")],
)
def test_every_family_learns(family: str, prediction: str, dtype: Any) -> None:
    model = make_model(family, prediction=prediction)
    kind = getattr(torch, dtype)
    for network in (model.unet, *model.text_encoders):
        network.to(kind)
    model = msgspec.structs.replace(model, placement=Placement(dtype=dtype))
    trainable, encoder, objective = build(model)
    passes = Passes(model, trainable, objective, encoder, make_pictures(Cache(), batch=2))
    for number in range(passes.pictures.order.passes):
        loss = passes.compute_loss(number)
        assert loss.dtype == torch.float32
        loss.backward()
    tensors = [(name, tensor) for group in trainable.groups() for name, tensor in group.tensors.items()]
    assert all(tensor.grad is not None and tensor.grad.isfinite().all() for _, tensor in tensors)
    assert any(bool(tensor.grad.any()) for _, tensor in tensors if tensor.grad is not None)
    trainable.remove()


@pytest.fixture(scope="module")
def model() -> Model:
    return make_model("sd1")


def test_a_pass_depends_on_its_number_alone(model: Model) -> None:
    trainable, encoder, objective = build(model)
    options = {"batch": 2, "flip": True, "noise_offset": 0.1, "changes": Changes(shuffle=True, drop=0.3), "seed": 4}

    def draw(number: int, cache: Cache, label: str = "") -> Any:
        return make_pictures(cache, label=label, **options).draw(number, model, trainable, objective, encoder)[0]

    cache = Cache()
    first = [draw(number, cache) for number in range(8)]
    for number in (7, 2):
        again = draw(number, cache)
        assert (again.captions, again.flips, again.steps.tolist()) == (
            first[number].captions, first[number].flips, first[number].steps.tolist(),
        )  # fmt: skip
        assert torch.equal(again.noisy, first[number].noisy)
    assert not torch.equal(draw(2, cache, "class").noise, first[2].noise), "another set has other noise"
    assert len({caption for batch in first for caption in batch.captions}) > 3
    assert set(cache.flips) == {True, False}
    assert {batch.size for batch in first} == {(64, 64), (64, 128)}
    trainable.remove()


def test_masks_and_maps_are_mirrored_with_their_pictures(model: Model, tmp_path: Path) -> None:
    pixels = np.zeros((64, 64, 3), np.uint8)
    pixels[:, :24] = 255
    for name in ("data/a.png", "maps/a.png"):
        (tmp_path / name).parent.mkdir()
        Image.fromarray(pixels).save(tmp_path / name)
    means: Any = SimpleNamespace(vae=Means(), scaling_factor=1.0, placement=Placement())
    reader = MaskReader("threshold", weight=0.25, note=print)
    cache = LatentCache(tmp_path / "cache", means, "float32", Buckets(64, 64), reader)
    items, _ = cache.prepare(find_samples(tmp_path / "data").samples, flip=True, tick=lambda: None)
    given = MapReader(ControlParams(maps=str(tmp_path / "maps")), tmp_path, tmp_path / "kept", note=print)
    trainable, encoder, objective = build(model)
    pictures = Pictures(items, cache, PassOptions(flip=True))
    seen: set[bool] = set()
    for number in range(8):
        batch, masks = pictures.draw(number, model, trainable, objective, encoder)
        assert masks is not None
        bright = batch.latents[0, 0] > 0
        assert bright[0].tolist() == ([False] * 5 + [True] * 3 if batch.flips[0] else [True] * 3 + [False] * 5)
        assert torch.equal(masks[0, 0], torch.where(bright, 1.0, 0.25))
        hint = given.read(batch.samples[0], Size(*batch.size), flip=batch.flips[0])
        assert torch.equal(hint[0, ::8, ::8] > 0.5, bright)
        seen.update(batch.flips)
    assert seen == {False, True}
    trainable.remove()


def test_the_loss_is_the_objective_s_of_the_unet_s_answer_and_class_pictures_add_theirs(model: Model) -> None:
    trainable, encoder, objective = build(model)
    pictures = make_pictures(Cache(masked="0"), batch=2, seed=1)
    prior = make_pictures(Cache(), label="class", seed=1)
    numbers = range(4)
    alone = [float(Passes(model, trainable, objective, encoder, pictures).compute_loss(n).detach()) for n in numbers]
    others = [float(Passes(model, trainable, objective, encoder, prior).compute_loss(n).detach()) for n in numbers]
    both = Passes(model, trainable, objective, encoder, pictures, prior, 0.5)
    assert [float(both.compute_loss(n).detach()) for n in numbers] == pytest.approx(
        [a + 0.5 * b for a, b in zip(alone, others, strict=True)], rel=1e-5
    )
    number = next(n for n in numbers if "0" in [pictures.items[i].sample.name for i in pictures.order.find(n)])
    batch, masks = pictures.draw(number, model, trainable, objective, encoder)
    assert masks is not None
    with torch.no_grad():
        answer = model.unet(batch.noisy, batch.steps, batch.states).sample
    error = (answer - batch.noise).square().mean(1, keepdim=True)
    written = torch.stack([(e * m).sum() / m.sum() for e, m in zip(error, masks, strict=True)]).mean()
    assert alone[number] == pytest.approx(float(written), rel=1e-5)
    trainable.remove()


def test_sdxl_s_numbers_are_original_size_crop_and_size() -> None:
    assert make_ids(make_items(Size(64, 128))).tolist() == [[100, 200, 3, 4, 64, 128]]


def test_captions_of_the_class_do_not_get_the_new_word() -> None:
    model = make_model("sd1")
    word = EmbeddingTraining(model, "blob", EmbeddingParams(init="sphere"))
    encoder = CaptionEncoder(model, word, clip_skip=1, windows=1)
    for label, start in (("", "blob, a thing"), ("class", "a thing")):
        pictures = make_pictures(Cache(), label=label, batch=2)
        batch, _ = pictures.draw(0, model, word, Objective(model.alphas), encoder)
        assert all(caption.startswith(start) for caption in batch.captions)
