"""Finds, fetches and opens weights files. Nothing is downloaded without consent, nothing unverified is used."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from .. import settings
from ..errors import BadWeights, WeightsMissing
from ..files import hash_file
from .advice import add_missing, build_missing_error, describe_missing, find_ban
from .checks import check_fetchable, copy_file, find_fault, has_bytes, inspect_file
from .consent import ask
from .hashes import HashMemory
from .pins import ORIGINS, UNPINNED, Pin, Pins, complete_record
from .search_paths import (
    Location,
    find_cache_folder,
    find_fetch_folder,
    find_parts_folder,
    find_path_below,
    has_identity,
    iter_locations,
)

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Sequence

    from torch import Tensor

    from .record import Weight

    Progress = Callable[[int, int], None]

ABSENT = "not on this machine"


class Verdict(NamedTuple):
    """Result of checking one weight. reason: what is wrong, or where it was found."""

    ok: bool
    path: Path | None
    reason: str


class Store:
    """All weights on this machine. cache: our own folder, by default UNDERDRAWING_CACHE or the user's cache folder.

    remember: whether hashes of found files are written down in the cache (False leaves every folder untouched).
    may_ask: whether the user may be asked on a terminal; a host's server turns it off.
    """

    may_ask = True

    def __init__(self, cache: Path | None = None, *, remember: bool = True) -> None:
        self._cache, self._remember = cache, remember
        self._memory: HashMemory | None = None

    @property
    def cache(self) -> Path:
        """Our own folder; read from the environment each time unless given."""
        return self._cache or find_cache_folder()

    @property
    def folder(self) -> Path:
        """Where fetched and imported files go: the host's folder inside a host, else below our cache."""
        return self.cache / "weights" if self._cache else find_fetch_folder(self.cache)

    @property
    def pins(self) -> Pins:
        """Hashes of files whose records state none."""
        return Pins(self.cache)

    def complete(self, weight: Weight) -> Weight:
        """Record of a weight, with the hash of its pin if it states none itself. Raises BadWeights (damaged pin)."""
        pin = self.pins.get(weight) if weight.unpinned else None
        return weight if pin is None else complete_record(weight, pin)

    def try_complete(self, weight: Weight) -> Weight:
        """Like `complete` for display: a damaged pin counts as none."""
        try:
            return self.complete(weight)
        except BadWeights:
            return weight

    def describe_pin(self, weight: Weight) -> str:
        """Who says which bytes a weight has, in words; empty when its record does."""
        if not weight.unpinned:
            return ""
        try:
            pin = self.pins.get(weight)
        except BadWeights as error:
            return f"{UNPINNED}; {error.what}"
        return ORIGINS[pin.origin] if pin else f"{UNPINNED}: the hash that the hub states is trusted on first use"

    def find(self, weight: Weight) -> Path | None:
        """File with exactly the record's bytes, wherever it lies; None if there is none or nothing pins it yet.

        Order: UNDERDRAWING_WEIGHTS, bundled, our cache, the hub's cache, folders of hosts and packs.
        """
        record = self.try_complete(weight)
        if not has_identity(record):
            return None
        return next((place.path for place in self.list_locations(record) if self._matches(place.path, record)), None)

    def list_locations(self, weight: Weight) -> tuple[Location, ...]:
        """Every path at which the file is looked for, in order."""
        return tuple(dict.fromkeys(iter_locations(weight, self.cache)))

    def verify(self, weight: Weight) -> Verdict:
        """Hash the file anew and say what is found."""
        pin = self.describe_pin(weight)
        try:
            weight = self.complete(weight)
        except BadWeights as error:
            return Verdict(ok=False, path=None, reason=error.what)
        if weight.unpinned or not has_identity(weight):
            return Verdict(ok=False, path=None, reason=ABSENT if weight.unpinned else "the record has no hash")
        faults: list[str] = []
        for place in self.list_locations(weight):
            fault = find_fault(place.path, weight)
            if not fault:
                source = f"{place.source}; {pin}" if pin else place.source
                return Verdict(ok=True, path=place.path, reason=f"sha256 matches ({source})")
            if fault != "absent" and place.source != "host":
                faults.append(f"{place.path} {fault}")
        return Verdict(ok=False, path=None, reason="; ".join(faults) or ABSENT)

    def require(self, weight: Weight, progress: Progress | None = None) -> Path:
        """Find the file, or fetch it if UNDERDRAWING_DOWNLOAD allows.

        Raises WeightsMissing, FetchFailed, or BadWeights for a damaged pin.
        """
        if (path := self.find(weight)) is not None:
            return path
        self.complete(weight)
        if not self._is_allowed(weight):
            raise self._build_error(weight)
        return self.fetch(weight, progress)

    def require_each(self, weights: Sequence[Weight]) -> None:
        """Make sure of several files. Raises as `require`; a WeightsMissing names every file that is not here."""
        for index, weight in enumerate(weights):
            try:
                self.require(weight)
            except WeightsMissing as error:
                others = [other for other in weights[index + 1 :] if self.find(other) is None]
                raise add_missing(error, [self.try_complete(other) for other in others]) from error

    def fetch(self, weight: Weight, progress: Progress | None = None) -> Path:
        """Download into our cache, unless the file is on this machine already; calling this is consent.

        progress: called with (bytes so far, bytes in all). HF_HUB_OFFLINE still forbids it. Raises FetchFailed,
        WeightsMissing.
        """
        if (path := self.find(weight)) is not None:
            return path
        check_fetchable(weight)
        self._check_online(weight)
        target, parts = find_path_below(self.folder, weight), find_parts_folder(self.folder, self.cache)
        if not weight.size:
            from .pin_on_first_use import download_unpinned

            return download_unpinned(weight, self.pins, target, parts, progress)
        from .download import download

        return download(weight, target, parts, progress)

    def import_file(self, path: str | os.PathLike[str], records: Iterable[Weight]) -> Weight:
        """Copy a file into our cache if one of the records knows its bytes. Raises BadWeights, WriteFailed."""
        source, digest, size = inspect_file(path)
        known = next((w for w in records if has_bytes(self.complete(w), digest, size)), None)
        if known is None:
            what = f"is none of the weights known here (sha256 {digest}, {size} bytes)"
            fix = "see `underdrawing weights list` for the files that are; one that is not pinned needs --as ID"
            raise BadWeights(what, where=str(source), fix=fix)
        copy_file(source, find_path_below(self.folder, known), self.complete(known))
        return known

    def import_as(self, path: str | os.PathLike[str], weight: Weight) -> Weight:
        """Copy a file into our cache as this weight; one that the project does not pin is pinned to these bytes.

        The latter is read first. Raises BadWeights for other bytes than the record's or pin's, UnsafeFile, WriteFailed.
        """
        from .load import check_declared

        (source, digest, size), record = inspect_file(path), self.complete(weight)
        if record.unpinned:
            pin = Pin(sha256=digest, size=size, revision=weight.revision, origin="user")
            check_declared(source, complete_record(weight, pin), self.cache / "converted")
            record = complete_record(weight, self.pins.add(weight, pin))
        if not has_bytes(record, digest, size):
            what = f"has the sha256 {digest}, {weight.id} has {record.sha256}"
            pinned = f"; if you trust this file, remove {self.pins.path(weight)} first" if weight.unpinned else ""
            raise BadWeights(what, where=str(source), fix=f"get the right file{pinned}")
        copy_file(source, find_path_below(self.folder, record), record)
        return weight

    def read_tensors(self, weight: Weight) -> tuple[dict[str, Tensor], dict[str, str]]:
        """Tensors and metadata of a weight. Raises WeightsMissing, BadWeights or UnsafeFile.

        A pickled file is read by `torch_files` only while its bytes match the record, stepped into WRAPPERS, and
        converted once into our cache; what was not a tensor is named in metadata "dropped".
        """
        from .load import read_weights

        path = self.require(weight)
        return read_weights(path, self.complete(weight), self.cache / "converted")

    def _matches(self, path: Path, weight: Weight) -> bool:
        try:
            if not path.is_file() or path.stat().st_size != (weight.size or path.stat().st_size):
                return False
            return self._hash(path) == weight.sha256
        except OSError:
            return False

    def _hash(self, path: Path) -> str:
        if not self._remember:
            return hash_file(path)
        if self._memory is None or self._memory.path.parent != self.cache:
            self._memory = HashMemory(self.cache / "hashes.json")
        return self._memory.sha256(path)

    def _is_allowed(self, weight: Weight) -> bool:
        """Whether UNDERDRAWING_DOWNLOAD, or the user on a terminal, allows a download. Raises WeightsMissing."""
        consent = settings.DOWNLOAD.read()
        check_fetchable(weight)
        self._check_online(weight)
        if consent == "ask" and self.may_ask:
            terms = describe_missing(self.try_complete(weight), self.describe_pin(weight))
            return ask(f"{weight.id}: {terms}\nIt would be kept in {self.folder}. Fetch it now?")
        return consent == "always"

    def _check_online(self, weight: Weight) -> None:
        if variable := find_ban():
            raise self._build_error(weight, f"{variable} is set, so nothing is fetched; unset it and ")

    def _build_error(self, weight: Weight, before: str = "") -> WeightsMissing:
        record, folder = self.try_complete(weight), find_path_below(self.folder, weight).parent
        places = (place.path for place in self.list_locations(weight)) if record.unpinned else ()
        return build_missing_error(record, self.describe_pin(weight), folder, places, before)


@lru_cache(maxsize=1)
def get_store() -> Store:
    """Store of this process."""
    return Store()
