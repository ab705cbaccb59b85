"""Finds, fetches and opens weights files. Nothing is downloaded without consent, nothing unverified is used."""

from __future__ import annotations

import os
import shutil
import sys
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from .errors import BadParameter, BadWeights, FetchFailed, WeightsMissing, WriteFailed
from .files import atomic_stream, sha256_file
from .places import HashMemory, Place, cache_folder, cached_path, has_identity, places

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from torch import Tensor

    from .weights import Weight

    Progress = Callable[[int, int], None]

PICKLED = (".pth", ".pt", ".ckpt", ".bin")
WRAPPERS = ("state_dict", "model", "params")
"""Keys under which checkpoints keep the table of tensors; tried in this order, again inside what they hold."""
_YES = ("1", "on", "yes", "true")


class Verdict(NamedTuple):
    """Result of checking one weight. reason: what is wrong, or where it was found."""

    ok: bool
    path: Path | None
    reason: str


class Store:
    """All weights on this machine. cache: our own folder, by default UNDERDRAWING_CACHE or the user's cache folder.

    remember: whether hashes of found files are written down in the cache (False leaves every folder untouched).
    asks: whether the user may be asked on a terminal; a host's server turns it off.
    """

    asks = True

    def __init__(self, cache: Path | None = None, *, remember: bool = True) -> None:
        self._cache, self._remember = cache, remember
        self._memory: HashMemory | None = None

    @property
    def cache(self) -> Path:
        """Our own folder; read from the environment each time unless given."""
        return self._cache or cache_folder()

    def find(self, weight: Weight) -> Path | None:
        """File with exactly the record's bytes, wherever it lies; None if there is none or the record pins nothing.

        Order: UNDERDRAWING_WEIGHTS, bundled, our cache, the hub's cache, folders of hosts and packs.
        """
        if not has_identity(weight):
            return None
        return next((place.path for place in self.where(weight) if self._is(place.path, weight)), None)

    def where(self, weight: Weight) -> tuple[Place, ...]:
        """Every path at which the file is looked for, in order."""
        return tuple(dict.fromkeys(places(weight, self.cache)))

    def verify(self, weight: Weight) -> Verdict:
        """Hash the file anew and say what is found."""
        if not has_identity(weight):
            return Verdict(ok=False, path=None, reason="the record has no hash")
        faults: list[str] = []
        for place in self.where(weight):
            fault = _fault(place.path, weight)
            if not fault:
                return Verdict(ok=True, path=place.path, reason=f"sha256 matches ({place.source})")
            if fault != "absent" and place.source != "host":
                faults.append(f"{place.path} {fault}")
        return Verdict(ok=False, path=None, reason="; ".join(faults) or "not on this machine")

    def require(self, weight: Weight, progress: Progress | None = None) -> Path:
        """Find the file, or fetch it if UNDERDRAWING_DOWNLOAD allows. Raises WeightsMissing or FetchFailed."""
        found = self.find(weight)
        if found is not None:
            return found
        wish = os.environ.get("UNDERDRAWING_DOWNLOAD", "ask").strip().lower() or "ask"
        if wish not in ("ask", "always", "never"):
            raise BadParameter(
                f"{wish!r} is not a choice", where="UNDERDRAWING_DOWNLOAD", fix="set it to ask, always or never"
            )
        _check_fetchable(weight)
        if offline():
            raise self._missing(weight, "HF_HUB_OFFLINE is set, so nothing is fetched; unset it and ")
        if wish == "always" or (wish == "ask" and self._asked(weight)):
            return self.fetch(weight, progress)
        raise self._missing(weight, "")

    def fetch(self, weight: Weight, progress: Progress | None = None) -> Path:
        """Download into our cache, unless the file is on this machine already; calling this is consent.

        progress: told (bytes so far, bytes in all). HF_HUB_OFFLINE still forbids it. Raises FetchFailed,
        WeightsMissing.
        """
        found = self.find(weight)
        if found is not None:
            return found
        _check_fetchable(weight)
        if offline():
            raise self._missing(weight, "HF_HUB_OFFLINE is set, so nothing is fetched; unset it and ")
        from .fetch import download

        return download(weight, cached_path(self.cache, weight), self.cache / "parts", progress)

    def import_file(self, path: str | os.PathLike[str], records: Iterable[Weight]) -> Weight:
        """Copy a file into our cache if one of the records knows its bytes. Raises BadWeights, WriteFailed."""
        source = Path(path)
        if not source.is_file():
            raise BadWeights("is not a file", where=str(source), fix="check the name")
        digest, size = sha256_file(source), source.stat().st_size
        known = next((w for w in records if has_identity(w) and (w.sha256, w.size) == (digest, size)), None)
        if known is None:
            what = f"is none of the weights known here (sha256 {digest}, {size} bytes)"
            raise BadWeights(what, where=str(source), fix="see `underdrawing weights list` for the files that are")
        target = cached_path(self.cache, known)
        if _fault(target, known):
            with source.open("rb") as stream, atomic_stream(target, size=size) as copy:
                shutil.copyfileobj(stream, copy, 1 << 20)
            if fault := _fault(target, known):
                raise BadWeights(f"changed while it was copied: {fault}", where=str(source), fix="import it again")
        return known

    def tensors(self, weight: Weight) -> tuple[dict[str, Tensor], dict[str, str]]:
        """Tensors and metadata of a weight. Raises WeightsMissing, BadWeights or UnsafeFile.

        A pickled file is read by `core.pickles` only while its bytes match the record, stepped into WRAPPERS, and
        converted once into our cache; what was not a tensor is named in metadata "dropped".
        """
        path = self.require(weight)
        suffix = Path(weight.file).suffix.lower()
        if suffix == ".safetensors":
            return _read(path)
        if suffix in PICKLED:
            return self._converted(weight, path)
        raise BadWeights(f"files ending in {suffix!r} hold no tensors this can read", where=weight.id)

    def _converted(self, weight: Weight, path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
        from .safetensors_check import write_safetensors

        target = self.cache / "converted" / f"{weight.sha256}.safetensors"
        if target.is_file():
            try:
                tensors, metadata = _read(target)
            except BadWeights:
                tensors, metadata = {}, {}
            if metadata.get("source_sha256") == weight.sha256:
                return tensors, metadata
        tensors, metadata = _unpickled(weight, path)
        with suppress(WriteFailed):  # a read-only cache: the file is read again next time
            write_safetensors(target, tensors, metadata)
        return tensors, metadata

    def _is(self, path: Path, weight: Weight) -> bool:
        try:
            if not path.is_file() or path.stat().st_size != weight.size:
                return False
            return self._sha256(path) == weight.sha256
        except OSError:
            return False

    def _sha256(self, path: Path) -> str:
        if not self._remember:
            return sha256_file(path)
        if self._memory is None or self._memory.path.parent != self.cache:
            self._memory = HashMemory(self.cache / "hashes.json")
        return self._memory.sha256(path)

    def _asked(self, weight: Weight) -> bool:
        if not (self.asks and sys.stdin and sys.stderr and sys.stdin.isatty() and sys.stderr.isatty()):
            return False
        sys.stderr.write(f"{_described(weight)}\nIt would be kept in {self.cache}. Fetch it now? [y/N] ")
        sys.stderr.flush()
        return sys.stdin.readline().strip().lower() in ("y", "yes")

    def _missing(self, weight: Weight, before: str) -> WeightsMissing:
        folder = cached_path(self.cache, weight).parent
        command = f"{before}run `underdrawing weights fetch {weight.id}` (goes to {folder})"
        fix = f"{command}, or `underdrawing weights import FILE`"
        return WeightsMissing(_described(weight), where=weight.id, fix=fix)


def _described(weight: Weight) -> str:
    commercial = "yes" if weight.commercial else "no"
    return (
        f"the weights {weight.id} are not on this machine ({weight.size / 1e6:.1f} MB, licence {weight.licence}, "
        f"commercial use: {commercial})"
    )


def offline() -> bool:
    """Whether HF_HUB_OFFLINE forbids every download."""
    return os.environ.get("HF_HUB_OFFLINE", "").strip().lower() in _YES


def _check_fetchable(weight: Weight) -> None:
    if not weight.repo:
        raise WeightsMissing(
            "comes with this package but is gone or changed", where=weight.id, fix="install the package again"
        )
    if not has_identity(weight):
        raise FetchFailed("the record has no hash, so nothing that is fetched could be verified", where=weight.id)


def _fault(path: Path, weight: Weight) -> str:
    try:
        if not path.is_file():
            return "absent"
        if (size := path.stat().st_size) != weight.size:
            return f"has {size} bytes, the record says {weight.size}"
        found = sha256_file(path)
    except OSError as error:
        return f"cannot be read ({error.strerror or error})"
    return "" if found == weight.sha256 else f"has the sha256 {found}, the record says {weight.sha256}"


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    from .safetensors_check import check, read_safetensors

    return read_safetensors(path), check(path).metadata


def _unpickled(weight: Weight, path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    import torch

    from .pickles import read, state_dict

    content = read(path, sha256=weight.sha256)
    table: dict[str, Any] = state_dict(content, unwrap=WRAPPERS, where=str(path))
    tensors = {name: value for name, value in table.items() if isinstance(value, torch.Tensor)}
    if not tensors:
        raise BadWeights("holds no tensors", where=str(path))
    dropped = [name for name in table if name not in tensors]
    metadata = {"format": "pt", "source": weight.id, "source_sha256": weight.sha256}
    return tensors, metadata | ({"dropped": ", ".join(dropped)} if dropped else {})


@lru_cache(maxsize=1)
def store() -> Store:
    """Store of this process."""
    return Store()
