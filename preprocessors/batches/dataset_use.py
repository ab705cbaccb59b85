"""Options of a run over a data set that have no effect on it: refused where something else was meant, else said."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from ...core.errors import BadParameter
from ...core.tiling.options import describe_idle_overlap

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence, Set

    from ...core.dataset.job import Job
    from ...core.dataset.rows import Shard

OF_FOLDERS = {
    "image": "a picture is the file itself",
    "key": "a picture's key is its path",
    "text": "captions are the files NAME.txt and NAME.caption beside the pictures",
}
"""Option that names fields or columns → what folders of pictures have in place of them."""


def check_use(job: Job, params: Any, given: Set[str], shards: Sequence[Shard]) -> tuple[str, ...]:
    """Notes on options that were given and change nothing. Raises BadParameter where something else was meant."""
    kinds = {shard.kind for shard in shards}
    for name, instead in OF_FOLDERS.items() if kinds == {"folder"} else ():
        if name in given:
            what = f"--{name} has no effect on a folder of pictures: {instead}"
            raise BadParameter(what, where=job.source, fix="leave it out")
    if "ray_address" in given and params.engine != "ray":
        raise BadParameter("--ray-address has no effect without --engine ray", fix="add --engine ray, or leave it out")
    lines = [describe_idle_overlap(given, job.tile)]
    idle = {name: why for name, why in _list_idle(job, kinds) if name in given}
    lines += [f"--{name.replace('_', '-')} has no effect here: {why}" for name, why in idle.items()]
    return tuple(filter(None, lines))


def drop_unused(job: Job, shards: Sequence[Shard]) -> Job:
    """The job without numbers that decide nothing in it, so that another one does not make other settings of it."""
    is_cut, is_drawn = any(shard.names for shard in shards), any(one.random for one in job.annotators)
    used = {"shard_size": is_cut, "seed": is_drawn, "overlap": job.tile > 0}
    return msgspec.structs.replace(job, **{name: getattr(job, name) if use else 0 for name, use in used.items()})


def _list_idle(job: Job, kinds: Set[str]) -> Iterator[tuple[str, str]]:
    if job.layout != "diffusers":
        yield "text", "captions are stored by --layout diffusers only"
    if "folder" not in kinds:
        yield "shard_size", "shards are the files of the source"
    if not kinds & {"parquet", "lance"}:
        yield "allow_outside", "only tables name paths"
    if not any(one.random for one in job.annotators):
        yield "seed", "no parameter is drawn"
