"""Classes of diffusers and transformers, which come with the extra `pipeline`."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from ...core.errors import MissingExtra


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
