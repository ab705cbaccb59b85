"""Scores of adapters of the reference model: a style, a guest, a word and a negative word, off, on and together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import torch
from msgspec.structs import replace

from ....core.hooks import HostHooks
from ....core.tensor_files.safetensors_io import read_safetensors
from ...generate import generate_pictures
from ...request import Request
from ...runs.setting import Setting
from ..training.data import HELD_OUT
from ..training.starting import copy_weights
from ..world.captions import describe_scene
from ..world.scene import Scene
from ..world.spec import invite_guest, sample_spec
from . import measures
from .attributes import encode_specs
from .judge import Judge, judge_answers, read_pictures
from .readers import LinearReader, read_features
from .score import load_sampler

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from ....core.progress import Progress
    from ..world.spec import Kind, SceneSpec
    from ..world.styles import Style

    Pictures = NDArray[np.uint8]

FIRST_FITTED = 800_000
"""First of the scenes that readers are fitted on; none of them is trained on or judged."""
STRENGTHS = (0.0, 0.5, 1.0)
SEED = 2000


class AdapterSettings(msgspec.Struct, frozen=True, kw_only=True):
    """folder: loras/ and embeddings/. style, guest, negative: names of files in them; empty for none. guest: also the
    kind of the thing. scenes: how many are judged; fitted: how many readers are fitted on. The rest as a request;
    negative_steps and negative_cfg are those of the negative word: it has something to fix where the model errs."""

    weights: Path
    folder: Path
    style: Style = "storybook"
    guest: Kind = "snowman"
    negative: str = "flawed"
    scenes: int = 24
    fitted: int = 48
    steps: int = 12
    cfg: float = 3.0
    negative_steps: int = 6
    negative_cfg: float = 7.0
    device: str = "cpu"


class QuietHost(HostHooks):
    """Says nothing of single pictures."""

    def note(self, text: str) -> None:
        """Nothing."""


class AdapterScorer:
    """Draws pictures with and without adapters, and reads them."""

    def __init__(self, settings: AdapterSettings, progress: Progress) -> None:
        self.settings, self._progress, self._done = settings, progress, 0
        self._judge = Judge()
        path = settings.weights / "judge.safetensors"
        copy_weights(self._judge, read_safetensors(path), where=str(path))
        seeds = range(HELD_OUT, HELD_OUT + settings.scenes)
        self.plain = [sample_spec(np.random.default_rng(seed)) for seed in seeds]
        self.guests = [invite_guest(spec, settings.guest) for spec in self.plain]
        self._fit()

    def run(self) -> dict[str, Any]:
        """Everything that the folder's files allow, as JSON."""
        found: dict[str, Any] = {"scenes": self.settings.scenes, "reader": self.ceiling}
        loras = {path.stem for path in (self.settings.folder / "loras").glob("*.safetensors")}
        words = {path.stem for path in (self.settings.folder / "embeddings").glob("*.safetensors")}
        style, guest, negative = self.settings.style, self.settings.guest, self.settings.negative
        if style in loras:
            found["style"] = self._score_style()
        if guest in loras:
            found["guest"] = self._score_guest()
        if {style, guest} <= loras:
            found["together"] = self._score_together()
        if guest in words:
            found["word"] = self.read_guest(self.draw(self.guests, words=True))
        if negative in words:
            found["negative"] = self._score_negative()
        return found

    def draw(
        self,
        specs: list[SceneSpec],
        tags: str = "",
        *,
        words: bool = False,
        negative: str = "",
        steps: int = 0,
        cfg: float = 0.0,
    ) -> Pictures:
        """A picture for each scene, with the same noise each time. tags: of LoRAs. words: whether embeddings are on.

        steps, cfg: 0 for those of the settings.
        """
        settings = self.settings
        pictures: list[Pictures] = []
        setting = Setting(
            host=QuietHost(),
            loras=(settings.folder / "loras",),
            embeddings=(settings.folder / "embeddings",) if words or negative else (),
            device=settings.device,
        )
        for number, spec in enumerate(specs):
            request = Request(
                prompt=f"{describe_scene(spec)}{tags}",
                negative=negative,
                seed=SEED + number,
                steps=steps or settings.steps,
                cfg=cfg or settings.cfg,
                checkpoint=str(settings.weights),
            )
            pictures.append(next(generate_pictures(request, setting)).pixels)
            self._done += 1
            self._progress(self._done, self.count(), "pictures")
        return np.stack(pictures)

    def count(self) -> int:
        """Pictures that are drawn at most."""
        return 11 * self.settings.scenes

    def read_style(self, pictures: Pictures) -> dict[str, float]:
        """Share of pictures in the style, and the mean answer, -1 to 1."""
        answers = self._style.read(read_features(self._judge, pictures)[0])
        return {"share": float((answers > 0).mean()), "answer": float(answers.mean())}

    def read_guest(self, pictures: Pictures) -> dict[str, float]:
        """Share of pictures with the guest in its place, the mean answer there, -1 to 1, and the share of other places
        with one."""
        answers = self._guest.read(read_features(self._judge, pictures)[1].flatten(0, 1)).reshape(-1, 3)
        there = find_places(self.guests, self.settings.guest)
        here = answers[there]
        others = float((answers[~there] > 0).mean())
        return {"share": float((here > 0).mean()), "answer": float(here.mean()), "others": others}

    def read_attributes(self, pictures: Pictures, specs: list[SceneSpec]) -> dict[str, float]:
        """Share of what the prompts say that is right, by attribute, and the mean."""
        found = measures.measure_attributes(read_pictures(self._judge, pictures), encode_specs(specs))
        return {**found, "mean": float(np.mean(list(found.values())))}

    def _score_style(self) -> dict[str, Any]:
        drawn = {strength: self.draw(self.plain, _tag(self.settings.style, strength)) for strength in STRENGTHS}
        again = self.draw(self.plain[:2])
        rows = {str(strength): self.read_style(pictures) for strength, pictures in drawn.items()}
        same = bool(np.array_equal(again, drawn[0.0][:2]))
        kinds = {str(s): self.read_attributes(p, self.plain)["kind"] for s, p in drawn.items()}
        return {"strengths": rows, "removed": same, "kinds": kinds}

    def _score_guest(self) -> dict[str, Any]:
        drawn = {strength: self.draw(self.guests, _tag(self.settings.guest, strength)) for strength in STRENGTHS}
        return {"strengths": {str(strength): self.read_guest(pictures) for strength, pictures in drawn.items()}}

    def _score_together(self) -> dict[str, Any]:
        tags = _tag(self.settings.style, 1.0) + _tag(self.settings.guest, 1.0)
        both = self.draw(self.guests, tags)
        return {"style": self.read_style(both), "guest": self.read_guest(both)}

    def _score_negative(self) -> dict[str, Any]:
        steps, cfg = self.settings.negative_steps, self.settings.negative_cfg
        wanted = encode_specs(self.plain)
        rows: dict[str, Any] = {}
        for name, word in (("off", ""), ("on", self.settings.negative)):
            pictures = self.draw(self.plain, negative=word, steps=steps, cfg=cfg)
            right = self.read_attributes(pictures, self.plain)
            rows[name] = {**right, "log_probability": judge_answers(self._judge, pictures, wanted)}
        return rows

    def _fit(self) -> None:
        """Readers of the style and of the guest, and how many scenes that they were not fitted on they read right."""
        settings = self.settings
        seeds = range(FIRST_FITTED, FIRST_FITTED + settings.fitted)
        plain = [sample_spec(np.random.default_rng(seed)) for seed in seeds]
        guests = [invite_guest(spec, settings.guest) for spec in plain]
        sampler = load_sampler(settings.weights, torch.device("cpu"))
        styles: tuple[Style, ...] = ("render", settings.style)
        pictures = [
            sampler.rebuild(np.stack([Scene(spec).draw(style) for spec in specs]), 8)
            for specs in (plain, guests, [make_decoy(spec, settings.guest) for spec in guests])
            for style in styles
        ]
        features = [read_features(self._judge, one) for one in pictures]
        whole, places = (torch.stack([pair[index] for pair in features]) for index in (0, 1))
        styled = np.zeros(whole.shape[:2], np.bool_)
        styled[1::2] = True
        there = np.zeros(places.shape[:3], np.bool_)
        there[2:4] = find_places(guests, settings.guest)
        cut = 3 * settings.fitted // 4
        self.ceiling = {}
        for part, last in ((slice(None, cut), False), (slice(None), True)):
            self._style = LinearReader(whole[:, part].flatten(0, 1), styled[:, part].ravel())
            self._guest = LinearReader(places[:, part].flatten(0, 2), there[:, part].ravel())
            if not last:
                right = (self._style.read(whole[:, cut:].flatten(0, 1)) > 0) == styled[:, cut:].ravel()
                own = (self._guest.read(places[:, cut:].flatten(0, 2)) > 0) == there[:, cut:].ravel()
                self.ceiling = {"style": float(right.mean()), "guest": float(own.mean())}


def find_places(specs: list[SceneSpec], kind: Kind) -> NDArray[np.bool_]:
    """Where a kind stands, [N, 3]."""
    there = np.zeros((len(specs), 3), np.bool_)
    for row, spec in enumerate(specs):
        there[row, [thing.place for thing in spec.things if thing.kind == kind]] = True
    return there


def make_decoy(spec: SceneSpec, guest: Kind) -> SceneSpec:
    """The scene with a person, ball or box in white where the guest stands, which a reader must not take for it."""
    kinds: tuple[Kind, ...] = ("person", "person", "ball", "box")
    chosen = kinds[int(abs(spec.sun) * 1000) % len(kinds)]
    things = (replace(thing, kind=chosen, colour="white") if thing.kind == guest else thing for thing in spec.things)
    return replace(spec, things=tuple(things))


def _tag(name: str, strength: float) -> str:
    return f" <lora:{name}:{strength:g}>" if strength else ""
