"""Where weights files may be on this machine: our cache, the hub's, and the folders of hosts and other packs.

Files in foreign folders are recognised by size and then sha256, used in place, and never copied, moved or deleted.
"""

from __future__ import annotations

import sys
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

from .. import settings
from ..errors import BadWeights
from ..files import EMPTY_SHA256
from ..regular_files import read_text_file
from ..setting_values import expand_path
from .record import SPACES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .record import Weight

PACKAGE = Path(__file__).parents[2]
HOST_PATTERNS = (
    "custom_nodes/*/ckpts/{repo}",
    "custom_nodes/*/ckpts",
    "models/ControlNetPreprocessor/*",
    "models/ControlNetPreprocessor",
    "models/ControlNet",
    "models/controlnet",
    "extensions/sd-webui-controlnet/annotator/downloads/*",
    "extensions/sd-webui-controlnet/annotator/downloads",
    "extensions/sd-webui-controlnet/models",
    "annotator/ckpts",
    "annotator/downloads/*",
)
"""Folders below a host's root (ComfyUI, A1111, Forge, the original ControlNet) where annotator weights are kept."""

HOST_FOLDER = "underdrawing"
"""Our folder below a host's models, and its name in ComfyUI's extra_model_paths.yaml."""

EXTENSION_FOLDERS = ("custom_nodes", "extensions")
"""Folders below a host's root in which packs of nodes and extensions stand."""

_host_roots: list[Path] = []
_host_folders: list[Path] = []


def register_host(root: Path, folders: Iterable[Path]) -> None:
    """Register the root of the host this runs in, and the folders in which its users keep our weights.

    What is fetched goes to the first of them. A second call adds what is new.
    """
    _host_roots[:] = dict.fromkeys((*_host_roots, root))
    _host_folders[:] = dict.fromkeys((*_host_folders, *folders))


def find_own_host() -> Path | None:
    """Our folder for weights in the host that this package is cloned into; None when it is in none."""
    roots = (parent.parent for parent in PACKAGE.absolute().parents if parent.name in EXTENSION_FOLDERS)
    return next((root / "models" / HOST_FOLDER for root in roots if (root / "models").is_dir()), None)


def is_inside_host() -> bool:
    """Whether the packages here are a host's: one is registered, or this package or its Python lies in one."""
    beside = Path(sys.prefix).parent
    signs = (beside / "webui.py", beside / "custom_nodes", beside / "ComfyUI" / "custom_nodes")
    return bool(_host_roots) or find_own_host() is not None or any(sign.exists() for sign in signs)


def find_fetch_folder(cache: Path) -> Path:
    """Folder to which files are fetched: the host's, where there is one and UNDERDRAWING_CACHE names no other."""
    if settings.CACHE.read() is not None:
        return cache / "weights"
    return next(iter(_host_folders), None) or find_own_host() or cache / "weights"


def find_parts_folder(folder: Path, cache: Path) -> Path:
    """Folder of unfinished downloads, on the disk of the folder that they go to."""
    return cache / "parts" if folder.is_relative_to(cache) else folder / ".parts"


class Location(NamedTuple):
    """One path where a file may be. source: "explicit", "bundled", "cache", "hub" or "host"."""

    source: str
    path: Path


def find_cache_folder() -> Path:
    """Our own cache: UNDERDRAWING_CACHE, or the user's cache folder."""
    if (folder := settings.CACHE.read()) is not None:
        return folder
    from platformdirs import user_cache_dir

    return Path(user_cache_dir("underdrawing", appauthor=False))


def find_cached_path(cache: Path, weight: Weight) -> Path:
    """Path of a weight in our cache. Raises BadWeights when the record's names lead out of it."""
    return find_path_below(cache / "weights", weight)


def find_path_below(folder: Path, weight: Weight) -> Path:
    """Path of a weight in a folder of fetched files. Raises BadWeights when the record's names lead out of it."""
    return folder / check_relative_path(weight.repo) / check_relative_path(weight.file)


def check_relative_path(name: str) -> PurePosixPath:
    """Relative path of a record, checked on every system's terms. Raises BadWeights."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or any(c in '\\:*?"<>|' or ord(c) < 32 for c in name):
        raise BadWeights(
            f"the record's name {name!r} does not stay inside its folder", fix="report this to the annotator's author"
        )
    return path


def has_identity(weight: Weight) -> bool:
    """Whether the record pins its bytes: a whole sha256 that is not the hash of nothing; a size of 0 is not known."""
    digest = weight.sha256
    return (
        len(digest) == 64 and not set(digest) - set("0123456789abcdef") and digest != EMPTY_SHA256 and weight.size >= 0
    )


def iter_locations(weight: Weight, cache: Path) -> Iterator[Location]:
    """Every path to look at, in order of preference; most of them do not exist."""
    for folder in (*settings.WEIGHTS.read(), *_host_folders, *filter(None, [find_own_host()])):
        yield from _iter_folder("explicit", folder, weight)
    if weight.bundled:
        yield Location("bundled", PACKAGE / "preprocessors" / "bundled" / check_relative_path(weight.bundled))
    yield Location("cache", find_cached_path(cache, weight))
    yield from _iter_hub(weight)
    for folder in settings.AUX_WEIGHTS.read():
        yield from _iter_folder("host", folder, weight)
    for root in list_host_roots():
        for pattern in HOST_PATTERNS:
            for folder in sorted(
                root.glob(pattern.format(repo=_escape_glob(check_relative_path(weight.repo.removeprefix(SPACES)))))
            ):
                yield from (Location("host", folder / name) for name in _list_names(weight))


def list_host_roots() -> list[Path]:
    """Roots of hosts: UNDERDRAWING_HOSTS, registered ones, and the host this package is cloned into."""
    roots = [*settings.HOSTS.read(), *_host_roots]
    for start in (PACKAGE.absolute(), PACKAGE.resolve()):
        roots += [parent.parent for parent in start.parents if parent.name in EXTENSION_FOLDERS]
    return list(dict.fromkeys(roots))


def _escape_glob(path: PurePosixPath) -> str:
    return str(path).replace("[", "[[]") if path.parts else "-"


def _list_names(weight: Weight) -> Iterable[PurePosixPath]:
    return dict.fromkeys(
        PurePosixPath(name)
        for name in (
            check_relative_path(weight.file),
            check_relative_path(weight.file).name,
            *map(check_relative_path, weight.known_as),
        )
    )


def _iter_folder(source: str, folder: Path, weight: Weight) -> Iterator[Location]:
    yield Location(source, folder / check_relative_path(weight.repo) / check_relative_path(weight.file))
    for name in _list_names(weight):
        yield Location(source, folder / name)


def _iter_hub(weight: Weight) -> Iterator[Location]:
    if not weight.repo:
        return
    kind = "" if weight.repo.startswith(SPACES) else "models/"
    repo = find_hub_cache() / f"{kind}{weight.repo}".replace("/", "--")
    named = repo / "refs" / weight.revision
    revision = read_text_file(named).strip() if named.is_file() else weight.revision
    yield Location("hub", repo / "snapshots" / check_relative_path(revision) / check_relative_path(weight.file))


def find_hub_cache() -> Path:
    """Folder of the hub's own cache, by its variables; its client is not imported, it costs a listing too much."""
    user = settings.USER_CACHE.read() or expand_path(Path("~/.cache"))
    return settings.HUB_CACHE.read() or (settings.HUB_HOME.read() or user / "huggingface") / "hub"
