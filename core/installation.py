"""Our folder in a host: installed, linked, copied and removed; nothing else of the host is touched."""

from __future__ import annotations

import json
import re
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
LEFT_OUT = {"tests", "benchmarks", "tools", "docs", "examples", "build", "dist", "__pycache__"}
STUB = '''"""Underdrawing's nodes, from the installed package; written by `underdrawing install comfyui`."""

from underdrawing import NODE_CLASS_MAPPINGS, NODE_DISPLAY_NAME_MAPPINGS, WEB_DIRECTORY

__all__ = ["NODE_CLASS_MAPPINGS", "NODE_DISPLAY_NAME_MAPPINGS", "WEB_DIRECTORY"]
'''
STUB_SCRIPT = '''"""Underdrawing's extension, from the installed package; written by `underdrawing install a1111`."""

import logging
import sys

try:
    from underdrawing.core.hosts.loading import start
except ModuleNotFoundError:
    logging.getLogger("underdrawing").error('not loaded. Next: "%s" -m pip install underdrawing', sys.executable)
else:
    globals().update(start(__file__))
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
    """Where a host keeps its extensions, and how it is known.

    root: our folder that it is to find there, below the package. beside: what it only looks for in the folder it loads.
    stub: what it starts where the package is installed. hooks: what it starts by its path, in root.
    installs: whether it runs our install.py, which adds the packages it lacks.
    """

    folder: str
    title: str
    stub: dict[str, str]
    root: str = ""
    beside: tuple[str, ...] = ()
    hooks: tuple[str, ...] = ()
    installs: bool = False


HOSTS = {
    "comfyui": Host("custom_nodes", "ComfyUI", {"__init__.py": STUB}, beside=("locales", "example_workflows")),
    "a1111": Host(
        "extensions",
        "A1111 or Forge",
        {"scripts/underdrawing.py": STUB_SCRIPT},
        root="a1111_extension",
        beside=("javascript", "style.css", "localizations"),
        hooks=("install.py", "preload.py", "scripts/underdrawing.py"),
        installs=True,
    ),
}


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
            place.symlink_to(PACKAGE / HOSTS[host].root, target_is_directory=True)
    else:
        _write(place, dict(_package_files(HOSTS[host]) if how == "copy" else _stub_files(HOSTS[host])))
    return place


def uninstall_from(host: str, path: Path) -> tuple[Path, list[str]]:
    """Remove what `install_into` wrote. Returns the folder, and the names of files that stay: changed, or the user's.

    Raises BadParameter when there is nothing of ours, WriteFailed.
    """
    place = extensions_folder(host, path) / NAME
    if place.is_symlink():
        if place.resolve() != (PACKAGE / HOSTS[host].root).resolve():
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
    below = next(iter(sorted(path.glob(f"*/{settings.folder}"))), path / settings.folder)
    hint = f"{below.parent} looks right" if below.is_dir() else f"name the folder that holds {settings.folder}"
    raise BadParameter(f"is no folder of {settings.title}", where=str(path), fix=hint)


def list_next_steps(host: str, place: Path, how: str) -> list[str]:
    """What a user does after `install_into`."""
    title = HOSTS[host].title
    cv2 = "If `import cv2` fails there: python -m pip install opencv-python-headless"
    if how == "stub":
        return [f"{title}'s Python must have the package: `python -c 'import underdrawing'` must work.", cv2]
    if HOSTS[host].installs:
        return [f"Packages that {title} lacks are added at its next start, unless it runs with --skip-install."]
    command = quote(("python", "-m", "pip", "install", "-r", place / "requirements.txt"))
    return [*([f"Its Python needs: {command}"] if (place / "requirements.txt").is_file() else []), cv2]


def _stub_files(host: Host) -> Iterator[tuple[str, Path | bytes]]:
    """Files of the folder that imports the package."""
    yield from ((name, text.encode()) for name, text in host.stub.items())
    yield "__main__.py", STUB_MAIN.encode()
    yield from _files_below(PACKAGE / host.root, host.beside)


def _package_files(host: Host) -> Iterator[tuple[str, Path | bytes]]:
    """Files of the package itself."""
    packages = [p.name for p in PACKAGE.iterdir() if p.is_dir() and (p / "__init__.py").is_file()]
    own = ("__init__.py", "__main__.py", "py.typed", "LICENSE", "requirements.txt", "pyproject.toml")
    folders = (name for name in sorted(packages) if name not in LEFT_OUT)
    yield from _files_below(PACKAGE, (*own, *folders))
    yield from _files_below(PACKAGE / host.root, host.beside)
    for name in host.hooks:
        yield name, lift_hook(read_text_file(PACKAGE / host.root / name)).encode()


def lift_hook(text: str) -> str:
    """Text of a hook that finds the package from one folder nearer to it: as it stands at the root of a clone."""
    return re.sub(r"parents\[(\d)\]", lambda found: f"parents[{int(found[1]) - 1}]", text)


def _files_below(root: Path, names: tuple[str, ...]) -> Iterator[tuple[str, Path | bytes]]:
    """Files and every file of folders, by their names relative to root; those that are not there are passed over."""
    for name in names:
        for path in [root / name] if (root / name).is_file() else sorted((root / name).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                yield path.relative_to(root).as_posix(), path


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
