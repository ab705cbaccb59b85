"""What runs networks that are published both for ONNX Runtime and for torch; free of heavy imports."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import PurePath
from typing import TYPE_CHECKING, Literal

from ...core.errors import BadParameter, MissingExtra
from ..weights.vitpose_files import DETECTOR

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ...core.weights.record import Weight

Runtime = Literal["auto", "onnxruntime", "torch"]
RUNTIME_HELP = "What runs the networks; auto: ONNX Runtime where it is installed, torch otherwise"
INSTALL_TRANSFORMERS = "pip install 'transformers>=4.48'"


def chosen(runtime: Runtime, onnx: Weight, torch: Weight | None, where: str) -> Weight:
    """One of the two files of a network; where: who asks.

    One without a file for torch is left to ONNX Runtime by `auto`, installed or not. Raises BadParameter for `torch`.
    """
    if torch is None and runtime == "torch":
        what = f"{onnx.file} is published for ONNX Runtime only, which runtime torch rules out"
        raise BadParameter(what, where=where, fix="set runtime to auto, or choose another detector or estimator")
    if torch is None or runtime == "onnxruntime":
        return onnx
    return onnx if runtime == "auto" and find_spec("onnxruntime") is not None else torch


def is_onnx(weight: Weight) -> bool:
    """Whether ONNX Runtime runs a file."""
    return PurePath(weight.file).suffix.lower() == ".onnx"


def check_packages(weights: Iterable[Weight]) -> None:
    """Raise MissingExtra if these files need a package that is not here; before anything is fetched."""
    for weight in weights:
        if is_onnx(weight):
            from ...core.networks.onnx import load_runtime

            load_runtime(weight.id)
        elif weight == DETECTOR and find_spec("transformers") is None:
            raise MissingExtra("needs the package transformers", where=weight.id, fix=INSTALL_TRANSFORMERS)
