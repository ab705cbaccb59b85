"""Annotators that a run over files names, ready to run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...core.errors import UnknownName
from ...core.params import current_values
from .. import load_annotator, registry

if TYPE_CHECKING:
    from ...core.annotator import Annotator
    from ...core.batch.annotate_options import AnnotateOptions
    from ...core.hooks import HostHooks
    from .annotate_files import FilesRequest

EVERY = "all"
"""Stands for every annotator that can run here."""


def load_named(name: str, request: FilesRequest, host: HostHooks) -> Annotator[Any]:
    """Annotator of a name, with the parameters and on the device that are asked for. Raises as `load_annotator`."""
    options, params = request.options, registry.resolve(name).annotator.params_type
    values, notes = current_values(params, request.values(name), where=name)
    for note in notes:
        host.note(f"note: {note}")
    how: dict[str, Any] = {"device": options.device, "dtype": options.dtype, "backend": options.backend}
    return load_annotator(name, **how, tile=options.tile, overlap=options.overlap, **values)


def expand_names(request: FilesRequest, host: HostHooks) -> list[str]:
    """Names of a request, each once, EVERY spelt out. Raises UnknownName."""
    names: dict[str, None] = {}
    for name in request.names:
        names.update(dict.fromkeys(_available(request.options, host) if name == EVERY else [name]))
    for name in names:
        registry.resolve(name)
    return list(names)


def _available(options: AnnotateOptions, host: HostHooks) -> list[str]:
    """Ids of what can run here; what is left out is reported, one line each and their number."""
    from ...core.diagnostics.availability import explain_unavailable

    names: list[str] = []
    has_mask = bool(options.mask or options.mask_from)
    for annotator in registry:
        if reason := explain_unavailable(annotator, has_mask=has_mask):
            host.note(f"{annotator.spec.id} left out: {reason}")
        else:
            names.append(annotator.spec.id)
    if left_out := len(registry) - len(names):
        host.note(f"{left_out} of {len(registry)} annotators left out")
    if not names:
        raise UnknownName("no annotator can run here", fix="run `underdrawing doctor`")
    return names
