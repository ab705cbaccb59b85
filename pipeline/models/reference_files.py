"""Files of the small reference model that comes with the package."""

from __future__ import annotations

from pathlib import Path

from ...core.errors import WeightsMissing

NAME = "reference"
FOLDER = Path(__file__).parents[1] / "reference" / "weights"
TOKENIZER = Path(__file__).parents[1] / "reference" / "tokenizer"
ADAPTERS = Path(__file__).parents[1] / "reference" / "adapters"
"""LoRAs and embeddings that came with the package, in folders of these names."""
CONTROL_KINDS = {
    "canny": "canny",
    "anyline": "canny",
    "depth": "depth",
    "seg": "seg",
    "pose": "pose",
    "hed": "softedge",
    "pidinet": "softedge",
    "teed": "softedge",
    "mlsd": "lines",
    "scribble": "scribble",
    "threshold": "scribble",
    "inpaint": "inpaint",
}
"""Start of an annotator's id → kind of the reference model's ControlNet."""
DRAWN_BY = {"canny": "canny", "softedge": "hed", "scribble": "scribble_hed"}
"""Kind → the annotator that drew its maps in training; maps of the other kinds were drawn from what is known."""


def find_reference() -> Path:
    """Folder of the reference model. Raises WeightsMissing where it did not come with the package."""
    if not (FOLDER / "unet").is_dir():
        what = "the reference model is not part of this installation"
        raise WeightsMissing(what, where=str(FOLDER), fix="name a checkpoint, or install the package with its weights")
    return FOLDER


def find_reference_control(annotator: str) -> Path | None:
    """The reference model's ControlNet for an annotator's maps; None where there is none."""
    starts = sorted(CONTROL_KINDS, key=len, reverse=True)
    kind = next(
        (CONTROL_KINDS[start] for start in starts if annotator == start or annotator.startswith(f"{start}_")), ""
    )
    return find_reference_control_kind(kind)


def find_reference_control_kind(kind: str) -> Path | None:
    """The reference model's ControlNet of a kind ("depth"); None where there is none."""
    candidates = (FOLDER / f"controlnet_{kind}", FOLDER / f"control_lora_{kind}.safetensors")
    return next((path for path in candidates if kind and path.exists()), None)


def explain_maps(annotator: str, network: str) -> str:
    """What to expect of maps of an annotator that a ControlNet of the reference model has not seen; or empty."""
    kind = network.removeprefix("control_lora_").removeprefix("controlnet_")
    drawer = DRAWN_BY.get(kind, annotator)
    if not annotator or drawer == annotator:
        return ""
    return f"was trained on maps of {drawer}; those of {annotator} look otherwise, and it may obey them less"


def list_reference_kinds() -> list[str]:
    """Kinds of the ControlNets that came with the package, each with the annotators that draw its maps.

    An annotator is left out that has the kind's own name: ``softedge (hed, pidinet, teed)``, ``depth``.
    """
    kinds = [kind for kind in dict.fromkeys(CONTROL_KINDS.values()) if find_reference_control_kind(kind)]
    others = {kind: [own for own, name in CONTROL_KINDS.items() if name == kind != own] for kind in kinds}
    return [f"{kind} ({', '.join(names)})" if names else kind for kind, names in others.items()]


def list_adapter_folders(checkpoint: str, kind: str) -> list[Path]:
    """Folder of the package's own adapters for the reference model; empty for other models. kind: loras, embeddings."""
    return [path for path in (ADAPTERS / kind,) if checkpoint == NAME and path.is_dir()]
