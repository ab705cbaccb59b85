"""Train a LoRA."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from ...core.errors import BadParameter
from ...core.operation import Job, Operation, Report, Spec, target
from ...core.params import about, between
from ..training.networks.params import NetworkParams
from ..training.params import DataInputs

if TYPE_CHECKING:
    from ..models.model import Model
    from ..training.trainable import Trainable


class LoraInputs(DataInputs, frozen=True):
    """The training set, and where to."""

    output: Annotated[Path, target("lora", "File of the LoRA (a folder for PEFT's form); the run is in OUT.run")]


class LoraParams(NetworkParams, frozen=True):
    """Those of all training, of a low-rank network, and of the text encoders."""

    text_encoder: Annotated[bool, about("Train the text encoders too")] = False
    text_rate: Annotated[float, between(0, 100, "Their learning rate; 0: that of the UNet", step=1e-6)] = 0.0


class TrainLora(Operation[LoraInputs, LoraParams]):
    """Train a LoRA (LoCon, LoHa, LoKr, DoRA) on the pictures of a folder.

    Captions stand beside the pictures (NAME.txt, .caption or .json), in metadata.jsonl or in webdataset shards; folders
    called 10_name repeat theirs. Broken pictures are listed and left out. The run is kept in OUT.run: the same command
    goes on where it was stopped, to the same bytes, and Ctrl-C saves it first. The receipt lists the options, each
    tensor that moved and the sizes; it stands beside the file, too. Needs the extra pipeline.
    """

    spec = Spec(id="train.lora", title="Train a LoRA", hosts=("cli",))

    def suffix(self, params: LoraParams) -> str:
        """Empty for PEFT's form, a folder."""
        return "" if params.form == "peft" else ".safetensors"

    def run(self, inputs: LoraInputs, params: LoraParams, job: Job) -> Report:
        """Train. Raises BadParameter, BadImage, BadWeights, UnknownName, UnsafeFile, MissingExtra, WriteFailed and
        Cancelled."""
        from ...adapters.modules.parts import UNET
        from ..training.export.description import make_description
        from ..training.export.low_rank import check_path
        from ..training.networks.checks import check_params
        from ..training.networks.network import LowRankNetwork
        from ..training.rules import Rule
        from ..training.session import Session

        check_path(inputs.output, params)
        check_params(params)
        text_rate = (params.text_rate or params.rate) if params.text_encoder else 0.0

        def build(model: Model) -> Trainable:
            rates = {"rate": params.rate, "text_rate": text_rate}
            network = LowRankNetwork(model, params, **rates, weight_decay=params.weight_decay, seed=params.seed)
            if params.text_encoder and network.parts <= {UNET}:
                network.remove()
                what = f"--text-encoder has no effect: none of its layers is among the targets {params.targets}"
                raise BadParameter(what, where="train lora", fix="add the target attn, or leave --text-encoder out")
            return network

        describe = make_description(inputs.output.stem, params, "lora", (params.trigger,) if params.trigger else ())
        rules = (Rule("text_rate", "give --text-encoder", ("text_encoder",)),)
        return Session("lora", inputs.data, inputs.output, params, job).train(build, describe, rules)
