"""The pictures of a run, and those of its class: found, encoded, and described for settings, receipt and metadata."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from ...core.errors import BadParameter
from ..models.reference_files import NAME
from ..request import Request
from ..runs.setting import Setting
from .base import list_folders
from .data.buckets import Buckets
from .data.captions import Changes
from .data.finding import FIX, Found, find_samples
from .data.latents import LatentCache
from .data.masks import MaskReader
from .data.prior import fill_folder
from .loop.folder import CACHE
from .loop.passes import PassOptions, Pictures
from .rules import check_captions

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...core.images.geometry import Size
    from ...core.operation import Job
    from ..models.model import Model
    from .data.latents import Item
    from .data.samples import Sample
    from .loop.folder import RunFolder
    from .params import TrainParams

    Admit = Callable[[Sample, Size], str]

CLASS = "class"
"""Folder of a run for class pictures that it draws."""

LISTED = 20
"""Pictures that are left out which are named while a run begins."""


class TrainingSet(msgspec.Struct, kw_only=True):
    """pictures: that are trained on. prior: those of the class. left_out: name and reason. notes: about the data."""

    pictures: Pictures
    prior: Pictures | None = None
    left_out: list[tuple[str, str]] = []
    notes: list[str] = []
    trigger: str = ""

    @property
    def captions(self) -> list[str]:
        """Captions in order, each once."""
        return list(dict.fromkeys(item.sample.caption for item in self.pictures.items))

    def list_contents(self) -> dict[str, str]:
        """Name → hash of picture, caption, repeats and mask, so that a changed training set is noticed."""
        rows = [("", item) for item in self.pictures.items]
        rows += [(f"{CLASS}/", item) for item in (self.prior.items if self.prior else ())]
        return {
            start + item.sample.name: hashlib.sha256(
                f"{item.sample.repeats} {item.keys[0]} {item.sample.caption}".encode("utf-8", "surrogatepass")
            ).hexdigest()[:16]
            for start, item in rows
        }

    def count_tags(self) -> dict[str, dict[str, int]]:
        """Folder → tag → pictures, as kohya writes it."""
        found: dict[str, Counter[str]] = {}
        for item in self.pictures.items:
            tags = (tag.strip() for tag in item.sample.caption.split(","))
            found.setdefault(item.sample.folder or "img", Counter()).update(tag for tag in tags if tag)
        return {folder: dict(tags) for folder, tags in found.items()}

    def describe(self) -> dict[str, Any]:
        """For the receipt."""
        items = self.pictures.items
        sizes = Counter(f"{item.size.width} x {item.size.height}" for item in items)
        return {
            "pictures": len(items),
            "contents": len({item.sample.digest for item in items}),
            "passes": self.pictures.order.passes,
            "buckets": dict(sizes.most_common()),
            "class_pictures": len(self.prior.items) if self.prior else 0,
            "left_out": [list(row) for row in self.left_out],
            "notes": self.notes,
        }


def load_sets(
    data: Path,
    folder: RunFolder,
    params: TrainParams,
    model: Model,
    job: Job,
    note: Callable[[str], None],
    admit: Admit | None = None,
) -> TrainingSet:
    """Find and encode the pictures. admit: why a picture at its size is to be left out; empty where it is not.

    Raises BadParameter where none is left or captions lack what options need.
    """
    if params.prior and Path(params.prior).resolve() == data.resolve():
        fix = "name another folder, with pictures of the class as it is to stay"
        raise BadParameter("is the folder of the training set itself", where=f"prior {params.prior}", fix=fix)
    loader = _Loader(folder, params, model, job, note, admit)
    sets = loader.load(data, masks=params.masks, trigger=params.trigger)
    check_captions(params, sets.captions)
    if params.prior or params.prior_count:
        sets.prior = loader.load_prior()
        own = {item.sample.digest for item in sets.pictures.items}
        if same := sum(item.sample.digest in own for item in sets.prior.items):
            note(f"{same} class pictures are pictures of the training set, too")
    return sets


class _Loader:
    def __init__(
        self,
        folder: RunFolder,
        params: TrainParams,
        model: Model,
        job: Job,
        note: Callable[[str], None],
        admit: Admit | None,
    ) -> None:
        self._admit = admit
        self._folder, self._params, self._model, self._job, self._note = folder, params, model, job, note
        resolution = params.resolution or model.sample_size
        step = 8 * model.factor
        if resolution < step:
            what = f"{resolution} is below {step}, the smallest side that this model draws"
            raise BadParameter(what, where="resolution", fix=f"give at least {step}")
        self._buckets = Buckets(resolution, step, square=not params.buckets, upscale=params.upscale)

    def load(self, data: Path, *, masks: str, trigger: str, label: str = "") -> TrainingSet:
        """Pictures of a folder. label: of its random numbers; a set with one has captions that stay as they are."""
        params = self._params
        with self._job.progress("find pictures", 0, "pictures") as progress:
            found = find_samples(data, trigger=trigger, masks=masks, tick=lambda done: progress(done, 0))
        self._check_masks(found, masks)
        reader = MaskReader(
            "" if label else params.mask_from, weight=params.mask_weight, device=params.device, note=self._note
        )
        cache = LatentCache(self._folder.path / CACHE, self._model, params.cache, self._buckets, reader)
        with self._job.progress("encode pictures", len(found.samples), "pictures") as progress:
            done = iter(range(len(found.samples)))
            items, broken = cache.prepare(
                found.samples, flip=params.flip, tick=lambda: progress(next(done), len(found.samples))
            )
        if self._admit is not None:
            items, refused = self._ask(items, self._admit)
            broken += refused
        left_out = [*found.left_out, *broken]
        for name, _ in broken:
            found.forget(name)
        notes = [f"{count} {text}" for text, count in (found.notes + found.passed).items()]
        self._report([*notes, *(f"left out: {name}: {reason}" for name, reason in left_out)], len(notes))
        if not items:
            what = f"no picture is left to train on ({'; '.join(f'{name}: {why}' for name, why in left_out[:3])})"
            raise BadParameter(what, where=str(data), fix=FIX)
        changes = Changes(
            shuffle=params.shuffle_tags, keep=params.keep_tags, drop_tags=params.drop_tags, drop=params.drop_captions
        )
        options = PassOptions(
            batch=params.batch,
            repeats=1 if label else params.repeats,
            flip=params.flip,
            noise_offset=params.noise_offset,
            changes=Changes() if label else changes,
            seed=params.seed,
        )
        pictures = Pictures(items, cache, options, label)
        return TrainingSet(pictures=pictures, left_out=left_out, notes=notes, trigger=trigger)

    def _report(self, lines: list[str], notes: int) -> None:
        """Lines of what is left out come after the notes, and are many."""
        for text in lines[: notes + LISTED]:
            self._note(text)
        if len(lines) > notes + LISTED:
            self._note(f"left out: {len(lines) - notes - LISTED} more, all in the receipt")

    def _ask(self, items: list[Item], admit: Admit) -> tuple[list[Item], list[tuple[str, str]]]:
        """Items that are admitted, and names and reasons of the others."""
        admitted: list[Item] = []
        refused: list[tuple[str, str]] = []
        with self._job.progress("check maps", len(items), "pictures") as progress:
            for number, item in enumerate(items):
                progress(number, len(items))
                if why := admit(item.sample, item.size):
                    refused.append((item.sample.name, why))
                else:
                    admitted.append(item)
        return admitted, refused

    def load_prior(self) -> Pictures:
        """Class pictures; missing ones are drawn by the model, before anything is trained."""
        params = self._params
        folder = Path(params.prior) if params.prior else self._folder.path / CLASS
        if params.prior_count:
            request = Request(
                prompt=params.prior_prompt, checkpoint=params.checkpoint or NAME, vae=params.vae, seed=params.seed
            )
            setting = Setting(
                host=self._job.host,
                folders=list_folders(params.checkpoint_dir),
                device=params.device,
                dtype=params.dtype,
            )
            if drawn := fill_folder(folder, params.prior_count, request, setting):
                self._note(f"{drawn} class pictures are drawn into {folder}")
        return self.load(folder, masks="", trigger=params.prior_prompt, label=CLASS).pictures

    def _check_masks(self, found: Found, masks: str) -> None:
        if masks:
            count = sum(sample.mask is not None for sample in found.samples)
            if not count:
                fix = "name masks as their pictures: NAME.png, NAME_mask.png"
                raise BadParameter("no picture has a mask", where=f"masks {masks}", fix=fix)
            if count < len(found.samples):
                found.notes["pictures have no mask: their loss counts everywhere"] += len(found.samples) - count
