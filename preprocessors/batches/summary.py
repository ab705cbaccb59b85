"""What a run of annotators over files says at its end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...core.batch.inputs import MAP
from ...core.report_text import count

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ...core.batch.inputs import Inputs
    from ...core.batch.run import BatchOptions, BatchSummary
    from .annotate_files import FilesRequest

MAX_NOTES = 20
"""Most notes that are listed at the end; the manifest has them all."""


def summary_notes(summary: BatchSummary) -> Iterator[str]:
    """Lines on what was refused and noted."""
    yield from (f"refused {path}: {text}" for path, text in summary.refused)
    notes = list(dict.fromkeys(summary.notes))
    yield from (f"note {path}: {text}" for path, text in notes[:MAX_NOTES])
    if len(notes) > MAX_NOTES:
        yield f"{len(notes) - MAX_NOTES} more notes are in the manifest"


def summary_lines(
    request: FilesRequest, batch: BatchOptions, inputs: Inputs, summary: BatchSummary, damaged: int
) -> Iterator[str]:
    """Lines on a run, the count of its maps last. damaged: lines of the manifest that were skipped."""
    yield from summary_notes(summary)
    if inputs.left_out:
        were = "was" if inputs.left_out == 1 else "were"
        yield f"note: {count(inputs.left_out, 'map')} of earlier runs among the inputs {were} left out"
    for passed in inputs.passed:
        if text := passed.describe(without=MAP):
            yield f"passed over in {passed.argument}: {text}"
    if damaged:
        lines, were = count(damaged, "damaged line"), "was" if damaged == 1 else "were"
        yield f"note: {lines} of {request.folder / 'manifest.jsonl'} {were} skipped"
    for name, annotator in batch.annotators.items():
        if annotator.spec.weights:
            yield f"{name} ran on {annotator.placement}"
    reused = f", {summary.reused} kept from an earlier run" if summary.reused else ""
    refused = f", {len(summary.refused)} refused" if summary.refused else ""
    made = f"{count(summary.written, 'map')} of {count(len(inputs.sources), 'input')}"
    yield f"{made} in {request.folder}{reused}{refused}"
