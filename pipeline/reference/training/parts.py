"""What a run consists of, in order, and how each step of it is done. A run is a folder; what is done already stays."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import torch

from ....core.errors import BadParameter
from ....core.networks.placement import Placement
from ....core.tensor_files.safetensors_io import write_safetensors
from ..networks import build_vae
from ..scoring.judge import JudgePart
from .base import BasePart
from .control_maps import write_maps
from .controls import KINDS, READERS, ControlPart
from .data import HELD_OUT, SHARD, read_scenes, write_scenes
from .export import export_run
from .latents import whiten, write_held_out, write_latents
from .loop import State, read_average, train
from .reader import ReaderPart
from .starting import load_start
from .text import TextPart
from .vae import VaePart
from .workers import Workers

if TYPE_CHECKING:
    from ....core.progress import Progress
    from .loop import Part

_CONTROLS = tuple(
    f"{part}_{kind}" for kind in KINDS for part in ("reader", "control") if part == "control" or kind in READERS
)
STEPS = ("scenes", "judge", "vae", "latents", "text", "base", *_CONTROLS, "export")
"""In the order in which they build on each other."""
JUDGED = 256
WHITENED = 600
"""Pictures from which the directions of the latents are found."""
NEEDS = {"judge": ("scenes",), "vae": ("scenes",), "latents": ("vae",), "base": ("latents", "text")}
"""What must be there before a step; ControlNets and their map readers need the base."""
STARTED = ("vae", "text", "base")
"""What weights to start from stand for."""
FILES = {"scenes": "scenes/scenes_000000.npz", "latents": "latents/held_out.safetensors"}


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """How a step is done. minutes: of training, earlier runs included; scenes: how many; start: weights to start from.

    rank: which of the workers this is, of how many.
    """

    folder: Path
    minutes: float
    scenes: int = 8000
    batch: int = 0
    placement: Placement = Placement()
    start: Path | None = None
    rank: int = 0
    workers: int = 1


def find_file(folder: Path, step: str) -> Path:
    """The file that shows that a step was begun."""
    return folder / FILES.get(step, f"{step}.safetensors")


def check_needs(folder: Path, step: str, start: Path | None = None) -> None:
    """Raise BadParameter when what a step builds on is missing. start: weights that stand for what is not trained."""
    for need in NEEDS.get(step, ("base",) if step in _CONTROLS else ()):
        if not find_file(folder, need).exists() and (start is None or need not in STARTED):
            what = f"{step} builds on {need}, which is not there"
            raise BadParameter(what, where=str(folder), fix=f"train {need} first")


def run_step(step: str, settings: Settings, progress: Progress) -> State | None:
    """Do one step, as one of the workers. Gives the state of what is trained. Raises BadParameter, Cancelled."""
    check_needs(settings.folder, step, settings.start)
    if step == "scenes":
        _render(settings, progress)
    elif step == "latents" and settings.rank == 0:
        _encode(settings, progress)
    elif step == "export" and settings.rank == 0:
        export_run(settings.folder, settings.folder / "weights", settings.start)
    elif step not in ("latents", "export"):
        if step in _CONTROLS and settings.rank == 0:
            _draw(step.partition("_")[2], settings, progress)
        meeting = settings.folder / f"meeting_{step}"
        workers = Workers(settings.rank, settings.workers, meeting)
        return train(build_part(step, settings), settings.folder, settings.minutes, workers, progress)
    return None


def build_part(step: str, settings: Settings) -> Part:
    """What a step trains."""
    folder, start = settings.folder, settings.start
    more: dict[str, Any] = {"batch": settings.batch, "start": start}
    if step == "vae":
        more["start"] = start and start / "vae"
        return VaePart(settings.placement, folder / "scenes", decoder_only=keeps_latents(start), **more)
    if step == "text":
        return TextPart(settings.placement, **more)
    if step == "judge":
        return JudgePart(settings.placement, folder / "scenes", **more)
    if step == "base":
        return BasePart(settings.placement, folder, **more)
    part, _, kind = step.partition("_")
    return (ReaderPart if part == "reader" else ControlPart)(settings.placement, kind, folder, **more)


def keeps_latents(start: Path | None) -> bool:
    """Whether weights to start from hold a UNet: it knows their latents, and the encoder stays as it is."""
    return start is not None and (start / "unet").is_dir()


def _render(settings: Settings, progress: Progress) -> None:
    for first, count in ((HELD_OUT, JUDGED), (0, settings.scenes)):
        share = {"every": settings.workers, "start": settings.rank}
        for done in write_scenes(settings.folder / "scenes", first, count, **share):
            progress(done // SHARD, count // SHARD, "scenes")


def _encode(settings: Settings, progress: Progress) -> None:
    """Whitens, and writes the VAE that everything else is trained on."""
    folder = settings.folder
    final = folder / "vae_final.safetensors"
    vae = build_vae()
    trained = (folder / "vae.safetensors").exists() or settings.start is None
    if trained:
        vae.load_state_dict(read_average(folder / "vae.safetensors"))
    elif settings.start is not None:
        load_start(vae, settings.start / "vae")
    vae.to(settings.placement.device, memory_format=torch.channels_last)
    if trained and not keeps_latents(settings.start):
        whiten(vae, read_scenes(folder / "scenes", ("pictures",))["pictures"][:WHITENED])
    write_safetensors(final, {name: value.cpu().contiguous() for name, value in vae.state_dict().items()})
    (folder / "latents").mkdir(exist_ok=True)
    for done in write_latents(vae, folder / "scenes", folder / "latents" / "latents_0.safetensors"):
        progress(done, settings.scenes, "latents")
    write_held_out(vae, folder / "scenes", folder / "latents" / "held_out.safetensors")


def _draw(kind: str, settings: Settings, progress: Progress) -> None:
    path = settings.folder / "maps" / f"{kind}.safetensors"
    if path.exists():
        return
    path.parent.mkdir(exist_ok=True)
    for done, total in write_maps(settings.folder, kind, device=settings.placement.device):
        progress(done, total, f"maps of {kind}")
