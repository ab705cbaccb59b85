"""Where a run takes place: the host, folders of files, the device, and who looks at unfinished pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from ...core.hooks import HostHooks
from ..models.finding import list_roots

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ..request import Pixels


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """Circumstances of a run.

    folders: of checkpoints, VAEs and ControlNets; loras, embeddings: theirs; all are looked at before the host's own,
    and those of the hosts that UNDERDRAWING_HOSTS names.
    preview: sees the picture as it would become, after each preview_every steps (0: never). device: auto, cpu, cuda,
    cuda:1 or mps; dtype: auto, float32, bfloat16 or float16; backend: torch or openvino.
    """

    host: HostHooks = msgspec.field(default_factory=HostHooks)
    folders: tuple[Path, ...] = ()
    loras: tuple[Path, ...] = ()
    embeddings: tuple[Path, ...] = ()
    preview: Callable[[Pixels], None] | None = None
    preview_every: int = 0
    device: str = "auto"
    dtype: str = "auto"
    backend: str = "torch"

    @property
    def lora_folders(self) -> list[Path]:
        """Folders in which LoRAs are looked for."""
        return list_roots("LoRA", [*self.loras, *self.host.folders("lora")])

    @property
    def embedding_folders(self) -> list[Path]:
        """Folders in which embeddings are looked for."""
        return list_roots("embedding", [*self.embeddings, *self.host.folders("embedding")])
