"""Hashes of files whose records state none: trusted on first use, held to ever after.

A pin is one small JSON file in the cache, ``pins/<repository>/<file>.json``. The first fetch makes it from what the hub
states (commit, sha256, size), or a user from a file of theirs; afterwards only these bytes are that weight.
"""

from __future__ import annotations

import json
import os
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Literal

import msgspec

from ..errors import BadWeights
from ..files import EMPTY_SHA256, atomic_write, make_process_tag, report_write_errors
from ..regular_files import read_regular_file
from .search_paths import check_relative_path

if TYPE_CHECKING:
    from pathlib import Path

    from .record import Weight

Origin = Literal["hub", "user"]
UNPINNED = "not pinned by this project"
ORIGINS: dict[Origin, str] = {
    "hub": f"{UNPINNED}: hash as the hub stated it on first use",
    "user": f"{UNPINNED}: hash of the file that was declared to be it",
}


class Pin(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a file since its first use. origin: who said so, the hub or the user."""

    sha256: str
    size: int
    revision: str
    origin: Origin


class Pins:
    """All pins below a cache folder."""

    def __init__(self, cache: Path) -> None:
        self._cache = cache

    def path(self, weight: Weight) -> Path:
        """File of a weight's pin, whether it is there or not."""
        file = self._cache / "pins" / check_relative_path(weight.repo) / check_relative_path(weight.file)
        return file.with_name(f"{file.name}.json")

    def get(self, weight: Weight) -> Pin | None:
        """Pin of a weight. Raises BadWeights when its file is damaged: trust is not begun anew by itself."""
        path = self.path(weight)
        try:
            pin = msgspec.json.decode(read_regular_file(path), type=Pin)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
            raise _build_error(path, weight) from error
        if not re.fullmatch("[0-9a-f]{64}", pin.sha256) or pin.sha256 == EMPTY_SHA256 or pin.size <= 0:
            raise _build_error(path, weight)
        return pin

    def add(self, weight: Weight, pin: Pin) -> Pin:
        """Pin a weight unless it is pinned; returns the pin that holds. Raises BadWeights, WriteFailed."""
        path = self.path(weight)
        if (held := self.get(weight)) is not None:
            return held
        data = json.dumps(msgspec.to_builtins(pin), indent=1).encode()
        with report_write_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        new = atomic_write(path.with_name(f"{path.name}.{make_process_tag()}"), data)
        try:
            os.link(new, path)  # fails when another process was quicker, which a rename would not
        except FileExistsError:
            return self.get(weight) or pin
        except OSError:  # a file system without hard links
            atomic_write(path, data)
        finally:
            with suppress(OSError):
                new.unlink()
        return pin

    def drop(self, weight: Weight) -> None:
        """Forget a pin; the weight's next fetch is its first use again."""
        with suppress(OSError):
            self.path(weight).unlink()


def complete_record(weight: Weight, pin: Pin) -> Weight:
    """Record of a weight with what its pin states."""
    return msgspec.structs.replace(weight, sha256=pin.sha256, size=pin.size, revision=pin.revision or weight.revision)


def _build_error(path: Path, weight: Weight) -> BadWeights:
    fix = "remove that file and fetch or import the weights again"
    return BadWeights(f"the pin of its first use is damaged: {path}", where=weight.id, fix=fix)
