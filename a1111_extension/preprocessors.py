"""Every annotator, and every name that users of A1111 know, among the host's preprocessors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.annotator import Kind
from ..core.batch.chunks import annotate_batch
from ..core.errors import UnderdrawingError
from ..core.hosts.control_types import choose_control_types
from ..core.hosts.event_loop import unblock_route
from ..core.hosts.raw_pictures import read_raw_picture
from ..core.hosts.sliders import choose_sliders, read_sliders
from ..core.registry import NameMatch
from ..preprocessors import registry
from .hosts import get_host
from .hosts.a1111 import log

if TYPE_CHECKING:
    from collections.abc import Callable

    from .hosts.a1111 import Registry

PREFIX = "underdrawing_"
SLIDERS = 3
LAST = -1
"""Sorting priority: behind the host's own, whose defaults stay."""


class Bridge:
    """Base, beside the host's, of our preprocessors; `match` says which annotator with which presets."""

    match: NameMatch

    def __call__(
        self,
        input_image: Any,
        resolution: Any = None,
        slider_1: Any = None,
        slider_2: Any = None,
        slider_3: Any = None,
        input_mask: Any = None,
        json_pose_callback: Callable[[dict[str, Any]], None] | None = None,
        **_: Any,
    ) -> Any:
        """The map, uint8 [H, W, 3]. Sliders out of range count as their defaults. Raises what the host can show."""
        host = get_host()
        try:
            given = host.clean_sliders(self.match.fields(), (slider_1, slider_2, slider_3))
            return self._annotate(input_image, resolution, given, input_mask, json_pose_callback)
        except UnderdrawingError as error:
            raise host.build_refusal(error) from error

    def _annotate(self, image: Any, resolution: Any, numbers: Any, mask: Any, callback: Any) -> Any:
        annotator, host = self.match.annotator, get_host()
        picture = read_raw_picture(image, mask, takes_mask=annotator.spec.takes_mask)
        values = self.match.presets | read_sliders(choose_sliders(self.match.fields(), SLIDERS), numbers)
        size = int(resolution) if resolution and resolution > 0 else 512
        note = self.match.note
        result = annotate_batch(
            annotator, picture.images, values, host, resolution=size, masks=picture.masks, note=note
        )
        if callback is not None and result.poses is not None:
            from ..core.poses.files import to_documents

            callback(to_documents(result.poses)[0])
        if annotator.spec.kind is Kind.INPAINT and result.values is not None and picture.masks is not None:
            whole = np.concatenate([picture.images[0], picture.masks[0, ..., None] * np.uint8(255)], axis=2)
            return host.hand_over_inpaint(self, result.images[0], whole, marks=float(result.values.min()) < 0)
        return result.images[0]


def register() -> None:
    """Add the preprocessors when the host has loaded all scripts, and before it builds its lists of them."""
    callbacks = get_host().callbacks
    callbacks.on_before_ui(add_preprocessors)
    callbacks.on_app_started(unblock_detect)


def unblock_detect(_: Any, app: Any) -> None:
    """Let ours run beside the server's event loop, which the host's route of preprocessors holds up."""
    unblock_route(app, "/controlnet/detect", lambda given: str(given.get("controlnet_module")).startswith(PREFIX))


def add_preprocessors() -> None:
    """Add what is not there yet; one that fails leaves the others standing."""
    found = get_host().find_registry()
    if found is None:
        log.warning("underdrawing: no preprocessors: %s", get_host().describe_missing_registry())
        return
    for name, match in list_names().items():
        try:
            if name not in found.names:
                found.add(build_preprocessor(found, name, match))
        except Exception as error:  # noqa: BLE001 - one bad annotator must not take the others down
            log.error("underdrawing: %s is not available: %s: %s", name, type(error).__name__, error)


def list_names() -> dict[str, NameMatch]:
    """Name → what it means: ids, and the names that users of this host know."""
    known = {alias.name for a in registry for alias in a.spec.aliases if alias.host == "a1111"}
    ids = {annotator.spec.id for annotator in registry}
    return {f"{PREFIX}{name}": match for name, match in registry.names.items() if name in ids or name in known}


def build_preprocessor(found: Registry, name: str, match: NameMatch) -> Any:
    """An object of the host's class."""
    spec = match.annotator.spec
    preprocessor = found.build(type("UnderdrawingPreprocessor", (Bridge, found.base), {"match": match}), name)
    preprocessor.tags = choose_control_types(spec, found.tags)
    preprocessor.sorting_priority = LAST
    preprocessor.accepts_mask = spec.takes_mask
    for number, slider in enumerate(choose_sliders(match.fields(), SLIDERS), 1):
        low, high, step, default = slider.low, slider.high, slider.step, slider.default
        parameter = found.parameter(
            label=slider.label, minimum=low, maximum=high, step=step, value=default, visible=True
        )
        setattr(preprocessor, f"slider_{number}", parameter)
    return preprocessor
