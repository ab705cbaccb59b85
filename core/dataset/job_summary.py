"""What a run over a data set came to, for people and for programs."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import msgspec

from ..batch.outputs import to_safe_name
from ..report_text import count
from .records import DAMAGE, FILTERS, describe_kind
from .sinks import name_columns

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from .job import Job, ShardReport
    from .manifest import Manifest
    from .rows import Shard
    from .run_job import Plan

MOST_LINES = 20
"""Refused rows that are printed."""


class JobSummary(msgspec.Struct, frozen=True, kw_only=True):
    """text, data: as of a report. whole: every shard is committed and was read to its end, and a map was written."""

    text: str
    data: dict[str, Any]
    whole: bool


def summarise_job(manifest: Manifest, shards: Sequence[Shard], plan: Plan, failures: dict[str, str]) -> JobSummary:
    """Summary of a run that has ended. failures: shard → why it was given up."""
    names = {shard.name for shard in shards}
    reports = {name: report for name, report in manifest.list_reports().items() if name in names}
    refused = [(name, *one) for name, report in reports.items() for one in report.refused]
    kinds = Counter(kind for _, _, kind, _ in refused)
    data: dict[str, Any] = {
        "shards": len(names),
        "done": len(reports),
        "rows": sum(report.rows for report in reports.values()),
        "written": sum(report.written for report in reports.values()),
        "refused": dict(sorted(kinds.items())),
        "damaged": sorted({shard for shard, _, kind, _ in refused if kind == DAMAGE}),
        "again": plan.again,
        "failed": failures,
    }
    missing = len(names) - len(reports)
    whole = not missing and not data["damaged"] and bool(data["written"])
    lines = [*_iter_refused(refused, kinds, manifest.folder), *_iter_faults(data, missing, reports, failures)]
    idle = "" if plan.missing else "nothing to do: "
    shown = f"{data['done']} of {count(data['shards'], 'shard')}, {count(data['rows'], 'row')}"
    first = f"{idle}{shown}, {data['written']} with maps"
    return JobSummary(text="\n".join([first, *lines]), data=data, whole=whole)


def describe_columns(job: Job) -> tuple[str, ...]:
    """Where the maps of several annotators are found by those who train on them; nothing where there is one."""
    if job.layout != "diffusers" or len(job.annotators) == 1:
        return ()
    if job.format == "folder":
        places = ", ".join(f"{job.destination}/{to_safe_name(one.name)}" for one in job.annotators)
        return (f"each annotator has a folder of its own to train on: {places}",)
    columns = ", ".join(name_columns(job).values())
    return (f"columns of the maps, of which --conditioning_image_column takes one: {columns}",)


def _iter_refused(refused: list[tuple[str, str, str, str]], kinds: Counter[str], folder: Path) -> Iterator[str]:
    yield from (f"  {describe_kind(kind)}: {count}" for kind, count in kinds.most_common())
    refused.sort(key=lambda one: (one[2] != DAMAGE, one[2] in FILTERS))  # what is damaged stands first
    yield from (f"  shard {shard}, {key}: {reason}" for shard, key, _, reason in refused[:MOST_LINES])
    if len(refused) > MOST_LINES:
        yield f"  and {len(refused) - MOST_LINES} more, in {folder}/shards"


def _iter_faults(
    data: dict[str, Any], missing: int, reports: dict[str, ShardReport], failures: dict[str, str]
) -> Iterator[str]:
    yield from (f"  shard {name} is given up: {reason}" for name, reason in failures.items())
    if bare := sum(report.without_caption for report in reports.values()):
        yield f"pictures without a caption, whose text is empty: {bare} of {data['written']}"
    if data["damaged"]:
        names = data["damaged"]
        yield (
            f"damaged shards, whose rows behind the damage are lost: {', '.join(names[:5])}"
            f"{', ...' if len(names) > 5 else ''}. Next: replace them, and run the same command again"
        )
    if missing:
        yield f"missing shards: {missing}. Next: run the same command again, which goes on from here"
    if not missing and not data["written"]:
        yield "no map was written, as every row was refused. Next: see the reasons above"
