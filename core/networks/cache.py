"""Networks of this process: built once per weights, place and format, strictly loaded, ready for inference."""

from __future__ import annotations

import gc
from threading import RLock
from typing import TYPE_CHECKING, NamedTuple

import torch

from ..errors import BadWeights
from ..weights.store import get_store
from .keeping import forget_all
from .network import Network, is_channels_first

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from torch import Tensor, nn

    from ..weights.record import Weight
    from .placement import Placement

    Tensors = dict[str, Tensor]
    Build = Callable[[dict[str, str]], nn.Module]
    Convert = Callable[[Tensors], Tensors]
    Load = Callable[[Tensors, dict[str, str], str], nn.Module]


class _Key(NamedTuple):
    weight: str
    sha256: str
    device: str
    dtype: str
    backend: str
    builder: str


_networks: dict[_Key, Network] = {}
_lock = RLock()


def load_network(weight: Weight, build: Build, placement: Placement, convert: Convert | None = None) -> Network:
    """Network with its official weights, cached until `unload`.

    build: makes the empty module from the file's metadata. convert: turns the file's tensors into the module's, key by
    key (a prefix off, a kernel folded); what it does not know it hands on, so that nothing is lost quietly. Raises
    BadWeights naming the keys that are missing, unexpected or of another shape; WeightsMissing, UnsafeFile from the
    store; MissingExtra for an absent backend.
    """
    return _load_cached(weight, build, placement, lambda: _build_strictly(weight, build, placement, convert))


def load_assembled(weight: Weight, load: Load, placement: Placement) -> Network:
    """Network that a library puts together, cached until `unload`.

    load: makes the whole module of the file's tensors, metadata and name, as strictly as `load_network`.
    Raises as there.
    """
    return _load_cached(weight, load, placement, lambda: _build_assembled(weight, load))


def unload() -> None:
    """Forget every network and give its memory back, as soon as nobody else holds it."""
    from .onnx import unload

    with _lock:
        _networks.clear()
    forget_all()
    unload()
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _load_cached(weight: Weight, recipe: Build | Load, placement: Placement, make: Callable[[], nn.Module]) -> Network:
    name = f"{recipe.__module__}.{getattr(recipe, '__qualname__', type(recipe).__qualname__)}"
    digest = get_store().complete(weight).sha256
    key = _Key(weight.id, digest, placement.device, placement.dtype, placement.backend, name)
    with _lock:
        if key not in _networks:
            _networks[key] = _wrap(_prepare(make(), placement), placement)
        return _networks[key]


def _wrap(module: nn.Module, placement: Placement) -> Network:
    """Hand the module to the backend that runs it."""
    if placement.backend == "openvino":
        from .openvino import OpenVinoNetwork

        return OpenVinoNetwork(module, placement)
    return Network(module, placement)


def _parameter_dtype(placement: Placement) -> torch.dtype:
    """Format of a module's parameters; OpenVINO converts float32 itself."""
    return getattr(torch, "float32" if placement.backend == "openvino" else placement.dtype)


def _build_strictly(weight: Weight, build: Build, placement: Placement, convert: Convert | None) -> nn.Module:
    tensors, metadata = get_store().read_tensors(weight)
    if convert is not None:
        tensors = convert(tensors)
    with torch.device("meta"):
        module = build(metadata)
    check_shapes(_list_shapes(module.state_dict()), _list_shapes(tensors), weight.id)
    if _has_computed_buffers(module):
        module = build(metadata)
    placed = {name: _copy_to(tensor, placement.device, _parameter_dtype(placement)) for name, tensor in tensors.items()}
    del tensors
    module.load_state_dict(placed, strict=True, assign=True)
    return module


def _build_assembled(weight: Weight, load: Load) -> nn.Module:
    return load(*get_store().read_tensors(weight), weight.id)


def _has_computed_buffers(module: nn.Module) -> bool:
    """Whether the module holds buffers that no file brings, which must really be computed."""
    saved = set(module.state_dict())
    return any(name not in saved for name, _ in module.named_buffers())


def _copy_to(tensor: Tensor, device: str, dtype: torch.dtype) -> Tensor:
    """Copy of its own, so that the network does not hang on a file that may change."""
    return tensor.to(device, dtype if tensor.is_floating_point() else tensor.dtype, copy=True)


def _prepare(module: nn.Module, placement: Placement) -> nn.Module:
    module = module.to(placement.device, _parameter_dtype(placement)).eval().requires_grad_(requires_grad=False)
    if not is_channels_first(module) and any(parameter.ndim == 4 for parameter in module.parameters()):
        module = module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return module


def _list_shapes(tensors: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in tensors.items()}


def check_shapes(expected: Mapping[str, tuple[int, ...]], found: Mapping[str, tuple[int, ...]], where: str) -> None:
    """Raise BadWeights unless both tables agree (torch fills in counters of batch norm that old files lack)."""
    missing = [name for name in expected if name not in found and not name.endswith("num_batches_tracked")]
    unexpected = [name for name in found if name not in expected]
    shaped = [f"{n} {list(found[n])} instead of {list(s)}" for n, s in expected.items() if n in found and found[n] != s]
    faults = [
        _summarise(label, names)
        for label, names in (("missing", missing), ("unexpected", unexpected), ("mis-shaped", shaped))
        if names
    ]
    if faults:
        raise BadWeights(
            f"does not fit the network: {'; '.join(faults)}", where=where, fix="run `underdrawing weights verify`"
        )


def _summarise(label: str, names: Iterable[str]) -> str:
    every = list(names)
    more = f" and {len(every) - 3} more" if len(every) > 3 else ""
    return f"{len(every)} {label}: {', '.join(every[:3])}{more}"
