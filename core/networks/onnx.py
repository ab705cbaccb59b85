"""Networks in ONNX files, through ONNX Runtime (extra `onnx`)."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..errors import BadParameter, BadWeights, MissingExtra, UnsafeFile
from ..regular_files import check_regular_file
from ..weights.store import get_store

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..weights.record import Weight
    from .placement import Placement

    Array = NDArray[Any]

CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"
FORMATS = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(uint8)": np.uint8}
"""What a file may take, and numpy's name for it."""
INSTALL = "pip install 'onnxruntime>=1.17'"
OTHERWISE = "or set inference_backend to torch where the annotator has it"


class OnnxNetwork:
    """A file that is ready to run. note: why it runs elsewhere than was asked; empty where it does not."""

    def __init__(self, session: Any, where: str, note: str = "") -> None:
        entry, *more = session.get_inputs()
        if entry.type not in FORMATS or more:
            takes = ", ".join(one.type for one in (entry, *more))
            raise BadWeights(f"takes {takes}, which this cannot give it", where=where)
        self.note = note
        self._session, self._input, self._format = session, entry.name, FORMATS[entry.type]
        self._fixed: int | None = entry.shape[0] if isinstance(entry.shape[0], int) else None

    def __call__(self, batch: Array) -> tuple[Array, ...]:
        """Outputs for a batch [N, ...], halves as float32; a file for a fixed N is run piece by piece."""
        given = np.ascontiguousarray(batch, self._format)
        length = self._fixed or max(1, len(given))
        pieces = [self._run(given[start : start + length], length) for start in range(0, len(given), length)]
        return tuple(np.concatenate(outputs) for outputs in zip(*pieces, strict=True))

    def _run(self, piece: Array, length: int) -> list[Array]:
        missing = length - len(piece) if self._fixed else 0
        filled = np.concatenate([piece, np.zeros((missing, *piece.shape[1:]), piece.dtype)]) if missing else piece
        outputs = self._session.run(None, {self._input: filled})
        return [_to_float32(output)[: len(piece)] for output in outputs]


class _Key(NamedTuple):
    weight: str
    sha256: str
    device: str


_networks: dict[_Key, OnnxNetwork] = {}
_lock = RLock()


def load_onnx_network(weight: Weight, placement: Placement) -> OnnxNetwork:
    """Network of an ONNX file, cached until `unload`.

    Raises MissingExtra without ONNX Runtime, BadWeights for a damaged file, UnsafeFile for TorchScript, BadParameter
    for a dtype or backend that these files do not support, and what `core.weights.store.Store.require` raises.
    """
    _check(weight, placement)
    key = _Key(weight.id, get_store().complete(weight).sha256, placement.device)
    with _lock:
        if key not in _networks:
            _networks[key] = open_network(weight, placement)
        return _networks[key]


def unload() -> None:
    """Give the memory of every network back."""
    with _lock:
        _networks.clear()


def open_network(weight: Weight, placement: Placement) -> OnnxNetwork:
    """Open a file anew."""
    runtime, path = load_runtime(weight.id), get_store().require(weight)
    wanted, note = _choose_providers(placement, runtime.get_available_providers())
    try:
        check_regular_file(path)
        session = runtime.InferenceSession(str(path), _build_options(runtime), providers=wanted)
    except _list_errors(runtime) as error:
        what = f"ONNX Runtime cannot read it ({str(error).strip().splitlines()[-1][:200]})"
        raise BadWeights(what, where=weight.id, fix="run `underdrawing weights verify`") from error
    if len(wanted) > 1 and CUDA not in session.get_providers():
        note = "ONNX Runtime could not start CUDA, its networks ran on the CPU"
    return OnnxNetwork(session, weight.id, note)


def _list_errors(runtime: Any) -> tuple[type[Exception], ...]:
    """Errors of the runtime, which have no base of their own."""
    known = vars(runtime.capi.onnxruntime_pybind11_state).values()
    return tuple(kind for kind in known if isinstance(kind, type) and issubclass(kind, Exception))


def load_runtime(where: str) -> Any:
    """Import ONNX Runtime with its telemetry switched off. Raises MissingExtra."""
    if find_spec("onnxruntime") is None:
        raise MissingExtra("needs the package onnxruntime", where=where, fix=INSTALL)
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingExtra(f"onnxruntime cannot be imported ({error})", where=where, fix=INSTALL) from error
    onnxruntime.disable_telemetry_events()
    return onnxruntime


def _check(weight: Weight, placement: Placement) -> None:
    suffix = Path(weight.file).suffix.lower()
    if suffix in (".pt", ".torchscript"):
        what = "a TorchScript file is a program, not a table of numbers, and programs out of weights files are not run"
        raise UnsafeFile(what, where=weight.id, fix="choose the ONNX file of the same network")
    if suffix != ".onnx":
        raise BadWeights(f"files ending in {suffix!r} are not for ONNX Runtime", where=weight.id)
    if placement.backend != "torch":
        what = f"its networks are ONNX files, which the backend {placement.backend} does not run here"
        raise BadParameter(what, where=weight.id, fix=f"leave --backend at torch, {OTHERWISE}")
    if placement.dtype != "float32":
        what = f"an ONNX file has the dtype it was exported with, not {placement.dtype}"
        raise BadParameter(what, where=weight.id, fix=f"leave --dtype at auto, {OTHERWISE}")


def _choose_providers(placement: Placement, available: list[str]) -> tuple[list[Any], str]:
    """What runs the network, in order of preference, and what the user should know of that."""
    if placement.device == "cpu":
        return [CPU], ""
    kind, _, number = placement.device.partition(":")
    if kind == "cuda" and CUDA in available:
        return [(CUDA, {"device_id": int(number or 0)}), CPU], ""
    hint = ": pip install onnxruntime-gpu in place of onnxruntime" if kind == "cuda" else ""
    return [CPU], f"this ONNX Runtime does not run on {kind}, its networks ran on the CPU{hint}"


def _build_options(runtime: Any) -> Any:
    import torch

    options = runtime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def _to_float32(output: Array) -> Array:
    return output.astype(np.float32) if output.dtype == np.float16 else output
