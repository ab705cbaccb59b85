"""Choice between the two files of networks that are published both for ONNX Runtime and for torch."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import PurePath
from typing import TYPE_CHECKING, Literal

from ...core.errors import BadParameter, MissingExtra
from ...core.imports import describe_lacking, find_lacking
from .rtdetr_files import RTDETR

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ...core.weights.record import Weight

InferenceBackend = Literal["auto", "onnxruntime", "torch"]
INFERENCE_BACKEND_HELP = "Inference backend of the networks; auto: ONNX Runtime where it is installed, torch otherwise"
RUNS_ON_TORCH = "choose yolox_l and dw-ll_ucoco_384, which also run on torch when inference_backend is auto"
RTDETR_MODULE = "transformers.models.rt_detr"


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
        elif weight == RTDETR and (lacking := find_lacking([RTDETR_MODULE])):
            what, fix = describe_lacking(lacking)
            raise MissingExtra(what, where=weight.id, fix=f"choose the detector yolox_l; or {fix}")


def list_modules(weights: Iterable[Weight]) -> list[str]:
    """Modules that these files need beyond those of their annotators."""
    return [RTDETR_MODULE] if RTDETR in weights else []
