"""Classes of diffusers and transformers, which come with the extra `pipeline`."""

from __future__ import annotations

import inspect
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ...core.errors import MissingExtra

if TYPE_CHECKING:
    from collections.abc import Mapping

TEXT_CONFIG = "transformers.CLIPTextConfig"
_TEXT_SETTINGS = frozenset({
    "vocab_size", "hidden_size", "intermediate_size", "projection_dim", "num_hidden_layers", "num_attention_heads",
    "max_position_embeddings", "hidden_act", "layer_norm_eps", "bos_token_id", "eos_token_id", "pad_token_id",
})  # fmt: skip


def find_class(name: str) -> Any:
    """A class by module and name: "diffusers.AutoencoderKL". Raises MissingExtra where the package is absent."""
    library, _, kind = name.partition(".")
    try:
        return getattr(import_module(library), kind)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in (library, "diffusers", "transformers"):
            raise
        what = f"pictures are made with {library}, which is not installed"
        raise MissingExtra(what, fix="pip install 'underdrawing[pipeline]'") from error
    except AttributeError as error:
        what = f"the installed {library} has no {kind}"
        raise MissingExtra(what, fix="pip install --upgrade 'underdrawing[pipeline]'") from error


def select_arguments(config: Mapping[str, Any], name: str) -> dict[str, Any]:
    """What of a file's configuration are arguments of a class, by module and name. Raises MissingExtra."""
    if name == TEXT_CONFIG:
        known = _TEXT_SETTINGS
    else:
        known = frozenset(inspect.signature(find_class(name).__init__).parameters)
    return {key: value for key, value in config.items() if key in known and not key.startswith("_")}
