"""An adapter file, understood: deltas by module, learned tokens, and an account of every key."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .modules.parts import find_part

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from .deltas.base import Delta

Embeddings = dict[str, "dict[str, Tensor]"]
"""Token → text encoder ("text_encoder", "text_encoder_2") → vectors [n, width]."""


@dataclass(frozen=True, eq=False)
class Adapter:
    """Deltas under canonical names, and what became of every key of the file.

    modules: "unet.down_blocks..." → delta. embeddings: learned tokens that came along. dialect: naming scheme(s) of the
    file. used: key → canonical module or token. unused: key → reason. rejected: dialect → why it was not that one.
    ldm: modules that the file names by block numbers of the LDM layout → that name: the model says which layer it is.
    architecture: id of the base model, where it is one with a transformer; else "". variant: which of that model's
    ("dev"), "" where the file does not tell. trainer: the program that wrote the file. precisions: dtype → tensors.
    noise: "high" or "low", for one of two experts. could_be: ids of other base models that have the names of its
    layers; reader: reads the same file as one for such a model. Every key of the file is in used or in unused, never in
    both.
    """

    path: Path
    modules: dict[str, Delta]
    embeddings: Embeddings
    dialect: str
    metadata: dict[str, str]
    used: dict[str, str]
    unused: dict[str, str]
    rejected: dict[str, str] = field(default_factory=dict[str, str])
    notes: tuple[str, ...] = ()
    finite: bool = True
    ldm: dict[str, str] = field(default_factory=dict[str, str])
    architecture: str = ""
    variant: str = ""
    trainer: str = ""
    precisions: dict[str, int] = field(default_factory=dict[str, int])
    noise: str = ""
    could_be: tuple[str, ...] = ()
    reader: Callable[[str], Adapter] | None = None

    def read_as(self, architecture: str) -> Adapter:
        """The same file read as one for another base model that it could be for; itself for any other."""
        if self.reader is None or architecture not in self.could_be:
            return self
        return self.reader(architecture)

    @property
    def name(self) -> str:
        """File name without its ending."""
        return self.path.stem

    @property
    def algorithms(self) -> dict[str, int]:
        """Algorithm → number of modules."""
        return dict(Counter(delta.algorithm for delta in self.modules.values()))

    @property
    def ranks(self) -> dict[int, int]:
        """Rank → number of modules."""
        return dict(sorted(Counter(delta.rank for delta in self.modules.values() if delta.rank is not None).items()))

    @property
    def blocks(self) -> dict[str, int]:
        """Block, as block weights name it, → number of modules, in their order; "" for what belongs to no block."""
        from .prompts.block_weights import count_blocks

        return count_blocks(self.modules, self.base_model)

    @property
    def base_model(self) -> str:
        """Architecture the file was most likely made for: "sd15", "sd21", "sdxl", "flux1", … or "unknown"."""
        from .reading.base_model import guess_base_model

        return self.architecture or guess_base_model(self)

    @property
    def family(self) -> str:
        """What the base model is counted to ("SDXL", "Flux.1"), "" for one that is not known."""
        from .modules.architectures import ARCHITECTURES

        known = ARCHITECTURES.get(self.base_model)
        return "" if known is None else known.family

    def report(self) -> dict[str, Any]:
        """What `lora inspect` shows; JSON-serialisable. Metadata is summed up, never echoed whole."""
        return {
            "file": self.path.name,
            "dialect": self.dialect,
            "base_model": self.base_model,
            "family": self.family,
            "variant": self.variant,
            "trainer": self.trainer,
            "precision": self.precisions,
            "noise": self.noise,
            "could_be": list(self.could_be),
            "modules": self.algorithms,
            "ranks": {str(rank): count for rank, count in self.ranks.items()},
            "blocks": self.blocks,
            "parts": dict(Counter(map(find_part, self.modules))),
            "embeddings": {t: {e: list(v.shape) for e, v in vectors.items()} for t, vectors in self.embeddings.items()},
            "unused": self.unused,
            "rejected": self.rejected,
            "finite": self.finite,
            "keys": len(self.used) + len(self.unused),
            "metadata": sorted(key[:80] for key in self.metadata),
            "notes": list(self.notes),
        }
