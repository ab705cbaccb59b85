"""Parameters of a ControlNet in training."""

from __future__ import annotations

from typing import Annotated, Literal

from ....core.params import about, between
from ..params import TrainParams


class ControlParams(TrainParams, frozen=True):
    """Those of all training, what is trained, and where its maps come from."""

    form: Annotated[Literal["full", "lora"], about("A whole ControlNet, or a Control-LoRA of low rank")] = "full"
    rank: Annotated[int, between(1, 512, "Rank of a Control-LoRA")] = 32
    annotator: Annotated[
        str, about("Makes the maps of the pictures, such as canny or canny:low_threshold=50,high_threshold=150")
    ] = ""
    maps: Annotated[
        str, about("Folder of maps named as their pictures; without: conditioning_image in metadata.jsonl")
    ] = ""
    save_dtype: Annotated[Literal["float16", "bfloat16", "float32"], about("Dtype of the file")] = "float16"
