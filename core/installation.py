"""Our folder in a host: installed, linked, copied and removed; nothing else of the host is touched."""

from __future__ import annotations

import json
import shutil
import sys
from contextlib import suppress
from hashlib import sha256 as sha256_bytes
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

from .. import __version__
from .command_name import quote, set_command
from .errors import BadParameter, WriteFailed
from .files import atomic_write, hash_file, report_write_errors
from .regular_files import read_text_file
from .setting_values import expand_path

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = Path(__file__).parents[1]
NAME = "underdrawing"
"""Our folder in the host."""
RECORD = ".underdrawing-install.json"
"""List of the files we wrote, with their hashes; what is not in it is not ours."""
BESIDE = ("locales", "example_workflows")
"""Folders that ComfyUI only looks for in the folder it loads."""
LEFT_OUT = {"tests", "benchmarks", "tools", "docs", "examples", "build", "dist", "__pycache__"}
STUB = '''"""Underdrawing's nodes, from the installed package; written by `underdrawing install comfyui`."""

from underdrawing import NODE_CLASS_MAPPINGS, NODE_DISPLAY_NAME_MAPPINGS, WEB_DIRECTORY

__all__ = ["NODE_CLASS_MAPPINGS", "NODE_DISPLAY_NAME_MAPPINGS", "WEB_DIRECTORY"]
'''
STUB_MAIN = '''"""The command line, for `python FOLDER`; fetched weights go to this host's models."""

from pathlib import Path

from underdrawing.cli import main
from underdrawing.core.installation import register_folder

if __name__ == "__main__":
    register_folder(Path(__file__).absolute().parent)
    main()
'''


class Host(NamedTuple):
    """Where a host keeps its extensions, and how it is known."""

    folder: str
    sign: str
    title: str


HOSTS = {"comfyui": Host("custom_nodes", "nodes.py", "ComfyUI")}


def install_into(host: str, path: Path, how: str = "stub") -> Path:
    """Put our folder into a host: stub (imports the installed package), copy or link. Returns the folder.

    Raises BadParameter for a folder that is none of the host's, WriteFailed when something is there already.
    """
    place = extensions_folder(host, path) / NAME
    if place.is_symlink() or place.exists():
        what = "is there already"
        raise WriteFailed(what, where=str(place), fix=f"run `{quote(('underdrawing', 'uninstall', host, path))}` first")
    if how == "link":
        with report_write_errors(place):
            place.symlink_to(PACKAGE, target_is_directory=True)
    else:
        _write(place, dict(_package_files() if how == "copy" else _stub_files()))
    return place


def uninstall_from(host: str, path: Path) -> tuple[Path, list[str]]:
    """Remove what `install_into` wrote. Returns the folder, and the names of files that stay: changed, or the user's.

    Raises BadParameter when there is nothing of ours, WriteFailed.
    """
    place = extensions_folder(host, path) / NAME
    if place.is_symlink():
        if place.resolve() != PACKAGE.resolve():
            raise BadParameter("is a link to somewhere else", where=str(place), fix="remove it by hand if it is to go")
        with report_write_errors(place):
            place.unlink()
        return place, []
    if not place.exists():
        raise BadParameter("is not there, nothing to take away", where=str(place))
    return place, _remove(place)


def register_folder(place: Path) -> None:
    """Let commands that are started by our folder in a host use that host's folders, and name themselves so."""
    from .weights.search_paths import HOST_FOLDER, register_host

    root = place.parent.parent
    if (root / "models").is_dir():
        register_host(root, [root / "models" / HOST_FOLDER])
    set_command([sys.executable, str(place)])


def extensions_folder(host: str, path: Path) -> Path:
    """Folder of extensions of a host, given that folder or the host's. Raises BadParameter."""
    settings, path = HOSTS[host], expand_path(path).absolute()
    if path.name == settings.folder and path.is_dir():
        return path
    if (path / settings.folder).is_dir():
        return path / settings.folder
    below = path / settings.title / settings.folder
    hint = f"{below.parent} looks right" if below.is_dir() else f"name the folder that holds {settings.folder}"
    raise BadParameter(f"is no folder of {settings.title}", where=str(path), fix=hint)


def _stub_files() -> Iterator[tuple[str, Path | bytes]]:
    """Files of the folder that imports the package."""
    yield "__init__.py", STUB.encode()
    yield "__main__.py", STUB_MAIN.encode()
    yield from _files_below(BESIDE)


def _package_files() -> Iterator[tuple[str, Path | bytes]]:
    """Files of the package itself."""
    packages = [p.name for p in PACKAGE.iterdir() if p.is_dir() and (p / "__init__.py").is_file()]
    for name in ("__init__.py", "__main__.py", "py.typed", "LICENSE", "requirements.txt", "pyproject.toml"):
        if (PACKAGE / name).is_file():
            yield name, PACKAGE / name
    yield from _files_below((*BESIDE, *(name for name in sorted(packages) if name not in LEFT_OUT)))


def _files_below(folders: tuple[str, ...]) -> Iterator[tuple[str, Path | bytes]]:
    """Every file of some of our folders, by its name relative to the package."""
    for folder in folders:
        for path in sorted((PACKAGE / folder).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                yield path.relative_to(PACKAGE).as_posix(), path


def _write(place: Path, files: dict[str, Path | bytes]) -> None:
    """Write the record first, so that what a broken run leaves can be taken away. Raises WriteFailed."""
    record = {"version": __version__, "files": {name: _digest(source) for name, source in files.items()}}
    atomic_write(place / RECORD, json.dumps(record, indent=1).encode())
    for name, source in files.items():
        target = place / PurePosixPath(name)
        if isinstance(source, bytes):
            atomic_write(target, source)
            continue
        with report_write_errors(target, source.stat().st_size):
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)


def _digest(source: Path | bytes) -> str:
    """sha256 of a file or of bytes."""
    return sha256_bytes(source).hexdigest() if isinstance(source, bytes) else hash_file(source)


def _remove(place: Path) -> list[str]:
    """Remove what the record lists and is unchanged, and folders that are empty then; names of what is left.

    Raises BadParameter when there is no record of ours, WriteFailed.
    """
    with report_write_errors(place):
        for name, wanted in _read_record(place).items():
            target = place / name
            if target.is_file() and not target.is_symlink() and hash_file(target) == wanted:
                target.unlink()
                for compiled in target.parent.glob(f"__pycache__/{target.stem}.*.pyc"):
                    compiled.unlink()
        left = [path.relative_to(place).as_posix() for path in sorted(place.rglob("*")) if not path.is_dir()]
        if left == [RECORD]:
            (place / RECORD).unlink()
        for folder in sorted((path for path in place.rglob("*") if path.is_dir()), reverse=True):
            with suppress(OSError):  # it holds something of the user's
                folder.rmdir()
        if left == [RECORD]:
            place.rmdir()
    return [name for name in left if name != RECORD]


def _read_record(place: Path) -> dict[str, str]:
    """Name → sha256 of the files we wrote. Raises BadParameter."""
    try:
        files = json.loads(read_text_file(place / RECORD))["files"]
        names = {str(name): str(wanted) for name, wanted in files.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        what = "was not made by `underdrawing install`"
        raise BadParameter(what, where=str(place), fix="remove it by hand if it is to go") from error
    inside = [name for name in names if ".." in PurePosixPath(name).parts or PurePosixPath(name).is_absolute()]
    if inside or any("\\" in name or ":" in name for name in names):
        raise BadParameter("its record leads out of the folder", where=str(place), fix="remove it by hand")
    return names
