"""Records of weights files; `core.weights.store` finds and downloads them."""

from __future__ import annotations

import msgspec

SPACES = "spaces/"
"""Start of the names of repositories that are the hub's Spaces."""


class Weight(msgspec.Struct, frozen=True, kw_only=True):
    """One weights file.

    repo, revision, file: where the hub keeps it; empty repo for files that only come with this package.
    sha256, size: of the file's bytes; size 0 when only the hash is known; both empty when neither is: then the file is
    trusted on first use, see `pins`. licence: name or SPDX id; commercial: whether it allows commercial use.
    bundled: name of the copy inside this package, relative to preprocessors/bundled.
    url: full address of a file that no hub keeps; repo then says whose it is.
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
    url: str = ""
    known_as: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """Stable name on every surface: the repository's file, or the bundled file."""
        return f"{self.repo}/{self.file}" if self.repo else self.file

    @property
    def unpinned(self) -> bool:
        """Whether the record states neither hash nor size."""
        return not self.sha256 and not self.size

    @property
    def megabytes(self) -> str:
        """Size in words."""
        return f"{self.size / 1e6:.1f} MB" if self.size else "size not known here"
