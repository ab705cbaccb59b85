"""Choice between the two files of networks that are published both for ONNX Runtime and for torch."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import PurePath
from typing import TYPE_CHECKING, Literal

from ...core.errors import BadParameter, MissingExtra
from .rtdetr_files import RTDETR

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ...core.weights.record import Weight

InferenceBackend = Literal["auto", "onnxruntime", "torch"]
INFERENCE_BACKEND_HELP = "Inference backend of the networks; auto: ONNX Runtime where it is installed, torch otherwise"
RUNS_ON_TORCH = "choose yolox_l and dw-ll_ucoco_384, which also run on torch when inference_backend is auto"
INSTALL_TRANSFORMERS = "pip install 'transformers>=4.48'"


def choose_file(backend: InferenceBackend, onnx: Weight, torch: Weight | None, where: str) -> Weight:
    """One of the two files of a network; where: the annotator that needs it.

    A network without a file for torch is left to ONNX Runtime by `auto`, installed or not. Raises BadParameter for
    `torch`.
    """
    if torch is None and backend == "torch":
        what = f"{onnx.file} is published for ONNX Runtime only, which inference_backend torch rules out"
        fix = "set inference_backend to auto, or choose another detector or estimator"
        raise BadParameter(what, where=where, fix=fix)
    if torch is None or backend == "onnxruntime":
        return onnx
    return onnx if backend == "auto" and find_spec("onnxruntime") is not None else torch


def is_onnx(weight: Weight) -> bool:
    """Whether a file is run by ONNX Runtime."""
    return PurePath(weight.file).suffix.lower() == ".onnx"


def check_packages(weights: Iterable[Weight]) -> None:
    """Raise MissingExtra if these files need a package that is not installed; before anything is fetched."""
    for weight in weights:
        if is_onnx(weight):
            from ...core.networks.onnx import load_runtime

            try:
                load_runtime(weight.id)
            except MissingExtra as error:
                raise MissingExtra(error.what, where=error.where, fix=f"{error.fix}, or {RUNS_ON_TORCH}") from error
        elif weight == RTDETR and find_spec("transformers") is None:
            raise MissingExtra("needs the package transformers", where=weight.id, fix=INSTALL_TRANSFORMERS)
