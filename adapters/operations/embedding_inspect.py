"""Say what embedding files hold."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from ...core.operation import Inputs, Job, Operation, Report, Spec, slot
from ...core.params import Params


class InspectInputs(Inputs, frozen=True):
    """One file of any layout."""

    embedding: Annotated[Path, slot("embedding", "Embedding file, or a picture that holds one", repeat="each")]


class EmbeddingInspect(Operation[InspectInputs, Params]):
    """Say what embedding files hold: tokens, vectors, widths, and which base models they fit."""

    spec = Spec(id="embedding.inspect", title="Inspect embedding")

    def run(self, inputs: InspectInputs, params: Params, job: Job) -> Report:
        """Read the file. Raises BadWeights, UnsafeFile."""
        from ..embeddings.load import inspect_embedding
        from ..embeddings.report_text import embedding_lines

        report = inspect_embedding(inputs.embedding)
        return Report(text="\n".join(embedding_lines(report)), data=report)
