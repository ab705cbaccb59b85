"""A base model, or one network, as diffusers writes it: a folder of configurations and weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from ...adapters.modules.parts import TEXT_ENCODER_2, UNET
from ...adapters.modules.targets import Slot
from ...checkpoints.layouts.configurations import find_family
from ...checkpoints.layouts.reading import open_weights
from ...checkpoints.layouts.text import name_text_keys
from ...checkpoints.layouts.vae import name_vae_keys
from ...core.errors import BadWeights
from ...core.tensor_files.json_objects import read_json
from ...core.tensor_files.weight_files import find_weight_files
from .assembly import list_names
from .libraries import TEXT_CONFIG, select_arguments
from .parts import ENCODERS, TITLES, VAE, Networks, build_text_encoder, build_unet, build_vae, place_vae

if TYPE_CHECKING:
    from pathlib import Path

    from ...checkpoints.layouts.reading import Weights
    from ...core.networks.placement import Placement
    from .model import Family

INDEX, CONFIG = "model_index.json", "config.json"
_SCHEDULER = "scheduler/scheduler_config.json"
CLASSES = {UNET: "UNet2DConditionModel", VAE: "AutoencoderKL"}
"""Networks that are built, of diffusers' many."""


class FolderModel(NamedTuple):
    """What a folder held. scheduler: its configuration, empty where there is none."""

    family: Family
    networks: Networks
    scheduler: dict[str, Any]
    notes: list[str]


def is_pipeline(folder: Path) -> bool:
    """Whether a folder holds a whole base model."""
    return (folder / INDEX).is_file() or (folder / UNET / CONFIG).is_file()


def read_folder(folder: Path, placement: Placement, *, vae: bool) -> FolderModel:
    """A base model's folder. vae: whether its own is wanted. Raises BadWeights for models of other kinds, by name."""
    _check_pipeline(folder)
    scheduler = read_json(folder / _SCHEDULER) if (folder / _SCHEDULER).is_file() else {}
    _check_scheduler(scheduler, folder)
    notes = [] if scheduler else ["the folder has no scheduler; Stable Diffusion's own is used"]
    family, unet = read_unet_folder(folder / UNET, placement, notes)
    encoders = tuple(_read_encoder(folder, part, family, placement, notes) for part in ENCODERS[family])
    decoder = (
        read_vae_folder(folder / VAE, place_vae(family, placement), notes) if vae and (folder / VAE).is_dir() else None
    )
    return FolderModel(family, Networks(unet, decoder, encoders), scheduler, notes)


def read_unet_folder(folder: Path, placement: Placement, notes: list[str]) -> tuple[Family, Any]:
    """A UNet2DConditionModel from its folder, and the family that its weights are of."""
    config = read_config(folder, CLASSES[UNET])
    with open_network(folder, notes) as weights:
        family = find_family(weights.shapes)
        unet, used = build_unet(_name_plainly(weights), weights, family, placement, **config)
        notes += _note_unused(weights, used, UNET)
    return family, unet


def read_vae_folder(folder: Path, placement: Placement, notes: list[str]) -> Any:
    """An AutoencoderKL from its folder; its configuration has the factor of its latents."""
    config = read_config(folder, CLASSES[VAE])
    with open_network(folder, notes) as weights:
        vae, used = build_vae(name_vae_keys(weights.shapes), weights, 0.0, placement, **config)
        notes += _note_unused(weights, used, VAE)
    return vae


def open_network(folder: Path, notes: list[str]) -> Any:
    """Context of the weights in a network's folder; a variant is noted."""
    files = find_weight_files(folder)
    if files.variant:
        notes.append(f"{folder.name}: the files of the variant {files.variant} are read, there are no others")
    return open_weights(files.paths, str(folder))


def read_config(folder: Path, kind: str) -> dict[str, Any]:
    """Arguments of a class of diffusers from a folder's config.json. Raises BadWeights for that of another class."""
    config = read_json(folder / CONFIG)
    named = config.get("_class_name", kind)
    if named != kind:
        what = f"is a {named}, a {kind} is needed"
        raise BadWeights(what, where=str(folder), fix="choose a model of SD1, SD2 or SDXL")
    return select_arguments(config, f"diffusers.{kind}")


def _read_encoder(folder: Path, part: str, family: Family, placement: Placement, notes: list[str]) -> Any:
    if not (folder / part).is_dir():
        what = f"holds the UNet of {TITLES[family]} and no {part.replace('_', ' ')}"
        raise BadWeights(what, where=str(folder), fix="download the whole folder again")
    own = select_arguments(read_json(folder / part / CONFIG), TEXT_CONFIG)
    with open_network(folder / part, notes) as weights:
        slots = name_text_keys(weights.shapes)
        encoder, used = build_text_encoder(slots, weights, part, family, placement, **own)
        notes += _note_unused(weights, used, part)
    return encoder


def _check_pipeline(folder: Path) -> None:
    index = read_json(folder / INDEX) if (folder / INDEX).is_file() else {}
    named = str(index.get("_class_name", ""))
    held = index.get(UNET, [None, CLASSES[UNET]])
    if (folder / UNET / CONFIG).is_file() and isinstance(held, list) and CLASSES[UNET] in held:
        return
    what = f"is a {named}" if named else "holds no UNet"
    raise BadWeights(f"{what}, a model of Stable Diffusion is needed", where=str(folder), fix="choose SD1, SD2 or SDXL")


def _check_scheduler(scheduler: dict[str, Any], folder: Path) -> None:
    named, told = str(scheduler.get("_class_name", "")), scheduler.get("prediction_type", "epsilon")
    if named.startswith(("EDM", "FlowMatch")) or told not in ("epsilon", "v_prediction"):
        what = f"was trained for {named or 'a scheduler'} ({told}), which is not supported"
        raise BadWeights(what, where=str(folder), fix="use a model that predicts noise or velocity")


def _name_plainly(weights: Weights) -> dict[str, Slot]:
    return {name: Slot(name) for name in weights.shapes}


def _note_unused(weights: Weights, used: set[str], part: str) -> list[str]:
    unused = [name for name in set(weights.shapes) - used if not _is_buffer(name, part)]
    return [f"{part}: {len(unused)} keys belong to no network and are not used: {list_names(unused)}"] if unused else []


def _is_buffer(name: str, part: str) -> bool:
    return name.endswith("position_ids") or (part == TEXT_ENCODER_2 and name.endswith("logit_scale"))
