"""One picture through every annotator, for hosts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...core.batch.chunks import annotate_batch
from ...core.diagnostics.availability import explain_unavailable
from ...core.errors import UnderdrawingError
from ...core.hooks import log
from ...core.images.contact_sheet import draw_sheet
from .. import registry

if TYPE_CHECKING:
    from numpy import uint8
    from numpy.typing import NDArray

    from ...core.hooks import HostHooks


def draw_every_map(picture: NDArray[uint8], host: HostHooks, resolution: int) -> NDArray[uint8]:
    """A labelled sheet, uint8 [H, W, 3], of a picture of that kind and its maps with default parameters.

    Annotators that need a mask or cannot run here are left out: the host gets a note, and the log the reasons.
    """
    maps, left_out = [("picture", picture)], dict[str, str]()
    for annotator in registry:
        name, reason = annotator.spec.id, explain_unavailable(annotator, has_mask=False)
        if not reason:
            try:
                result = annotate_batch(annotator, picture[None], {}, host, resolution=resolution)
                maps.append((name, result.images[0]))
            except UnderdrawingError as error:
                reason = str(error)
        if reason:
            left_out[name] = reason
            log.info("sheet: %s left out: %s", name, reason)
    if left_out:
        host.note(f"sheet: {len(left_out)} of {len(registry)} annotators left out: {', '.join(left_out)}")
    return draw_sheet(maps)
