"""Records of files in DWPose's own repository."""

from __future__ import annotations

from ...core.weights.record import Weight


def dwpose_file(file: str, sha256: str, size: int) -> Weight:
    """Record of a file there."""
    return Weight(
        repo="yzd-v/DWPose",
        revision="1a7144101628d69ee7a3768d1ee3a094070dc388",
        file=file,
        sha256=sha256,
        size=size,
        licence="Apache-2.0",
        commercial=True,
    )
