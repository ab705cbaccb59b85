"""Every annotator, and every name that users of A1111 know, among the host's preprocessors."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from ..core.errors import UnderdrawingError
from ..core.hosts.control_types import choose_control_types
from ..core.hosts.event_loop import unblock_route
from ..core.hosts.refusals import remember_refusal, show_refusals
from ..core.hosts.sliders import SLIDERS, choose_sliders
from ..preprocessors import registry
from .hosts import get_host
from .hosts.a1111 import TAB, log

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..core.registry import NameMatch
    from .hosts.a1111 import Registry

PREFIX = "underdrawing_"
LAST = -1
"""Sorting priority: behind the host's own, whose defaults stay."""


class Bridge:
    """Base, beside the host's, of our preprocessors; `match` says which annotator with which presets."""

    name: str
    match: NameMatch
    is_used = False

    def __call__(
        self, input_image: Any, resolution: Any = None, slider_1: Any = None, slider_2: Any = None,
        slider_3: Any = None, input_mask: Any = None, json_pose_callback: Any = None, **_: Any,
    ) -> Any:  # fmt: skip
        """The map, uint8 [H, W, 3]. Sliders out of range count as their defaults. Raises what the host can show."""
        from ..core.hosts.preprocessor import preprocess

        host, self.is_used = get_host(), True
        try:
            numbers = host.clean_sliders((slider_1, slider_2, slider_3))
            result = preprocess(self.match, input_image, input_mask, resolution, numbers, host)
        except UnderdrawingError as error:
            remember_refusal(host.shared.state, self.name, error)
            raise host.build_refusal(error) from error
        if json_pose_callback is not None and result.poses is not None:
            json_pose_callback(result.poses)
        return result.picture if result.with_mask is None else host.hand_over_inpaint(self, result)

    def unload(self) -> bool:
        """Give a GPU's memory back, where the host asks for it; whether there was anything to give."""
        if not self.is_used or get_host().device() == "cpu":
            return False
        from ..core.networks.cache import unload

        self.is_used = False
        unload()
        return True


def register() -> None:
    """Add the preprocessors when the host has loaded all scripts, and before it builds its lists of them."""
    callbacks = get_host().callbacks
    callbacks.on_before_ui(add_preprocessors)
    callbacks.on_app_started(unblock_detect)
    callbacks.on_cfg_denoiser(tell)


def tell(params: Any) -> None:
    """Before a call of the UNet: what was refused in this job."""
    show_refusals(params, get_host().shared.state, TAB)


def unblock_detect(_: Any, app: Any) -> None:
    """Let ours run beside the server's event loop, which the host's route of preprocessors holds up."""
    unblock_route(app, "/controlnet/detect", prepare_detect)


def prepare_detect(given: dict[str, Any]) -> Callable[[], dict[str, Any]] | None:
    """What makes arguments whose pictures were read by us: the host mistakes palettes and 16 bit for 8 bit grey."""
    matches = {f"{PREFIX}{name}": match for name, match in registry.names_of("a1111").items()}
    match = matches.get(str(given.get("controlnet_module")))
    return partial(_read_pictures, given, match.annotator.spec.takes_mask) if match else None


def _read_pictures(given: dict[str, Any], takes_mask: bool) -> dict[str, Any]:
    from ..serving.pictures import flatten_picture

    name = "controlnet_masks" if takes_mask else "controlnet_input_images"
    try:
        return given | ({name: [flatten_picture(text, name) for text in given[name]]} if given.get(name) else {})
    except UnderdrawingError as error:
        raise get_host().build_refusal(error) from error


def add_preprocessors() -> None:
    """Add what is not there yet; one that fails leaves the others standing."""
    found = get_host().find_registry()
    if found is None:
        log.warning("underdrawing: no preprocessors: %s", get_host().describe_missing_registry())
        return
    for known, match in registry.names_of("a1111").items():
        name = f"{PREFIX}{known}"
        try:
            if name not in found.names:
                found.add(build_preprocessor(found, name, match))
        except Exception as error:  # noqa: BLE001 - one bad annotator must not take the others down
            log.error("underdrawing: %s is not available: %s: %s", name, type(error).__name__, error)


def build_preprocessor(found: Registry, name: str, match: NameMatch) -> Any:
    """An object of the host's class."""
    kind: Any = type("UnderdrawingPreprocessor", (Bridge, found.base), {"match": match})
    preprocessor = kind(name=name)
    preprocessor.tags = choose_control_types(match.annotator.spec, found.tags)
    preprocessor.sorting_priority, preprocessor.accepts_mask = LAST, match.annotator.spec.takes_mask
    for number, (_, label, low, high, step, value) in enumerate(choose_sliders(match.fields(), SLIDERS), 1):
        bounds = {"minimum": low, "maximum": high, "step": step, "value": value}
        setattr(preprocessor, f"slider_{number}", found.parameter(label=label, visible=True, **bounds))
    return preprocessor
