"""LoRAs and embeddings that the host reads in part or not at all, behind its own tags."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..adapters.hosting.axes import build_axes
from ..adapters.hosting.embeddings import load_refused
from ..adapters.hosting.session import TITLE
from ..adapters.hosting.wrap import wrap
from .hosts import get_host

if TYPE_CHECKING:
    from collections.abc import Callable

TAGS, INFOTEXT, PRESETS = (f"underdrawing_lora_{name}" for name in ("tags", "infotext", "presets"))
OPTIONS: dict[str, tuple[Any, str]] = {
    TAGS: (True, "Read lbw=, start=, stop= and curves in <lora:> tags"),
    INFOTEXT: (True, "Write into pictures which LoRAs were converted"),
    PRESETS: ("", "Presets for lbw= (NAME:1,0.5,... separated by semicolons)"),
}
NEIGHBOURS = frozenset({"lora_block_weight.py", "loractl_script.py"})
"""Scripts of other extensions that read the same arguments of tags."""


def register() -> None:
    """Put ourselves in the host's way when all scripts are loaded."""
    callbacks = get_host().callbacks
    callbacks.on_before_ui(install)
    callbacks.on_ui_settings(add_settings)
    callbacks.on_cfg_denoiser(set_strengths)


def install() -> None:
    """Wrap what is not wrapped yet; axes of plots are gone whenever scripts are loaded."""
    if "networks" not in sys.modules:
        get_host().note("the host's own extension for LoRAs is not loaded, so ours has nothing to add to")
        return
    loras = get_host().loras
    loras.install()
    wrap(sys.modules["extra_networks_lora"].ExtraNetworkLora, "activate", activate)
    wrap(loras.embeddings.EmbeddingDatabase, "load_from_file", load_embedding)
    for script in get_host().scripts:
        if hasattr(script.module, "axis_options"):
            script.module.axis_options += build_axes(script.module.AxisOption, lambda: read_option(PRESETS))


def add_settings() -> None:
    """A section of the host's settings."""
    shared = get_host().shared
    for name, (default, label) in OPTIONS.items():
        shared.opts.add_option(name, shared.OptionInfo(default, label, section=("underdrawing", TITLE)))


def read_option(name: str) -> Any:
    """Value of one of `OPTIONS`."""
    return get_host().shared.opts.data.get(name, OPTIONS[name][0])


def last_receipts() -> dict[str, Any]:
    """What became of the LoRAs of the last prompt, JSON-serialisable."""
    return get_host().loras.session.to_json()


def activate(original: Callable[..., Any], network: Any, p: Any, params: list[Any]) -> None:
    """The host's reading of all LoRA tags of a prompt, in terms that it understands."""
    loras, tags = get_host().loras, [one.items for one in params]
    whole = read_option(TAGS) and not NEIGHBOURS & {Path(script.path).name for script in get_host().scripts}
    hires, presets = bool(getattr(p, "is_hr_pass", False)), read_option(PRESETS)
    loras.session.begin(tags, loras.find, steps=p.steps, hires=hires, presets=presets, whole=whole)
    given = loras.session.rewrite(params, loras.list_use)
    count = len(given)
    original(network, p, given)
    for added in given[count:]:
        loras.session.add(added.items[0])
    loras.session.show(p, get_host().note, infotext=read_option(INFOTEXT))


def set_strengths(params: Any) -> None:
    """Before each call of the UNet: the strengths of that step."""
    loras, denoiser = get_host().loras, params.denoiser
    hires = bool(getattr(denoiser.p, "is_hr_pass", False))
    if strengths := loras.session.find_strengths(denoiser.step, denoiser.total_steps, denoiser.steps, hires=hires):
        loras.set_strengths(strengths)


def load_embedding(original: Callable[..., Any], database: Any, path: str, filename: str) -> None:
    """The host's reading of an embedding file, and ours of what it refuses."""
    load_refused(original, database, path, filename, add=partial(get_host().loras.add_embedding, database, path))
