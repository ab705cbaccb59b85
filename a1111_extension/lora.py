"""LoRAs and embeddings that the host reads in part or not at all, behind its own tags."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

from ..adapters.hosting.options import add_options
from .hosts import get_host


def register() -> None:
    """Put ourselves in the host's way when all scripts are loaded."""
    host = get_host()
    host.callbacks.on_ui_settings(lambda: add_options(host.shared))
    if "networks" in sys.modules:
        host.callbacks.on_before_ui(install)
        host.callbacks.on_cfg_denoiser(follow)
    else:
        host.note("the host's own extension for LoRAs is not loaded, so ours has nothing to add to")


def install() -> None:
    """Wrap what is not wrapped yet."""
    tag_class = sys.modules["extra_networks_lora"].ExtraNetworkLora
    get_host().loras.install(tag_class, import_module("modules.scripts").scripts_data)


def follow(params: Any) -> None:
    """Before a call of the UNet: the strengths of its step."""
    get_host().loras.follow(params.denoiser)


def last_receipts() -> dict[str, Any]:
    """What became of the LoRAs of the last prompt, JSON-serialisable."""
    return get_host().loras.session.to_json()
