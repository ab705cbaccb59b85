"""What a trained file says of how it was made: kohya's ss_ entries and Stability's model specification.

No dates and no folders: the same run gives the same bytes wherever and whenever it is made.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import msgspec

from .... import __version__
from ....adapters.modules.architectures import ARCHITECTURES, SD21
from ....checkpoints.metadata import MODEL_SPECS
from ...models.parts import BASE_MODELS

if TYPE_CHECKING:
    from ...models.model import Model

ADAPTER = "lora"
"""What the model specification puts behind the base model for files of this kind."""


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What a run knows of itself.

    title: the file's name. size: width and height of the pictures in pixels. words: trigger words. tags: folder →
    tag → pictures. options: more of kohya's entries without ss_, such as min_snr_gamma, as they are written there.
    """

    title: str
    size: tuple[int, int]
    seed: int
    steps: int
    words: tuple[str, ...] = ()
    tags: dict[str, dict[str, int]] = {}
    options: dict[str, int | float | str | bool | None] = {}


def build_metadata(model: Model, facts: Facts, *, kind: str = ADAPTER) -> dict[str, str]:
    """Metadata of a file that was trained on a model. kind: lora, textual-inversion or control-net."""
    base = BASE_MODELS[model.family]
    spec = MODEL_SPECS[model.family]
    if base == SD21 and model.prediction == "v_prediction":
        spec = spec.replace("-512", "-768-v")
    width, height = facts.size
    words = ", ".join(facts.words)
    table = {
        **ARCHITECTURES[base].metadata,
        "ss_sd_model_name": model.path.name if model.path is not None else model.name,
        "ss_output_name": facts.title,
        "ss_resolution": f"({width}, {height})",
        "ss_seed": str(facts.seed),
        "ss_steps": str(facts.steps),
        "modelspec.sai_model_spec": "1.0.0",
        "modelspec.architecture": f"{spec}/{kind}",
        "modelspec.implementation": "diffusers",
        "modelspec.title": facts.title,
        "modelspec.resolution": f"{width}x{height}",
        "modelspec.prediction_type": "v" if model.prediction == "v_prediction" else "epsilon",
        "ss_training_comment": f"trained with Underdrawing {__version__}",
    }
    if model.short_hash:
        table["ss_new_sd_model_hash"] = model.short_hash
    if model.vae_name:
        table["ss_vae_name"] = model.vae_name
    if words:
        table |= {"modelspec.trigger_phrase": words, "ss_trigger_words": words}
    if facts.tags:
        table["ss_tag_frequency"] = json.dumps(facts.tags, ensure_ascii=False)
    return table | {f"ss_{name}": str(value) for name, value in facts.options.items()}
