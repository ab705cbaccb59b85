"""What is the same for all pictures of a request: the model, prompts, controls, the picture to start from."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from ...adapters.prompts.prompt_embeddings import EmbeddingFolder
from ...adapters.prompts.tags import split_tags
from ...checkpoints.layouts.reference_shape import LIKED_CFG
from ...core.errors import BadParameter
from ...core.hooks import HostHooks
from ...core.images.geometry import Size
from ..conditioning.encoders import build_encoders, explain_clip_skip, find_layer_count
from ..conditioning.loras import ModelLoras
from ..conditioning.plan import ScheduledPrompt, TextCache
from ..conditioning.sizes import make_size_ids
from ..conditioning.texts import TextReader
from ..models.finding import name_folder
from ..models.reference_files import list_adapter_folders
from ..sampling.names import find_sampler
from ..sampling.settings import list_idle
from .checks import check_request
from .controls import Controls
from .facts import hash_loras
from .loading import find_engine, load_base
from .painting import Painting, expand_region, find_region
from .second_pass import find_second_sampler, read_prompts
from .sizes import choose_size, explain_size
from .sources import read_mask, read_source

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from ..models.model import Model
    from ..request import Pixels, Request
    from .painting import Region
    from .setting import Setting


COVERS_NOTHING = "covers nothing"


class Prompts(NamedTuple):
    """Prompt and negative prompt over the steps of one pass."""

    positive: ScheduledPrompt
    negative: ScheduledPrompt


class NoteTaker(HostHooks):
    """Hands notes on."""

    def __init__(self, take: Callable[[str], None]) -> None:
        self._take = take

    def note(self, text: str) -> None:
        """Hand on."""
        self._take(text)


class PictureJob:
    """A request, checked and read, with everything loaded. request: with the numbers that were left open filled in.

    model: torch's networks, which LoRAs change. running: what computes, which is the same or an engine.
    """

    def __init__(self, request: Request, setting: Setting) -> None:
        """Raises BadParameter, UnknownName, BadImage, BadWeights, UnsafeFile, WeightsMissing, MissingExtra."""
        check_request(request)
        self.setting = setting
        self.notes: list[str] = []
        self.choice = find_sampler(request.sampler, request.scheduler)
        for name in list_idle(request, self.choice):
            self.note(f"{name} changes nothing with {self.choice.label}")
        self.second_choice = find_second_sampler(self.choice, request)
        own = {kind: list_adapter_folders(request.checkpoint, kind) for kind in ("loras", "embeddings")}
        prompt = read_prompts(request, setting.lora_folders, own["loras"])
        if split_tags(request.negative)[1]:
            self.note("tags in the negative prompt are read as words, as in A1111")
        self.initial: Pixels | None = None if request.image is None else read_source(request.image)
        self.mask = self._read_mask(request)
        self.controls = Controls(request.controls, self.initial, self.mask)
        self._region: Region | None = None
        engine = find_engine(request, setting, self.note)
        self.model: Model = load_base(request, setting)
        self.running = self.model if engine is None else engine.take_model(self.model)
        for text in (*self.model.notes, *prompt.notes):
            self.note(text)
        self.request = self._settle(request)
        self.painting = self._plan_painting()
        self.controls.load(self.model, setting.folders, self.note)
        if engine is not None:
            self.controls.hand_over(engine.take_control)
        self.loras = ModelLoras(self.model, prompt.uses, self.request.steps, NoteTaker(self.note))
        self.lora_hashes = hash_loras(prompt.uses)
        self._texts = prompt
        tokens = {name: rows for use in prompt.uses for name, rows in use.adapter.embeddings.items()}
        held = EmbeddingFolder(setting.embedding_folders, tokens, name_folder("embedding"), own["embeddings"])
        encoders = build_encoders(self.model, request.clip_skip)
        self.reader = TextReader(encoders, held, request.weighting, self.note, request.settings.emphasis)
        self.texts = TextCache(self.reader, self.loras)

    def note(self, text: str) -> None:
        """Report something to the host, once."""
        if text not in self.notes:
            self.notes.append(text)
            self.setting.host.note(text)

    @property
    def size(self) -> Size:
        """Of the first pass."""
        return Size(self.request.height, self.request.width)

    def read_empty(self) -> Tensor | None:
        """States of an empty prompt, where A1111's setting fills prompts up with them."""
        return self.reader.read("").states if self.request.settings.pad else None

    def plan_prompts(self, size: Size, *, first_pass: int = 0) -> Prompts:
        """Prompts of a pass for pictures of a size. first_pass: steps of the pass before, of a second one."""
        weighting, family = self.request.weighting, self.model.family
        zeroed = weighting == "a1111" and family.startswith("sdxl")
        plans = [
            ScheduledPrompt(
                text,
                self.texts,
                weighting,
                ids=make_size_ids(family, size.width, size.height, negative=negative),
                negative=negative,
                zeroed=zeroed and negative,
                first_pass=first_pass,
                old=self.request.settings.old_schedules,
            )
            for text, negative in zip(self._texts.choose(second=first_pass > 0), (False, True), strict=True)
        ]
        return Prompts(*plans)

    def _read_mask(self, request: Request) -> NDArray[np.bool_] | None:
        if request.mask is None or self.initial is None:
            if request.mask_content != "original" or request.mask_area != "whole" or request.mask_invert:
                self.note("mask_content, mask_area and mask_invert change nothing without a mask")
            return None
        notes: list[str] = []
        mask = read_mask(request.mask, Size(*self.initial.shape[:2]), notes.append)
        if request.mask_invert:
            notes, mask = [note for note in notes if COVERS_NOTHING not in note], ~mask
            notes += [] if mask.any() else [f"mask: inverted, it {COVERS_NOTHING}, the whole picture is kept"]
        for note in notes:
            self.note(note)
        return mask

    def _plan_painting(self) -> Painting | None:
        """The picture to start from at the size that is painted; controls see the same part of it."""
        request, region = self.request, self._region
        if self.initial is None:
            return None
        if region is not None:
            region = expand_region(region, Size(*self.initial.shape[:2]), self.size)
            self.controls.cut(region, Size(*self.initial.shape[:2]))
            where = f"{region.width} x {region.height} pixels at {region.left}, {region.top}"
            self.note(f"only what is masked is painted: {where}, at {self.size.width} x {self.size.height}")
        return Painting(request, self.size, self.initial, self.mask, region)

    def _settle(self, request: Request) -> Request:
        """Fill in what was left open, and say what is not used."""
        model = self.model
        initial = None if self.initial is None else Size(*self.initial.shape[:2])
        shapes = self.controls.shapes
        if self.mask is not None and request.mask_area == "masked":
            self._region = find_region(self.mask, request.mask_blur, request.mask_padding)
            initial, shapes = None, [Size(self._region.height, self._region.width)]
        size, note = choose_size(request, model, initial, shapes)
        more = (explain_size(model, size, request.hires), explain_clip_skip(model, request.clip_skip))
        for text in filter(None, (note, *more)):
            self.note(text)
        if model.family == "sd1" and request.clip_skip > (layers := find_layer_count(model)):
            what = f"the text encoder has {layers} layers"
            raise BadParameter(what, where="clip_skip", fix=f"give 1 to {layers}")
        cfg = request.cfg or (LIKED_CFG if model.reference else 7.0)
        return msgspec.structs.replace(request, cfg=cfg, width=size.width, height=size.height)
