"""Scores of the reference model on scenes that it was not trained on: each control off, on, and the ceiling."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import torch

from ....core.tensor_files.safetensors_io import read_safetensors
from ...models.reference_files import DRAWN_BY
from ...training.controls.low_rank import LowRankControl
from ..networks import build_unet
from ..training.control_files import load_control_lora
from ..training.control_maps import FIELDS, draw_maps
from ..training.controls import RANK, build_control, decode_maps
from ..training.data import HELD_OUT, Scenes, render_scenes
from ..training.latents import tokenize
from ..training.starting import copy_weights
from ..world.captions import describe_scene
from . import measures
from .attributes import encode_specs
from .judge import Judge, find_joints, read_pictures
from .sampling import Sampler

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from ....core.progress import Progress

    Pictures = NDArray[np.uint8]
    Rows = dict[str, Any]

MEASURES = {"depth": "rmse", "seg": "miou", "pose": "pck", "inpaint": "levels", "scribble": "iou"}
"""What the other kinds than edges are measured by."""
SEED = 1000


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """weights: folder as the export writes it. kinds: of controls; pairs: of those, used together.

    The rest as the sampler takes it.
    """

    weights: Path
    kinds: Sequence[str]
    pairs: Sequence[tuple[str, str]] = ()
    scenes: int = 200
    steps: int = 20
    guidance: float = 3.0
    batch: int = 8
    device: str = "cpu"


class Scorer:
    """Draws the judged scenes, and measures them."""

    def __init__(self, settings: Settings, progress: Progress) -> None:
        self.settings, self._progress = settings, progress
        self._device = torch.device(settings.device)
        self._sampler = load_sampler(settings.weights, self._device)
        self._judge = Judge().to(self._device)
        path = settings.weights / "judge.safetensors"
        copy_weights(self._judge, read_safetensors(path), where=str(path))
        self.scenes: Scenes = render_scenes(range(HELD_OUT, HELD_OUT + settings.scenes))
        self._captions = tokenize([describe_scene(spec) for spec in self.scenes.specs])
        self._empty = tokenize([""] * settings.scenes)
        self._done = 0

    def run(self) -> dict[str, Any]:
        """Everything as JSON: kinds and together (by pair) with empty prompts, the same with captions, prompt answers.

        With an empty prompt all that is right comes from the control; a caption says itself where things stand.
        """
        maps = {kind: self.draw_maps(kind) for kind in self.settings.kinds}
        alone = self._measure_controls(maps, self.draw(self._empty), self._empty)
        captioned = self.draw(self._captions)
        wanted = encode_specs(self.scenes.specs)
        prompt, ceiling = (
            measures.measure_attributes(read_pictures(self._judge, pictures), wanted)
            for pictures in (captioned, self.scenes.pictures)
        )
        return {
            "scenes": self.settings.scenes,
            **alone,
            "with_captions": self._measure_controls(maps, captioned, self._captions),
            "prompt": prompt,
            "prompt_ceiling": ceiling,
        }

    def _measure_controls(self, maps: dict[str, list[Pictures]], off: Pictures, prompts: torch.Tensor) -> Rows:
        kinds: Rows = {}
        together: Rows = {}
        for kind in self.settings.kinds:
            on = self.draw(prompts, [self.load_control(kind, maps[kind])])
            best = self.scenes.pictures
            if kind == "inpaint":
                best = self._sampler.rebuild(best, self.settings.batch)
            values = [self.measure(kind, pictures, maps[kind]) for pictures in (off, on, best)]
            kinds[kind] = measures.compare(MEASURES.get(kind, "f1"), *values)
        for pair in self.settings.pairs:
            both = self.draw(prompts, [self.load_control(kind, maps[kind]) for kind in pair])
            for kind in pair:
                row = measures.compare_together(kinds[kind], self.measure(kind, both, maps[kind]))
                together.setdefault(" + ".join(pair), {})[kind] = row
        return {"kinds": kinds, "together": together}

    def draw_maps(self, kind: str) -> list[Pictures]:
        """The scenes' maps of a kind."""
        fields = getattr(self.scenes, FIELDS.get(kind, "pictures"))
        return draw_maps(kind, fields, device=self.settings.device)

    def load_control(self, kind: str, maps: Sequence[Pictures]) -> tuple[Any, torch.Tensor]:
        """The network of a kind, with its maps as it takes them."""
        network = load_control(self.settings.weights, kind).to(self._device).eval()
        return network, decode_maps(torch.from_numpy(np.stack(maps)))

    def draw(self, prompts: torch.Tensor, controls: Sequence[tuple[Any, torch.Tensor]] = ()) -> Pictures:
        """One picture for each scene, with its prompt (tokens [N, 77]); with the same noise each time."""
        total = count_pictures(self.settings)
        pictures: list[Pictures] = []
        for first in range(0, self.settings.scenes, self.settings.batch):
            part = slice(first, first + self.settings.batch)
            seeds = range(SEED + first, SEED + min(first + self.settings.batch, self.settings.scenes))
            pictures.append(
                self._sampler.draw(
                    prompts[part],
                    list(seeds),
                    [(network, hints[part]) for network, hints in controls],
                    empty=self._empty[:1],
                    steps=self.settings.steps,
                    guidance=self.settings.guidance,
                )
            )
            self._done += len(seeds)
            self._progress(self._done, total, "pictures")
        return np.concatenate(pictures)

    def measure(self, kind: str, pictures: Pictures, maps: Sequence[Pictures]) -> float:
        """How well pictures obey maps of a kind: maps made of them, or what the judge reads, against those wanted.

        Straight edges are known from the scenes; Canny's edges of the pictures are held against them.
        """
        wanted = np.stack(maps)
        if kind in (*DRAWN_BY, "lines"):
            found = np.stack(draw_maps("canny" if kind == "lines" else kind, pictures, device=self.settings.device))
            compare = measures.measure_strokes if kind == "scribble" else measures.measure_edges
            return compare(found[..., 0] > 127, wanted[..., 0] > 127)
        if kind == "inpaint":
            return measures.measure_outside(pictures, self.scenes.pictures, wanted[..., 3] > 127)
        read = read_pictures(self._judge, pictures)
        if kind == "depth":
            return measures.measure_depth(read["nearness"], self.scenes.depth / 255)["rmse"]
        if kind == "seg":
            return measures.measure_classes(read["classes"], self.scenes.classes)
        joints = self.scenes.joints.astype(np.float64)
        found = np.stack([find_joints(heat, one) for heat, one in zip(read["joints"], joints, strict=True)])
        return measures.measure_joints(found, joints)


def count_pictures(settings: Settings) -> int:
    """Pictures that are drawn for a score."""
    return 2 * settings.scenes * (1 + len(settings.kinds) + len(settings.pairs))


def load_sampler(weights: Path, device: torch.device) -> Sampler:
    """The model of a folder of weights, in float32."""
    diffusers, transformers = import_module("diffusers"), import_module("transformers")
    classes = {"unet": diffusers.UNet2DConditionModel, "vae": diffusers.AutoencoderKL}
    parts = {
        name: kind.from_pretrained(str(weights / name), local_files_only=True).float() for name, kind in classes.items()
    }
    from ....preprocessors.layers.pretrained import hide_progress_bars

    with hide_progress_bars():
        text = transformers.CLIPTextModel.from_pretrained(str(weights / "text_encoder"), local_files_only=True).float()
    return Sampler(parts["unet"], text, parts["vae"], device)


def load_control(weights: Path, kind: str) -> Any:
    """The ControlNet of a kind, whole or as Control-LoRA, in float32."""
    diffusers = import_module("diffusers")
    folder = weights / f"controlnet_{kind}"
    if folder.exists():
        return diffusers.ControlNetModel.from_pretrained(str(folder), local_files_only=True).float()
    unet = build_unet()
    copy_weights(unet, read_safetensors(weights / "unet" / "diffusion_pytorch_model.safetensors"), where="unet")
    low = LowRankControl(build_control(unet), RANK)
    path = weights / f"control_lora_{kind}.safetensors"
    names = frozenset(name for name, _ in unet.named_modules())
    load_control_lora(low, read_safetensors(path), names, where=str(path))
    return low
