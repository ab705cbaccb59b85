"""One picture through one annotator, several or all that can run here, map by map."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from ..core.batch.chunks import annotate_batch
from ..core.batch.masks import find_transparent
from ..core.diagnostics.availability import explain_unavailable
from ..core.errors import BadParameter, Cancelled, UnderdrawingError
from ..core.hooks import collect_notes
from ..core.images.convert import read_masks
from ..core.images.geometry import Size
from ..core.params import current_values
from ..core.tiling.options import choose_tiles
from ..preprocessors import registry
from . import files, pictures
from .errors import describe_error
from .hooks import JobHooks
from .schema import list_missing

if TYPE_CHECKING:
    from collections.abc import Callable

    from PIL.Image import Image

    from ..core.annotator import ControlMap
    from ..core.hooks import HostHooks
    from ..core.images.reading import Picture
    from ..core.images.types import Masks
    from ..core.registry import NameMatch
    from .bodies import AnnotateBody
    from .jobs import JobRecord

EVERY = "all"
"""Stands for every annotator that can run here."""


class PlannedMap(NamedTuple):
    """A map that is asked for: the name it was asked by, what it means, and the values of its parameters."""

    name: str
    match: NameMatch
    values: dict[str, Any]


def plan_maps(body: AnnotateBody) -> list[PlannedMap]:
    """What a body asks for, checked as far as it can be without a picture. Raises UnknownName, BadParameter."""
    names = [body.annotator] if isinstance(body.annotator, str) else body.annotator
    single = len(names) == 1 and names[0] != EVERY
    every = [annotator.spec.id for annotator in registry]
    asked = dict.fromkeys(one for name in names for one in (every if name == EVERY else [name]))
    if not asked:
        raise BadParameter("no annotator is named", where="annotator", fix=f"name one or more, or {EVERY!r}")
    given = {next(iter(asked)): body.params} if single else body.params
    if lost := sorted(set(given) - set(asked)):
        what = f"parameters are given for {', '.join(lost)}, which is not among the annotators"
        raise BadParameter(what, where="params", fix="give annotator → parameters where there are several annotators")
    return [_plan(name, given.get(name, {})) for name in asked]


def _plan(name: str, values: Any) -> PlannedMap:
    match = registry.resolve(name)
    if not isinstance(values, dict):
        raise BadParameter("is no object of parameters", where=name, fix="write {name: value}")
    values, _ = current_values(match.annotator.params_type, values, where=name)
    match.annotator.params(**{**match.presets, **values})
    return PlannedMap(name, match, values)


def prepare_annotate(body: AnnotateBody, host: HostHooks) -> Callable[[JobRecord], None]:
    """The work that a body asks for; everything that can be refused at once is. Raises UnderdrawingError."""
    plans, every = plan_maps(body), body.annotator == EVERY or EVERY in body.annotator
    if body.save:
        files.place_file(host, "pictures", f"{body.save}.png")
    picture = pictures.read_picture(body.image, "image", body.resolution)
    given = None if body.mask is None else pictures.read_picture(body.mask, "mask")
    size = Size(*picture.pixels.shape[:2])
    mask = None if given is None else read_masks(pictures.join_alpha(given), 1, size)

    def work(job: JobRecord) -> None:
        hooks = JobHooks(host, job)
        for note in (*picture.notes, *(mask.notes if mask else ())):
            job.note(note)
        for plan in plans:
            job.check()
            covered = _choose_mask(plan, picture, None if mask is None else mask.covered, job, every=every)
            reason = explain_unavailable(plan.match.annotator, has_mask=covered is not None) if every else ""
            if reason:
                missing = list_missing(plan.match.annotator, {**plan.match.presets, **plan.values})
                job.publish({"annotator": plan.name, "error": reason, "weights": missing, "skipped": True})
                continue
            _run(plan, body, picture, covered, hooks, job, alone=len(plans) == 1)

    return work


def _choose_mask(
    plan: PlannedMap, picture: Picture, mask: Masks | None, job: JobRecord, *, every: bool
) -> Masks | None:
    """The mask for an annotator that takes one: that which is given, else the transparent parts of the picture."""
    if not plan.match.annotator.spec.takes_mask:
        if mask is not None and not every:
            job.note(f"{plan.name} takes no mask, it was left out")
        return None
    if mask is not None or picture.alpha is None:
        return mask
    found = find_transparent(picture)
    for note in found.notes:
        job.note(note)
    return found.covered


def _run(
    plan: PlannedMap,
    body: AnnotateBody,
    picture: Picture,
    mask: Masks | None,
    hooks: JobHooks,
    job: JobRecord,
    *,
    alone: bool,
) -> None:
    """Make a map and publish it, or why it cannot be made; the only one's failure is the job's."""
    try:
        with collect_notes() as notes:
            result = annotate_batch(
                plan.match.annotator,
                picture.pixels[None],
                {**plan.match.presets, **plan.values},
                hooks,
                resolution=body.resolution,
                masks=None if mask is None else mask[..., None],
                note=plan.match.note,
                tiles=choose_tiles(body.tile, body.overlap),
            )
        made = _describe(plan, body, result, tuple(dict.fromkeys((*result.notes, *notes))))
    except UnderdrawingError as error:
        if alone or isinstance(error, Cancelled):
            raise
        job.publish({"annotator": plan.name, **describe_error(error)})
        return
    if body.save:
        made["saved"] = _save(body.save, plan.name, made["image"], hooks)
    job.publish(made, size=len(made["image"]) + len(made["values"] or ""))


def _describe(plan: PlannedMap, body: AnnotateBody, result: ControlMap, notes: tuple[str, ...]) -> dict[str, Any]:
    from ..core.poses.model import to_openpose
    from ..core.segments import to_json

    height, width = result.images.shape[1:3]
    values = pictures.write_values(result.values[0], {}) if body.values and result.values is not None else None
    spec, info = plan.match.annotator.spec, result.info
    return {
        **{"annotator": plan.name, "id": spec.id, "title": spec.title, "kind": spec.kind.value},
        **{"image": pictures.write_picture(result.images[0], info), "width": width, "height": height},
        "values": values,
        "poses": None if result.poses is None else to_openpose(result.poses[0], confidences=True),
        "segments": None if result.segments is None else to_json(result.segments[0]),
        "notes": list(notes),
    }


def _save(stem: str, name: str, image: str, hooks: JobHooks) -> str:
    """Write a map into the host's folder of pictures, under a name that is free; what lists call it."""
    import base64

    from ..core.files import atomic_write

    folder = hooks.folders("pictures")[0]
    path = files.find_free_name(folder, f"{stem}.{name}", ".png")
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic_write(path, base64.b64decode(image))
    return path.relative_to(folder).as_posix()


def make_map(image: Image, name: str, resolution: int, host: HostHooks) -> Image:
    """Map of a Pillow picture, as a Pillow picture, for hosts that pass pictures on. Raises UnderdrawingError."""
    from PIL import Image as Pil

    from ..core.images.convert import to_images

    match = registry.resolve(name)
    values = dict(match.presets)
    result = annotate_batch(match.annotator, to_images([image]), values, host, resolution=resolution, note=match.note)
    return Pil.fromarray(result.images[0])
