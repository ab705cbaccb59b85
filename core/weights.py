"""Records of weights files. Finding and fetching them is the business of `core.store`."""

from __future__ import annotations

import msgspec


class Weight(msgspec.Struct, frozen=True, kw_only=True):
    """One weights file, pinned.

    repo, revision, file: where the hub keeps it; empty repo for files that only come with this package.
    sha256, size: of the file's bytes. licence: name or SPDX id; commercial: whether its licence allows commercial use.
    bundled: name of the copy inside this package, relative to preprocessors/bundled.
    known_as: other file names under which hosts and packs keep the same bytes.
    """

    file: str
    sha256: str
    size: int
    licence: str
    commercial: bool
    repo: str = ""
    revision: str = "main"
    bundled: str = ""
    known_as: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """Stable name on every surface: the repository's file, or the bundled file."""
        return f"{self.repo}/{self.file}" if self.repo else self.file
