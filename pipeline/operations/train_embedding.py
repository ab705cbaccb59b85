"""Train an embedding."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from ...core.operation import Job, Operation, Report, Spec, target
from ..training.embeddings.params import EmbeddingParams
from ..training.params import DataInputs

if TYPE_CHECKING:
    from ..models.model import Model
    from ..training.trainable import Trainable


class EmbeddingInputs(DataInputs, frozen=True):
    """The training set, and where to."""

    output: Annotated[Path, target("embedding", "File of the embedding; the run is kept beside it in OUT.run")]


class TrainEmbedding(Operation[EmbeddingInputs, EmbeddingParams]):
    """Train vectors for a new word on the pictures of a folder (Textual Inversion).

    The word stands in captions, or is put in front of them; pictures without caption get sentences with it. Nothing
    else of the model changes. Hosts call an embedding by its file's name. A negative embedding is named in the negative
    prompt: --negative trains it for what guidance away from it gives, on good pictures and their captions; without, it
    is trained on pictures of what is not wanted.
    """

    spec = Spec(id="train.embedding", title="Train an embedding", hosts=("cli",))

    def run(self, inputs: EmbeddingInputs, params: EmbeddingParams, job: Job) -> Report:
        """Train and save. Raises BadParameter, BadWeights, UnknownName, MissingExtra, WriteFailed, Cancelled."""
        from ..training.embeddings.embedding import EmbeddingTraining, check_output
        from ..training.embeddings.negative import NEGATIVE_RULES, NegativeTraining, check_strength
        from ..training.export.description import make_description
        from ..training.session import Session

        check_output(inputs.output)
        if params.negative:
            check_strength(params.negative)
        word = params.token or inputs.output.stem

        def build(model: Model) -> Trainable:
            return (NegativeTraining if params.negative else EmbeddingTraining)(model, word, params)

        session = Session("embedding", inputs.data, inputs.output, params, job)
        if word.strip("<>") != inputs.output.stem:
            session.note(f"A1111 and ComfyUI call it {inputs.output.stem}, after the file's name; captions say {word}")
        describe = make_description(inputs.output.stem, params, "textual-inversion", (word,))
        return session.train(build, describe, NEGATIVE_RULES)
