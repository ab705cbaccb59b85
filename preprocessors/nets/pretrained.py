"""Networks that the transformers library knows, with weights of ours. Imported lazily (needs torch and transformers).

The library is used for its modules and for its knowledge of older key names, nothing else: pictures are prepared by us
and nothing is looked up on a hub.
"""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import transformers
from transformers.utils import logging as talk

from ...core.errors import BadWeights, MissingExtra

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from torch import Tensor, nn


class Pretrained(NamedTuple):
    """How a model of transformers is put together; hand it to `core.models.assembled`.

    model: name of its class. config: makes its configuration (ours, so that no config.json is needed). unused:
    beginnings of keys in the published file that the model does without.
    """

    model: str
    config: Callable[[], Any]
    unused: tuple[str, ...] = ()

    def __call__(self, tensors: dict[str, Tensor], metadata: dict[str, str], where: str) -> nn.Module:
        """Model with all of the file's tensors in it. Raises BadWeights for a file that does not fit, MissingExtra."""
        kept = {name: tensor for name, tensor in tensors.items() if not name.startswith(self.unused or ("\0",))}
        with quiet():
            module, found = model_class(self.model).from_pretrained(
                None, config=self.config(), state_dict=kept, output_loading_info=True
            )
        faults = {label: list(found.get(f"{label}_keys") or ()) for label in ("missing", "unexpected", "mismatched")}
        if any(faults.values()):
            listed = "; ".join(f"{len(keys)} {label}: {keys[:3]}" for label, keys in faults.items() if keys)
            raise BadWeights(
                f"does not fit {self.model}: {listed}", where=where, fix="run `underdrawing weights verify`"
            )
        return module


def model_class(name: str) -> Any:
    """Class of transformers. Raises MissingExtra when the installed version has none of that name."""
    found = getattr(transformers, name, None)
    if found is None:
        what = f"transformers {transformers.__version__} has no {name}"
        raise MissingExtra(what, fix="pip install --upgrade transformers")
    return found


@contextmanager
def quiet() -> Generator[None, None, None]:
    """Keep transformers from drawing progress bars and repeating what the strict check says; undone afterwards."""
    level, bars = talk.get_verbosity(), talk.is_progress_bar_enabled()
    talk.set_verbosity(logging.CRITICAL)
    talk.disable_progress_bar()
    try:
        yield
    finally:
        talk.set_verbosity(level)
        if bars:
            talk.enable_progress_bar()
