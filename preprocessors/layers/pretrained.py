"""Networks that the transformers library knows, with weights of ours. Needs torch and transformers.

The library is used for its modules and for its knowledge of older key names, nothing else: pictures are prepared by us
and nothing is looked up on a hub.
"""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import transformers
from transformers.utils import logging as talk

from ...core.errors import BadParameter, BadWeights, MissingExtra
from ...core.imports import OTHER_VERSION
from ...core.networks.cache import load_assembled

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from torch import Tensor, nn

    from ...core.networks.network import Network
    from ...core.networks.placement import Placement
    from ...core.weights.record import Weight


class Pretrained(NamedTuple):
    """How a model of transformers is put together; hand it to `core.networks.cache.load_assembled`.

    model: name of its class. config: makes its configuration (ours, so that no config.json is needed). unused:
    beginnings of keys in the published file that the model does without. convert: turns the tensors of a file that is
    not transformers' own into those of one that is; what it does not know it hands on. wrap: what runs the model.
    own: our subclass to make instead, where the library's needs packages that we do not. idle: parts of keys that only
    some versions of the library have, and that change nothing (a buffer it computes, a norm it does not use).
    """

    model: str
    config: Callable[[], Any]
    unused: tuple[str, ...] = ()
    convert: Callable[[dict[str, Tensor]], dict[str, Tensor]] | None = None
    wrap: Callable[[Any], nn.Module] | None = None
    own: Callable[[], Any] | None = None
    idle: tuple[str, ...] = ()

    def __call__(self, tensors: dict[str, Tensor], metadata: dict[str, str], where: str) -> nn.Module:
        """Module with all of the file's tensors in it. Raises BadWeights for a file that does not fit, MissingExtra."""
        kept = {name: tensor for name, tensor in tensors.items() if not name.startswith(self.unused or ("\0",))}
        try:
            module, found = self._loaded(self.convert(kept) if self.convert else kept)
        except RuntimeError as error:  # transformers names mis-shaped tensors this way
            raise _build_error(self.model, str(error).strip().splitlines()[-1].strip(), where) from error
        faults = {label: self._faults(found, f"{label}_keys") for label in ("missing", "unexpected", "mismatched")}
        if any(faults.values()):
            listed = "; ".join(f"{len(keys)} {label}: {keys[:3]}" for label, keys in faults.items() if keys)
            raise _build_error(self.model, listed, where)
        return self.finished(module)

    def _faults(self, found: dict[str, Any], label: str) -> list[Any]:
        return [key for key in found.get(label) or () if not any(part in key for part in self.idle)]

    def finished(self, module: nn.Module) -> nn.Module:
        """Put what runs the model around it."""
        for part in module.modules():
            if isinstance(part, transformers.PreTrainedModel):
                _drop_loss(part)
        return self.wrap(module) if self.wrap else module

    def kind(self) -> Any:
        """Class of the model. Raises MissingExtra."""
        return self.own() if self.own else find_model_class(self.model)

    def _loaded(self, tensors: dict[str, Tensor]) -> tuple[nn.Module, dict[str, Any]]:
        with silence_transformers():
            return self.kind().from_pretrained(None, config=self.config(), state_dict=tensors, output_loading_info=True)


def _drop_loss(part: nn.Module) -> None:
    """Take a model's loss away: tracers ask for it, and the library complains where it knows none."""
    try:
        part.loss_function = None  # type: ignore[assignment]
    except AttributeError:  # 4.46 has a property in its place, which cannot be set
        kind = type(part)
        part.__class__ = type(kind.__name__, (kind,), {"__module__": kind.__module__, "loss_function": None})


def _build_error(model: str, what: str, where: str) -> BadWeights:
    return BadWeights(f"does not fit {model}: {what}", where=where, fix="run `underdrawing weights verify`")


def find_model_class(name: str) -> Any:
    """Class of transformers. Raises MissingExtra when the installed version has none of that name."""
    found = getattr(transformers, name, None)
    if found is None:
        what = f"transformers {transformers.__version__} has no {name}"
        raise MissingExtra(what, fix=OTHER_VERSION.format("transformers"))
    return found


def load_torch_network(weight: Weight, load: Pretrained, placement: Placement) -> Network:
    """Network that cannot be traced for another backend. Raises BadParameter, and as `core.networks.cache`."""
    if placement.backend != "torch":
        what = f"the backend {placement.backend} does not run its networks, which are built for one size of picture"
        raise BadParameter(what, where=weight.id, fix="leave --backend at torch")
    return load_assembled(weight, load, placement)


@contextmanager
def silence_transformers() -> Generator[None, None, None]:
    """Keep transformers from drawing progress bars and repeating what the strict check says; undone afterwards."""
    level = talk.get_verbosity()
    talk.set_verbosity(logging.CRITICAL)
    try:
        with hide_progress_bars():
            yield
    finally:
        talk.set_verbosity(level)


@contextmanager
def hide_progress_bars() -> Generator[None, None, None]:
    """Keep transformers from drawing progress bars; undone afterwards."""
    bars = talk.is_progress_bar_enabled()
    talk.disable_progress_bar()
    try:
        yield
    finally:
        if bars:
            talk.enable_progress_bar()
