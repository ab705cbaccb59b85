"""One adapter of PEFT's folders for the parts of a model."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from ..adapter import Adapter

if TYPE_CHECKING:
    from pathlib import Path

    from ..deltas.base import Delta


def join_parts(path: Path, parts: list[Adapter]) -> Adapter:
    """The parts in one; keys begin with the folder's name, and a layer that two folders have is used of neither."""

    def under(part: Adapter, table: dict[str, str]) -> dict[str, str]:
        return {f"{part.path.parent.name}/{key}": value for key, value in table.items()}

    modules: dict[str, Delta] = {}
    used: dict[str, str] = {}
    unused: dict[str, str] = {}
    for part in parts:
        twice = part.modules.keys() & modules.keys()
        modules |= {name: delta for name, delta in part.modules.items() if name not in twice}
        for key, owner in under(part, part.used).items():
            if owner in twice:
                unused[key] = f"another folder has {owner} too"
            else:
                used[key] = owner
        unused |= under(part, part.unused)
    return Adapter(
        path=path,
        modules=modules,
        embeddings={token: vectors for part in parts for token, vectors in part.embeddings.items()},
        dialect="+".join(dict.fromkeys(part.dialect for part in parts)),
        metadata={key: value for part in parts for key, value in part.metadata.items()},
        used=used,
        unused=unused,
        rejected={key: value for part in parts for key, value in part.rejected.items()},
        notes=tuple(dict.fromkeys(note for part in parts for note in part.notes)),
        finite=all(part.finite for part in parts),
        ldm={module: name for part in parts for module, name in part.ldm.items()},
        architecture=next((part.architecture for part in parts if part.architecture), ""),
        variant=next((part.variant for part in parts if part.variant), ""),
        trainer=next((part.trainer for part in parts if part.trainer), ""),
        precisions=dict(sum((Counter(part.precisions) for part in parts), Counter())),
        noise=next((part.noise for part in parts if part.noise), ""),
    )
