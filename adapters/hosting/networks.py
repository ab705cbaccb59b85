"""Networks that A1111 keeps of LoRA files: which reading of a file it gets, and modules that are computed here."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Any

from ...core.errors import UnderdrawingError
from ..deltas.dora import Dora
from ..deltas.lowrank import LowRank
from ..deltas.rotations import BOFT, OFT, RotationOFT
from .form import DELTA, find_core, is_plain, make_host_form, name_for_hosts
from .receipt import HostReceipt

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ..adapter import Adapter
    from ..deltas.base import Delta
    from .form import HostForm
    from .model import HostModel
    from .tags import HostTag

INPAINTING = 9
"""Channels of the first convolution of an inpainting model."""
log = logging.getLogger("underdrawing")


def is_native(delta: Delta) -> bool:
    """Whether the host computes a kind as it is meant.

    It takes DoRA's norms along the inputs, of linear layers, has another GLoRA, drops biases beside factors, and knows
    cores of convolutions only.
    """
    if isinstance(delta, Dora):
        linear = isinstance(delta.inner, LowRank) and not delta.inner.extent.kernel
        return delta.axis == "in" and linear and is_plain(delta.inner)
    core = find_core(delta)
    if isinstance(delta, OFT | BOFT | RotationOFT) or (core is not None and core.shape[2:].numel() > 1):
        return delta.bias is None
    return is_plain(delta)


def choose_network(
    path: Path,
    tag: HostTag | None,
    model: HostModel,
    by_itself: Callable[[], Any],
    of_tensors: Callable[[dict[str, Any]], Any],
) -> tuple[Any, HostReceipt]:
    """The host's network of a file, an object with `modules`, and its receipt.

    by_itself: the host reads the file. of_tensors: it reads what we made of it. The first is taken where it holds as
    many modules; a file that nobody understands, or that was made for another base model, gives an empty network.
    tag: its block weights are put on the modules.
    """
    try:
        read, remark = model.read(path)
        if refusal := model.find_refusal(read):
            return of_tensors({}), HostReceipt.refuse(read, refusal)
        adapter = name_for_hosts(read)
        form = make_host_form(adapter, model.base_model, is_native)
    except UnderdrawingError as error:
        net = _try(by_itself, path)
        known = bool(net is not None and net.modules)  # a kind of model that only the host knows
        blocks = tag is not None and tag.call.block_weights is not None
        return net if known else of_tensors({}), HostReceipt(
            path.stem, problem="" if known and not blocks else str(error)
        )
    net: Any = _try(by_itself, path) if adapter.dialect == "kohya" and not form.own else None
    converted = False
    if net is None or len(net.modules) < len(adapter.modules):
        other = of_tensors(form.tensors)
        converted = net is None or len(other.modules) > len(net.modules)
        net = other if converted else net
    if tag is not None:
        _weigh(net, adapter, form, tag, model.base_model)
    own = form.own if converted else {}
    return net, HostReceipt.of(adapter, len(net.modules), own, converted=converted, remark=remark)


def _try(by_itself: Callable[[], Any], path: Path) -> Any:
    try:
        return by_itself()
    except Exception as error:  # noqa: BLE001 - whatever the host cannot read is read by us, or told
        log.debug("%s is not read by the host: %s", path, error)
        return None


def _weigh(net: Any, adapter: Adapter, form: HostForm, tag: HostTag, base_model: str) -> None:
    for module in net.modules.values():
        key: str = module.network_key
        canonical = adapter.used.get(key) or form.modules.get(key.partition(".")[0], "")
        module.multiplier = partial(_multiply, module.multiplier, tag.find_factor(canonical, base_model))


def _multiply(strength: Callable[[], float], factor: float) -> float:
    return strength() * factor


def make_module_kind(network: Any) -> Any:
    """A kind of modules for the host, whose change a delta of ours computes of whatever weight it meets.

    network: the host's module with the classes of kinds and modules.
    """
    base: Any = network.NetworkModule

    class Computed(base):
        def calc_updown(self, orig_weight: Any) -> tuple[Any, Any]:
            weight, strength = orig_weight.detach().float(), self.multiplier()
            try:
                change = self.delta.change(weight)
                bias = self.delta.bias_change(getattr(self.sd_module, "bias", None))
            except UnderdrawingError as error:
                raise RuntimeError(str(error)) from error  # the host counts these, and shows them under the picture
            if weight.ndim == 4 and weight.shape[1] == INPAINTING:
                change = change[:, :4]  # the host adds the others
            return change * strength, None if bias is None else bias * strength

    def create_module(_: Any, net: Any, weights: Any) -> Any:
        if DELTA not in weights.w:
            return None
        module = Computed(net, weights)
        module.delta = weights.w[DELTA]
        return module

    return type("ModuleTypeUnderdrawing", (network.ModuleType,), {"create_module": create_module, DELTA: True})()
