"""Random weights that are the same wherever they are made: for golden data and where no trained file can be had."""

from __future__ import annotations

import importlib
import zlib
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from underdrawing.core.errors import WeightsMissing
from underdrawing.core.networks import cache, onnx
from underdrawing.core.weights.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    from numpy.typing import NDArray
    from torch import Tensor, nn

    from underdrawing.core.networks.placement import Placement
    from underdrawing.core.weights.record import Weight


PIECE = 2**16


def tensor(name: str, shape: tuple[int, ...], seed: int = 0, gain: float = 1.0) -> Tensor:
    """Kernel of a spread that keeps a ReLU network's activations, norms near 1, small biases; by name and shape.

    gain: multiplies kernels. From numpy's RandomState, whose numbers never change.
    """
    random = np.random.RandomState((zlib.crc32(name.encode()) + seed) % 2**32)
    if name.endswith("num_batches_tracked"):
        return torch.zeros(shape, dtype=torch.int64)
    if len(shape) > 1 and not name.endswith("running_var"):
        spread = (12 * 2 / max(1, int(np.prod(shape[1:])))) ** 0.5
        return torch.from_numpy(_spread_numbers(random, int(np.prod(shape)), spread, gain).reshape(shape))
    flat = random.random_sample(shape) - 0.5
    if name.endswith("running_var"):
        return torch.from_numpy(1 + flat).float()
    centre = 1.0 if name.endswith(("weight", "gamma")) else 0.0
    return torch.from_numpy(centre + 0.2 * flat).float()


def _spread_numbers(random: np.random.RandomState, count: int, spread: float, gain: float) -> NDArray[np.float32]:
    """Numbers within half of spread * gain; in pieces, which stay in the cache: several times as fast."""
    made = np.empty(count, np.float32)
    for start in range(0, count, PIECE):
        flat = random.random_sample(min(PIECE, count - start))
        flat -= 0.5
        flat *= spread
        flat *= gain
        made[start : start + PIECE] = flat
    return made


def tensors(shapes: Mapping[str, tuple[int, ...]], seed: int = 0, gain: float = 1.0) -> dict[str, Tensor]:
    """Table of random tensors under these keys."""
    return {name: tensor(name, shape, seed, gain) for name, shape in shapes.items()}


def fill(module: nn.Module, seed: int = 0) -> nn.Module:
    """Give a module random weights in place."""
    made = tensors({name: tuple(value.shape) for name, value in module.state_dict().items()}, seed)
    module.load_state_dict(made, strict=True, assign=True)
    return module


@contextmanager
def stand_in(patch: Any) -> Generator[None, None, None]:
    """Let every network whose weights are not on this machine run on random ones.

    patch: pytest's MonkeyPatch. Models of transformers are shrunk as tiny_*.py here say, ONNX files are those of
    tests/support/onnx_stand_ins.py.
    """
    find, strict, whole, file = Store.find, cache._build_strictly, cache._build_assembled, onnx.open_network

    def require(self: Store, weight: Weight, progress: Any = None) -> Path:
        return find(self, weight) or Path("random")

    def absent(weight: Weight) -> bool:
        return find(cache.get_store(), weight) is None

    def built(weight: Weight, build: Any, placement: Any, convert: Any) -> nn.Module:
        return fill(lighter(build)({})) if absent(weight) else strict(weight, build, placement, convert)

    def assembled(weight: Weight, load: Any) -> nn.Module:
        return shrunk(load) if absent(weight) else whole(weight, load)

    def opened(weight: Weight, placement: Placement) -> onnx.OnnxNetwork:
        return session(weight) if absent(weight) else file(weight, placement)

    patch.setattr(Store, "require", require)
    patch.setattr(cache, "_build_strictly", built)
    patch.setattr(cache, "_build_assembled", assembled)
    patch.setattr(onnx, "open_network", opened)
    cache.unload()
    yield
    cache.unload()


def lighter(build: Callable[[Any], nn.Module]) -> Callable[[Any], nn.Module]:
    """Builder of a lighter module with the same inputs and outputs, from the BUILDERS tables of light_*.py."""
    for path in sorted(Path(__file__).parent.glob("light_*.py")):
        table = importlib.import_module(f"tests.support.{path.stem}").BUILDERS
        if build in table:
            return table[build]
    return build


def shrunk(load: Any) -> nn.Module:
    """Small random model of the same class, from the TINY tables of tiny_*.py: class -> smaller configuration."""
    for path in sorted(Path(__file__).parent.glob("tiny_*.py")):
        module = importlib.import_module(f"tests.support.{path.stem}")
        small: dict[str, Callable[[Any], Any]] = getattr(module, "TINY", {})
        if load.model in small:
            torch.manual_seed(0)
            return load.finished(load.kind()(small[load.model](load.config())))
    raise WeightsMissing(
        f"there is no small {load.model}", where="tests/support/tiny_*.py", fix="add it to a TINY table"
    )


def session(weight: Weight) -> onnx.OnnxNetwork:
    """Stand-in for an ONNX file, from tests/support/onnx_stand_ins.py."""
    from tests.support import onnx_stand_ins

    content = onnx_stand_ins.made(Path(weight.file).name)
    if content is None:
        raise WeightsMissing(
            f"there is no small {weight.file}", where="tests/support/onnx_stand_ins.py", fix="add it there"
        )
    runtime = onnx.load_runtime(weight.id)
    made = runtime.InferenceSession(content, onnx._build_options(runtime), providers=[onnx.CPU])
    return onnx.OnnxNetwork(made, weight.id)
