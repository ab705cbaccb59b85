"""Records of files in ControlNet's own collection of annotator weights."""

from __future__ import annotations

from ...core.weights.record import Weight

REPO = "lllyasviel/Annotators"
REVISION = "982e7edaec38759d914a963c48c4726685de7d96"


def annotators_file(file: str, sha256: str = "", size: int = 0, *, licence: str, commercial: bool) -> Weight:
    """One file of the collection. sha256, size: empty and 0 where they are not known here."""
    return Weight(
        repo=REPO, revision=REVISION, file=file, sha256=sha256, size=size, licence=licence, commercial=commercial
    )
