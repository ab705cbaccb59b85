from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from PIL import Image
from tests.support.command_line import picture
from torch import nn

from underdrawing.core.errors import BadParameter, BadWeights, UnknownName
from underdrawing.core.images.geometry import Size
from underdrawing.core.networks.placement import Placement
from underdrawing.pipeline.training.data.buckets import Buckets
from underdrawing.pipeline.training.data.finding import find_samples
from underdrawing.pipeline.training.data.latents import LatentCache
from underdrawing.pipeline.training.data.masks import MaskReader

if TYPE_CHECKING:
    from pathlib import Path


class Means(nn.Module):
    """A VAE whose latents are averages of 8 x 8 pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))

    def encode(self, planes: torch.Tensor, return_dict: bool) -> tuple[Any]:
        assert not return_dict
        return (SimpleNamespace(mean=nn.functional.avg_pool2d(planes, 8) * self.scale),)


def make_cache(
    folder: Path, masks: MaskReader | None = None, *, vae: Means | None = None, **options: Any
) -> LatentCache:
    model: Any = SimpleNamespace(vae=vae or Means(), scaling_factor=0.5, placement=Placement())
    reader = masks or MaskReader(note=print)
    return LatentCache(folder, model, options.pop("dtype", "float32"), Buckets(64, 32, **options), reader)


def prepare(
    cache: LatentCache, data: Path, *, flip: bool = False, masks: str = ""
) -> tuple[Any, list[tuple[str, str]]]:
    return cache.prepare(find_samples(data, masks=masks).samples, flip=flip, tick=lambda: None)


def test_pictures_are_scaled_cropped_and_encoded(tmp_path: Path) -> None:
    ramp = np.repeat(np.arange(128, dtype=np.uint8)[None], 64, 0)
    (tmp_path / "data").mkdir()
    Image.fromarray(np.stack([ramp] * 3, -1)).save(tmp_path / "data" / "a.png")
    cache = make_cache(tmp_path / "cache")
    (item,), left_out = prepare(cache, tmp_path / "data", flip=True)
    assert (item.size, item.original, item.crop, left_out) == (Size(32, 96), Size(64, 128), (8, 0), [])
    plain, turned = (cache.read(item, flip=flip).values for flip in (False, True))
    assert plain.shape == (3, 4, 12)
    assert torch.allclose(plain.flip(-1), turned, atol=1e-6)
    assert bool((plain[0, 0].diff() > 0).all())
    assert float(plain[0, 0, 0]) == pytest.approx(0.5 * (5 / 255 * 2 - 1), abs=0.01)


def test_copies_are_decoded_once_and_nothing_a_second_time(tmp_path: Path) -> None:
    content = picture(tmp_path / "data" / "0.png", 64, 64).read_bytes()
    for number in range(1, 200):
        (tmp_path / "data" / f"{number}.png").write_bytes(content)
    cache = make_cache(tmp_path / "cache")
    items, _ = prepare(cache, tmp_path / "data")
    assert (len(items), cache.decoded) == (200, 1)
    again = make_cache(tmp_path / "cache")
    assert prepare(again, tmp_path / "data")[0] == items or again.decoded == 0
    assert again.decoded == 0
    other = Means()
    with torch.no_grad():
        other.scale.fill_(2)
    changed = make_cache(tmp_path / "cache", vae=other)
    (first, *_), _ = prepare(changed, tmp_path / "data")
    assert changed.decoded == 1, "another VAE"
    assert torch.allclose(changed.read(first, flip=False).values, 2 * cache.read(items[0], flip=False).values)


def test_poisoned_pictures_are_left_out_and_remembered(tmp_path: Path) -> None:
    data = tmp_path / "data"
    good = picture(data / "good.png", 64, 64).read_bytes()
    (data / "cut.png").write_bytes(good[:150])
    (data / "text.png").write_bytes(b"no picture")
    (data / "empty.jpg").write_bytes(b"")
    picture(data / "one.png", 1, 1)
    Image.new("CMYK", (64, 64)).save(data / "cmyk.jpg")
    Image.fromarray(np.full((64, 64), 40000, np.uint16)).save(data / "deep.png")
    Image.new("P", (64, 64)).save(data / "many.gif", save_all=True, append_images=[Image.new("P", (64, 64), 3)])
    for _ in range(2):
        cache = make_cache(tmp_path / "cache")
        items, left_out = prepare(cache, data)
        assert {item.sample.name for item in items} == {"good.png", "cmyk.jpg", "deep.png", "many.gif"}
        reasons = dict(left_out)
        assert set(reasons) == {"cut.png", "text.png", "empty.jpg", "one.png"}
        assert "smaller than 32 (see --upscale)" in reasons["one.png"]
    cache = make_cache(tmp_path / "cache")
    prepare(cache, data)
    assert cache.decoded == 0
    items, left_out = prepare(make_cache(tmp_path / "cache", upscale=True), data)
    assert "one.png" in {item.sample.name for item in items}


def test_damaged_files_are_made_again(tmp_path: Path) -> None:
    picture(tmp_path / "data" / "0.png", 64, 64)
    cache = make_cache(tmp_path / "cache")
    (item,), _ = prepare(cache, tmp_path / "data")
    expected = cache.read(item, flip=False).values
    for path in (tmp_path / "cache").rglob("*.safetensors"):
        path.write_bytes(b"x" * 9)
    (tmp_path / "cache" / "pictures.json").write_text("{")
    assert torch.equal(make_cache(tmp_path / "cache").read(item, flip=False).values, expected)


def test_half_precision_is_half_as_large(tmp_path: Path) -> None:
    picture(tmp_path / "data" / "0.png", 64, 64)
    sizes = []
    for dtype in ("float32", "float16"):
        (item,), _ = prepare(cache := make_cache(tmp_path / dtype, dtype=dtype), tmp_path / "data")
        assert cache.read(item, flip=False).values.dtype == torch.float32
        sizes.append(sum(path.stat().st_size for path in (tmp_path / dtype).rglob("*.safetensors")))
    assert sizes[1] < 0.7 * sizes[0]


def test_a_vae_that_answers_nan_is_named(tmp_path: Path) -> None:
    picture(tmp_path / "data" / "0.png", 64, 64)
    broken = Means()
    with torch.no_grad():
        broken.scale.fill_(float("nan"))
    with pytest.raises(BadWeights, match=r"0\.png: the VAE answers numbers that are not finite"):
        prepare(make_cache(tmp_path / "cache", vae=broken), tmp_path / "data")


def test_masks_follow_their_pictures(tmp_path: Path) -> None:
    data = tmp_path / "data"
    picture(data / "a.png", 64, 64)
    picture(data / "b.png", 64, 64, seed=1)
    picture(data / "c.png", 64, 64, seed=2)
    mask = np.zeros((128, 128), np.uint8)
    Image.fromarray(mask).save(data / "b_mask.png")
    mask[:, :64] = 255
    Image.fromarray(mask).save(data / "a_mask.png")
    cache = make_cache(tmp_path / "cache", MaskReader(note=print))
    items, left_out = prepare(cache, data, flip=True, masks="beside")
    assert [item.sample.name for item in items] == ["a.png", "c.png"]
    assert left_out == [("b.png", "its mask covers nothing, so that it teaches nothing")]
    plain, turned = (cache.read(items[0], flip=flip).mask for flip in (False, True))
    assert plain is not None
    assert turned is not None
    assert plain.shape == (1, 8, 8)
    assert plain[0, 0].tolist() == [1] * 4 + [0] * 4
    assert torch.equal(turned, plain.flip(-1))
    assert cache.read(items[1], flip=False).mask is None
    soft = make_cache(tmp_path / "cache", MaskReader(weight=0.25, note=print))
    items, left_out = prepare(soft, data, masks="beside")
    assert left_out == []
    found = soft.read(items[0], flip=False).mask
    assert found is not None
    assert found[0, 0].tolist() == [1] * 4 + [0.25] * 4


def test_annotators_make_masks(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    pixels = np.zeros((64, 64, 3), np.uint8)
    pixels[:32] = 255
    Image.fromarray(pixels).save(data / "a.png")
    cache = make_cache(tmp_path / "cache", MaskReader("threshold", note=print))
    (item,), _ = prepare(cache, data)
    mask = cache.read(item, flip=False).mask
    assert mask is not None
    assert mask[0, :, 0].tolist() == [1] * 4 + [0] * 4
    with pytest.raises(BadParameter, match=r"mask_from canny: makes no masks.*person_mask"):
        MaskReader("canny", note=print)
    with pytest.raises(UnknownName):
        MaskReader("no_such_thing", note=print)
