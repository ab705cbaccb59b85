"""Pictures as latents: decoded and encoded once for each content, kept in files of the run's folder."""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import numpy as np
import torch
from torch.nn import functional

from ....core.errors import BadImage, BadWeights
from ....core.files import atomic_write
from ....core.images.geometry import Size, plan_fit
from ....core.images.reading import decode_file
from ....core.regular_files import read_regular_file
from ....core.tensor_files.safetensors_io import read_safetensors, write_safetensors
from ...denoising.latents import encode
from ...runs.sources import fit_picture
from .masks import MaskReader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from torch import Tensor

    from ...models.model import Model
    from ...request import Pixels
    from .buckets import Buckets
    from .samples import Sample

VERSION = 1
"""Of how pictures become latents."""
MEMORY = 256 << 20
"""Bytes of latents that are held in memory; more are read from the disk."""
_INDEX = "pictures.json"


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """A sample at its size. original: of its picture; crop: what is cut off at the top and left of the scaled one.

    keys: of its latents, and of those of the mirrored picture.
    """

    sample: Sample
    size: Size
    original: Size
    crop: tuple[int, int]
    keys: tuple[str, ...]


class Latents(NamedTuple):
    """values float32 [C, h, w]; mask float32 [1, h, w] of the loss, or None."""

    values: Tensor
    mask: Tensor | None


class LatentCache:
    """Latents of pictures. folder: of the files. dtype: in which they are kept."""

    def __init__(self, folder: Path, model: Model, dtype: str, buckets: Buckets, masks: MaskReader) -> None:
        self.folder, self.model, self.buckets, self.masks = folder, model, buckets, masks
        self._dtype: torch.dtype = getattr(torch, dtype)
        self._vae = f"{VERSION} {_hash_weights(model.vae)} {model.scaling_factor} {dtype}"
        self._facts = self._read_index()
        self._held: OrderedDict[str, Latents] = OrderedDict()
        self._size = 0
        self.decoded = 0

    def prepare(
        self, samples: Iterable[Sample], *, flip: bool, tick: Callable[[], None]
    ) -> tuple[list[Item], list[tuple[str, str]]]:
        """Encode what is not there yet. Gives items, and names and reasons of what is left out.

        tick: called before each picture. Raises WriteFailed; BadWeights where the VAE answers numbers that are not
        finite.
        """
        items: list[Item] = []
        left_out: list[tuple[str, str]] = []
        try:
            for sample in samples:
                tick()
                try:
                    items.append(self._prepare(sample, flip))
                except BadImage as error:
                    left_out.append((sample.name, error.what))
        finally:
            atomic_write(self.folder / _INDEX, json.dumps(self._facts, sort_keys=True).encode())
        return items, left_out

    def read(self, item: Item, *, flip: bool) -> Latents:
        """Latents of an item; a file that is gone or damaged is made again."""
        key = item.keys[1 if flip else 0]
        if key in self._held:
            self._held.move_to_end(key)
            return self._held[key]
        found = self._read(key)
        if found is None:
            self._write(item.sample, self._decode(item.sample), item.size, item.keys)
            found = self._read(key)
        if found is None:
            raise BadImage("its latents cannot be read back", where=item.sample.name, fix="check the disk")
        self._hold(key, found)
        return found

    def _prepare(self, sample: Sample, flip: bool) -> Item:
        fact = self._facts.get(sample.digest)
        if isinstance(fact, str):
            raise BadImage(fact, where=sample.name)
        pixels = None if fact is not None else self._decode(sample)
        original = Size(*fact) if fact is not None else Size(*pixels.shape[:2])  # type: ignore[union-attr]
        size = self.buckets.choose(original)
        if size is None:
            what = f"is {original.width} x {original.height} pixels, smaller than {self.buckets.step} (see --upscale)"
            raise BadImage(what, where=sample.name)
        keys = tuple(self._name(sample, size, mirrored) for mirrored in ((False, True) if flip else (False,)))
        if any(not self._path(key).is_file() or key not in self._facts for key in keys):
            self._write(sample, self._decode(sample) if pixels is None else pixels, size, keys)
        if not self._facts[keys[0]]:
            raise BadImage("its mask covers nothing, so that it teaches nothing", where=sample.name)
        plan = plan_fit(original, size, "crop")
        return Item(sample=sample, size=size, original=original, crop=(-plan.top, -plan.left), keys=keys)

    def _decode(self, sample: Sample) -> Pixels:
        self.decoded += 1
        try:
            pixels = decode_file(sample.read(), sample.name).pixels
        except BadImage as error:
            self._facts[sample.digest] = error.what
            raise
        self._facts[sample.digest] = list(pixels.shape[:2])
        return pixels

    def _write(self, sample: Sample, pixels: Pixels, size: Size, keys: tuple[str, ...]) -> None:
        mask = self.masks.read(sample, pixels)
        picture = fit_picture(pixels, size, "crop")
        fitted = None if mask is None else np.clip(fit_picture(mask, size, "crop"), 0, 1)
        for key, mirrored in zip(keys, (False, True), strict=False):
            turned = np.ascontiguousarray(picture[:, ::-1]) if mirrored else picture
            latents = encode(self.model, turned[None])[0].cpu()
            if not bool(torch.isfinite(latents).all()):
                fix = "run in float32 (--dtype float32), or choose another VAE (--vae)"
                raise BadWeights("the VAE answers numbers that are not finite", where=sample.name, fix=fix)
            tensors = {"latents": latents.to(self._dtype).contiguous()}
            if fitted is not None:
                own = torch.from_numpy(np.ascontiguousarray(fitted[:, ::-1] if mirrored else fitted)).float()
                tensors["mask"] = functional.interpolate(own[None, None], latents.shape[-2:], mode="area")[0]
            write_safetensors(self._path(key), tensors)
            self._facts[key] = fitted is None or bool(tensors["mask"].any())

    def _read(self, key: str) -> Latents | None:
        try:
            tensors = read_safetensors(self._path(key))
            mask = tensors.get("mask")
            return Latents(tensors["latents"].float(), None if mask is None else mask.float())
        except (BadWeights, KeyError):
            return None

    def _hold(self, key: str, latents: Latents) -> None:
        self._held[key] = latents
        self._size += _measure(latents)
        while self._size > MEMORY and len(self._held) > 1:
            self._size -= _measure(self._held.popitem(last=False)[1])

    def _name(self, sample: Sample, size: Size, mirrored: bool) -> str:
        text = f"{sample.digest} {self._vae} {size.width}x{size.height} {mirrored} {self.masks.name(sample)}"
        return hashlib.sha256(text.encode()).hexdigest()

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}.safetensors"

    def _read_index(self) -> dict[str, Any]:
        with suppress(OSError, ValueError):
            found: Any = json.loads(read_regular_file(self.folder / _INDEX))
            if isinstance(found, dict):
                return found  # pyright: ignore[reportUnknownVariableType] - our own file, checked where it is used
        return {}


def _measure(latents: Latents) -> int:
    return 4 * (latents.values.numel() + (0 if latents.mask is None else latents.mask.numel()))


def _hash_weights(network: Any) -> str:
    """SHA-256 of a network's weights and their names."""
    digest = hashlib.sha256()
    for name, value in sorted(network.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:32]
