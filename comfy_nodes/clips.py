"""What makes a batch of pictures a clip: options over time, handed to the nodes of annotators."""

from __future__ import annotations

from typing import Any

from ..core.params import describe_fields, make_params
from ..core.video.options import TemporalOptions
from . import inputs
from .inputs import PREFIX


class VideoOptions:
    """Options over the frames of a clip, for the input video of annotators' nodes.

    With it a batch counts as the frames of one clip: poses keep who is who, depth has one scale and range, and edges
    and lines can get a median over time. Options of other kinds of maps change nothing.
    """

    TITLE = f"Video options ({PREFIX})"
    CATEGORY = f"{PREFIX}/Video"
    RETURN_TYPES, RETURN_NAMES, FUNCTION = (inputs.VIDEO[0],), ("video",), "choose"
    INPUT_TYPES = inputs.fixed(
        {field.name: inputs.of_field(field, field.default) for field in describe_fields(TemporalOptions)}
    )

    def choose(self, **values: Any) -> tuple[TemporalOptions]:
        """Check the options. Raises BadParameter."""
        return (make_params(TemporalOptions, values, where="video"),)


def nodes() -> dict[str, type]:
    """Class name → node."""
    return {f"{PREFIX}VideoOptions": VideoOptions}
