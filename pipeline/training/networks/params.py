"""Parameters of a low-rank network."""

from __future__ import annotations

from typing import Annotated, Literal

from ....core.params import about, between
from ..params import TrainParams

Algorithm = Literal["lora", "loha", "lokr"]
Form = Literal["kohya", "peft", "diffusers"]
SaveDtype = Literal["float16", "bfloat16", "float32"]


class NetworkParams(TrainParams, frozen=True):
    """What is trained beside which layers, and the form of the file; and what all training has."""

    algorithm: Annotated[Algorithm, about("lora (with the target conv: LoCon), loha or lokr")] = "lora"
    rank: Annotated[int, between(1, 4096, "Rank (dim); above a layer's size it is lowered to that")] = 4
    alpha: Annotated[
        float,
        between(0, 65536, "The change is scaled by alpha / rank; 0: as the rank, as diffusers; kohya's default is 1"),
    ] = 0.0
    conv_rank: Annotated[int, between(0, 4096, "Rank of 3x3 convolutions; 0: as the others")] = 0
    conv_alpha: Annotated[float, between(0, 65536, "Alpha of 3x3 convolutions; 0: the scale of the others")] = 0.0
    rslora: Annotated[bool, about("Scale by alpha / square root of the rank (rsLoRA)")] = False
    dora: Annotated[bool, about("Train the magnitude of each output too (DoRA)")] = False
    factor: Annotated[
        int, between(0, 4096, "LoKr: side of the small operand at most; 0: as near the root as it divides")
    ] = 0
    decompose: Annotated[bool, about("LoKr: two factors for the small operand too")] = False
    dropout: Annotated[float, between(0, 0.99, "Share of values between the factors that is dropped", step=0.05)] = 0.0
    rank_dropout: Annotated[float, between(0, 0.99, "Share of ranks (loha, lokr: of outputs) dropped", step=0.05)] = 0.0
    module_dropout: Annotated[float, between(0, 0.99, "Share of layers that is left out of a pass", step=0.05)] = 0.0
    targets: Annotated[str, about("Layers: attn, cross-attn, ff, proj, conv, time, io, or all", many=True)] = (
        "attn cross-attn ff proj"
    )
    include: Annotated[str, about("Only layers with this in their name, or of this pattern with *", many=True)] = ""
    exclude: Annotated[str, about("Not layers with this in their name, or of this pattern with *", many=True)] = ""
    block_ranks: Annotated[
        str, about("Ranks by block: a list as block weights are, or IN04-OUT05=8 MID=4; 0: not trained", many=True)
    ] = ""
    block_rates: Annotated[
        str, about("Factors on the learning rate by block, in the same way; 0: not trained", many=True)
    ] = ""
    form: Annotated[Form, about("Names and metadata of the file: kohya, peft (a folder) or diffusers")] = "kohya"
    save_dtype: Annotated[SaveDtype, about("Dtype of the file")] = "float16"
