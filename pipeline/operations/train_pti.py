"""Train a LoRA around a word."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from ...core.operation import Job, Operation, Report, Spec, target
from ..training.embeddings.pivotal_params import PivotalParams
from ..training.params import DataInputs

if TYPE_CHECKING:
    from ..models.model import Model
    from ..training.trainable import Trainable


class PivotalInputs(DataInputs, frozen=True):
    """The training set, and where to."""

    output: Annotated[Path, target("lora", "File of the LoRA (a folder for PEFT's form); the run is in OUT.run")]


class TrainPti(Operation[PivotalInputs, PivotalParams]):
    """Train a word and then a LoRA around it (pivotal tuning), in two stages.

    First the vectors of the word are learnt while the model stays as it is, then a LoRA is trained with captions that
    hold the word. Both stages go on where they were stopped. The word travels in the LoRA's file, where A1111, Forge
    and this program read it, and is written as an embedding file beside it for others.
    """

    spec = Spec(id="train.pti", title="Train a LoRA around a word", hosts=("cli",))

    def suffix(self, params: PivotalParams) -> str:
        """Empty for PEFT's form, a folder."""
        return "" if params.form == "peft" else ".safetensors"

    def run(self, inputs: PivotalInputs, params: PivotalParams, job: Job) -> Report:
        """Train both stages. Raises BadParameter, BadWeights, UnknownName, MissingExtra, WriteFailed, Cancelled."""
        from ..training.embeddings.pivotal import (
            PivotalTraining,
            check_word,
            learn_word,
            load_word,
            name_embedding,
            share_cache,
        )
        from ..training.export.description import make_description
        from ..training.export.low_rank import check_path
        from ..training.networks.checks import check_params
        from ..training.networks.network import LowRankNetwork
        from ..training.session import Session

        check_path(inputs.output, params)
        check_params(params)
        word = params.token or inputs.output.stem
        check_word(word, params, inputs.output)
        session = Session("pti", inputs.data, inputs.output, params, job)
        session.check_output(name_embedding(inputs.output, word))
        first, learnt = learn_word(inputs.data, session.folder.path, word, params, job)
        share_cache(first, session.folder.path)

        def build(model: Model) -> Trainable:
            network = LowRankNetwork(
                model,
                params,
                rate=params.rate,
                text_rate=params.text_rate,
                weight_decay=params.weight_decay,
                seed=params.seed,
            )
            vectors = load_word(model, word, params, learnt)
            bundle = params.bundle and params.form == "kohya"
            return PivotalTraining(network, vectors, learn_word=params.continue_inversion, bundle=bundle)

        describe = make_description(inputs.output.stem, params, "lora", (word,))
        return session.train(build, describe)
