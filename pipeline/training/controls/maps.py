"""Maps of the pictures of a training set: made by an annotator, or given."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import numpy as np
import torch

from ....core.annotator import Kind
from ....core.batch.inputs import SUFFIXES
from ....core.errors import BadImage, BadParameter, BadWeights
from ....core.images.geometry import Size
from ....core.images.reading import decode_file
from ....core.tensor_files.safetensors_io import read_safetensors, write_safetensors
from ....preprocessors import registry
from ...request import Control
from ...runs.maps import draw_hint
from ...runs.spelling import parse_control
from ..data.finding import read_picture_file

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    from ...request import Pixels
    from ..data.samples import Sample
    from .params import ControlParams

FIELD = "conditioning_image"
"""Of a line of metadata.jsonl: its map's name, also with _file_name, as diffusers' scripts and `datasets` have it.

It counts from the picture's folder, or from one above it, where metadata.jsonl stands.
"""
MEMORY = 256 << 20
"""Bytes of maps that are held in memory; more are read from the disk."""


class MapReader:
    """Maps at the size of their pictures, cut as these are. data: folder of the training set.

    folder: where maps that were made are kept. note: gets what annotators say.
    """

    def __init__(
        self, params: ControlParams, data: Path, folder: Path, *, device: str = "auto", note: Callable[[str], None]
    ) -> None:
        """Raises BadParameter, UnknownName; WeightsMissing and MissingExtra at the first map."""
        self._data, self._folder, self._device, self._note = data, folder, device, note
        self._control = read_annotator(params.annotator)
        self._maps = Path(params.maps) if params.maps else None
        if self._control.annotator and self._maps is not None:
            fix = "leave one of them out"
            raise BadParameter("both an annotator and a folder of maps are given", where="maps", fix=fix)
        if self._maps is not None and not self._maps.is_dir():
            raise BadParameter("is no folder", where=params.maps, fix="name the folder of the maps")
        self._held: OrderedDict[str, Tensor] = OrderedDict()
        self._size = 0
        self._admitted: list[Sample] = []

    def admit(self, sample: Sample, size: Size) -> str:
        """Why a picture cannot be trained on: its map is missing or broken. Empty where it can; previews show those."""
        fault = "" if self._control.annotator else self._explain(sample, size)
        if not fault:
            self._admitted.append(sample)
        return fault

    def _explain(self, sample: Sample, size: Size) -> str:
        if missing := self.explain_missing(sample):
            return missing
        try:
            if not self._path(self._name(sample, size, flip=False)).is_file():
                self.read(sample, size)
        except BadImage as error:
            return f"its map {error.where} cannot be used: {error.what}"
        return ""

    def list_subfolders(self, samples: Sequence[Sample]) -> list[Path]:
        """Folders inside that of the maps in which one of these pictures has its map."""
        inside = sorted(path for path in self._maps.iterdir() if path.is_dir()) if self._maps is not None else []
        return [path for path in inside if any(_find_map(path, sample) for sample in samples)]

    def explain_missing(self, sample: Sample) -> str:
        """Why a picture has no map; empty where it has one, or can have one."""
        if self._control.annotator:
            return ""
        path = self._find(sample)
        if path is not None and path.is_file():
            return ""
        if self._maps is not None:
            return f"has no map of its name in {self._maps}"
        return f"its map {path.name} is not there" if path is not None else f"metadata.jsonl names no {FIELD} for it"

    def find_example(self, caption: str) -> Sample:
        """A picture with a caption, or the first one, of those that were admitted."""
        return next((sample for sample in self._admitted if sample.caption == caption), self._admitted[0])

    def read(self, sample: Sample, size: Size, *, flip: bool = False) -> Tensor:
        """The map of a picture, float32 [3, H, W], 0 to 1. Raises BadImage, BadParameter."""
        key = self._name(sample, size, flip=flip)
        if key not in self._held:
            found = self._load(key)
            if found is None:
                found = torch.from_numpy(self._draw(sample, size, flip=flip))
                self._store(key, found)
            self._hold(key, found)
        self._held.move_to_end(key)
        return self._held[key].permute(2, 0, 1).float() / 255

    def _draw(self, sample: Sample, size: Size, *, flip: bool) -> Pixels:
        if self._control.annotator:
            picture = decode_file(sample.read(), sample.name).pixels
            picture = np.ascontiguousarray(picture[:, ::-1]) if flip else picture
            return draw_hint(self._control, picture, size, None, self._note, device=self._device).pixels
        if missing := self.explain_missing(sample):
            raise BadImage(missing, where=sample.name, fix="add its map, or leave the picture out")
        path = self._find(sample)
        assert path is not None
        picture = decode_file(read_picture_file(path, str(path)), str(path)).pixels
        pixels = draw_hint(Control(), picture, size, None, self._note).pixels
        return np.ascontiguousarray(pixels[:, ::-1]) if flip else pixels

    def _find(self, sample: Sample) -> Path | None:
        """The file of a map that is given."""
        if self._maps is None:
            name = sample.fields.get(FIELD) or sample.fields.get(f"{FIELD}_file_name")
            places = [self._data / folder / name for folder in PurePosixPath(sample.name).parents] if name else []
            return next((path for path in places if path.is_file()), places[0] if places else None)
        return _find_map(self._maps, sample)

    def _name(self, sample: Sample, size: Size, *, flip: bool) -> str:
        control = self._control
        made = f"{control.annotator} {sorted(control.params.items())}"
        if control.annotator:
            made += f" {registry.resolve(control.annotator).annotator.spec.version} {sample.digest}"
        elif (path := self._find(sample)) is not None and path.is_file():
            made = f"{path.resolve()} {path.stat().st_size} {path.stat().st_mtime_ns}"
        return hashlib.sha256(f"{made} {size.width}x{size.height} {flip}".encode()).hexdigest()

    def _load(self, key: str) -> Tensor | None:
        try:
            return read_safetensors(self._path(key))["map"]
        except (BadWeights, KeyError):
            return None

    def _store(self, key: str, value: Tensor) -> None:
        path = self._path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_safetensors(path, {"map": value})

    def _path(self, key: str) -> Path:
        return self._folder / key[:2] / f"{key}.safetensors"

    def _hold(self, key: str, value: Tensor) -> None:
        self._held[key] = value
        self._size += value.numel()
        while self._size > MEMORY and len(self._held) > 1:
            self._size -= self._held.popitem(last=False)[1].numel()


def _find_map(folder: Path, sample: Sample) -> Path | None:
    """The file in a folder that has the name of a picture."""
    stem = folder / PurePosixPath(sample.name).with_suffix("")
    paths = (stem.with_name(f"{stem.name}{ending}") for ending in SUFFIXES)
    return next((path for path in paths if path.is_file()), None)


def read_annotator(text: str) -> Control:
    """An annotator with its parameters, as `generate` reads controls. Raises BadParameter, UnknownName."""
    if not text:
        return Control()
    control = parse_control(text)
    plain = Control(annotator=control.annotator, params=control.params)
    if control != plain or not control.annotator:
        what = f"{text!r} says more than an annotator and its parameters"
        raise BadParameter(what, where="annotator", fix="write NAME or NAME:PARAMETER=VALUE,PARAMETER=VALUE")
    if registry.resolve(control.annotator).annotator.spec.kind is Kind.INPAINT:
        fix = "give maps with --maps"
        raise BadParameter("makes maps of masks, which pictures here have none of", where=text, fix=fix)
    return control
