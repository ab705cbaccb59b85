"""Base models, from a name to networks that compute. Nothing is fetched."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from ...checkpoints.layouts.prediction import Guess, compute_alphas, guess_prediction
from ...checkpoints.layouts.reading import open_weights
from ...checkpoints.layouts.reference_shape import NOTE, is_reference
from ...core.errors import BadParameter, BadWeights
from ...core.file_state import describe_files
from ...core.networks.keeping import load_once
from .finding import find_checkpoint, find_vae, split_hash
from .folders import is_pipeline, read_folder
from .hashing import LENGTH, find_short_hash
from .model import Model
from .parts import TITLES, Networks
from .reference_files import NAME, find_reference
from .single_file import build_networks, split_file
from .tokenizer_choice import choose_tokenizers
from .vaes import read_vae

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ...core.networks.placement import Placement
    from .model import Family

MODELS = 1
"""Base models that are kept."""


def load_model(name: str, *, folders: Sequence[Path] = (), placement: Placement, vae: str = "") -> Model:
    """A base model, loaded once for as long as its files stay the same and no other is loaded.

    name: of a file or diffusers folder in the hosts' folders, a path, or "reference". folders: looked at first. vae:
    name or path of another VAE. Raises UnknownName with the nearest names; BadParameter when several files have the
    name; BadWeights for files of another kind, for keys that are missing, and where there is no VAE; UnsafeFile;
    MissingExtra; WeightsMissing where the reference model is not installed.
    """
    path = find_reference() if name == NAME else find_checkpoint(name, folders)
    other = find_vae(vae, folders) if vae else None
    files = describe_files([path, *(sorted(path.glob("*/*")) if path.is_dir() else []), *([other] if other else [])])
    key = (files, placement)
    model = load_once("base model", key, lambda: _read(path, other, placement), most=MODELS)
    if name == NAME:
        return replace(model, name=NAME, path=None, reference=True)
    differs = _compare_hash(split_hash(name).digest, model)
    differs += [f"{model.name} {NOTE}"] if model.reference else []
    return replace(model, notes=(*model.notes, *differs)) if differs else model


def _compare_hash(digest: str, model: Model) -> list[str]:
    """A note when a file is another than the one whose hash stands behind its name; shorter hashes are of another
    kind."""
    if len(digest) < LENGTH or not model.short_hash or digest.startswith(model.short_hash):
        return []
    return [f"the hash of {model.name} is {model.short_hash}, {digest[:LENGTH]} was named: the file is another one"]


def _read(path: Path, other: Path | None, placement: Placement) -> Model:
    if path.is_dir():
        return _read_folder(path, other, placement)
    with open_weights([path]) as weights:
        split = split_file(weights)
        guess = guess_prediction(weights, split.family, path)
        networks, notes = build_networks(split, weights, placement, vae=other is None)
    if guess.reason:
        notes.append(f"predicts {'v' if guess.prediction == 'v_prediction' else 'noise'}: {guess.reason}")
    return _finish(path, split.family, networks, guess, {}, notes, other, placement)


def _read_folder(path: Path, other: Path | None, placement: Placement) -> Model:
    if not is_pipeline(path):
        what = "is a folder without model_index.json and unet"
        raise BadWeights(what, where=str(path), fix="name the folder of a whole model, as diffusers writes it")
    found = read_folder(path, placement, vae=other is None)
    guess = Guess(found.scheduler.get("prediction_type", "epsilon"))
    return _finish(path, found.family, found.networks, guess, found.scheduler, found.notes, other, placement)


def _finish(
    path: Path,
    family: Family,
    networks: Networks,
    guess: Guess,
    scheduler: dict[str, Any],
    notes: list[str],
    other: Path | None,
    placement: Placement,
) -> Model:
    vae, more = (networks.vae, []) if other is None else read_vae(other, family, placement)
    if vae is None:
        what = f"is a model of {TITLES[family]} without a VAE, so that no picture can be decoded"
        raise BadWeights(what, where=str(path), fix="name one with --vae (vae=...)")
    config = networks.unet.config
    size = int(config.sample_size or 0) * 8 or find_size(family, guess)
    return Model(
        name=path.name if path.is_dir() else path.stem,
        family=family,
        prediction=guess.prediction,
        unet=networks.unet,
        vae=vae,
        text_encoders=networks.text_encoders,
        tokenizers=choose_tokenizers(family, networks.text_encoders, path if path.is_dir() else None),
        alphas=compute_alphas(scheduler, zero_snr=guess.zero_snr),
        scaling_factor=float(vae.config.scaling_factor),
        channels=int(config.in_channels),
        sample_size=size,
        factor=2 ** (len(vae.config.block_out_channels) - 1),
        placement=placement,
        path=path,
        short_hash=find_short_hash(path),
        vae_name=other.name if other else "",
        reference=is_reference({key: tuple(value.shape) for key, value in networks.unet.named_parameters()}),
        notes=(*notes, *more),
    )


def find_size(family: Family, guess: Guess) -> int:
    """Side of the pictures that a family was trained on, in pixels."""
    if family.startswith("sdxl"):
        return 1024
    return 768 if family == "sd2" and guess.prediction == "v_prediction" else 512


def check_family(family: Family, model: Model, *, where: str, what: str) -> None:
    """Raise BadParameter, naming both, unless something is for the model's family."""
    if family != model.family:
        fault = f"is a {what} for {TITLES[family]}, the model {model.name} is of {TITLES[model.family]}"
        raise BadParameter(fault, where=where, fix=f"choose a {what} for {TITLES[model.family]}")
