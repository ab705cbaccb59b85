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
from .hosts.stubs import STUB, STUB_MAIN, STUB_SCRIPT, lift_hook
from .regular_files import read_text_file
from .report_text import comma_list
from .setting_values import expand_path

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

PACKAGE = Path(__file__).parents[1]
NAME = "underdrawing"
"""Our folder in the host."""
RECORD = ".underdrawing-install.json"
"""List of the files we wrote, with their hashes; what is not in it is not ours."""
LEFT_OUT = {"tests", "benchmarks", "tools", "docs", "examples", "build", "dist", "__pycache__"}


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


def choose_way(*, link: bool, copy: bool) -> str:
    """How to install, by two switches of which one at most is set. Raises BadParameter."""
    if link and copy:
        raise BadParameter("cannot be given together", where="--link and --copy", fix="give one of them")
    return "link" if link else "copy" if copy else "stub"


def install_into(host: str, path: Path, how: str = "stub") -> Path:
    """Put our folder into a host: stub (imports the installed package), copy or link. Returns the folder.

    Raises BadParameter for a folder that is none of the host's, WriteFailed when something is there already.
    """
    place = extensions_folder(host, path) / NAME
    if place.is_symlink() or place.exists():
        raise _explain_occupied(host, path, place)
    if how == "link":
        with report_write_errors(place):
            place.symlink_to(PACKAGE / HOSTS[host].root, target_is_directory=True)
    else:
        _write(place, dict(_package_files(HOSTS[host]) if how == "copy" else _stub_files(HOSTS[host])))
    return place


def _explain_occupied(host: str, path: Path, place: Path) -> WriteFailed:
    """What stands in the way of an installation, and what takes it away."""
    fix = f"run `{quote(('underdrawing', 'uninstall', host, path))}` first"
    by_hand = f"move or remove {place} by hand, then install again"
    if place.is_symlink() and place.resolve() != (PACKAGE / HOSTS[host].root).resolve():
        return WriteFailed("is there already, as a link to somewhere else", where=str(place), fix=by_hand)
    if place.is_symlink() or not place.is_dir():
        what = f"is there already, as a {'link' if place.is_symlink() else 'file'}"
        return WriteFailed(what, where=str(place), fix=fix if place.is_symlink() else by_hand)
    try:
        ours = _find_unchanged(place)
    except BadParameter as error:
        return WriteFailed(f"is there already, and {error.what}", where=str(place), fix=by_hand)
    left = [name for name in _list_files(place, without=ours) if name != RECORD]
    if not left:
        return WriteFailed("is there already", where=str(place), fix=fix)
    what = f"is there already, with files that are yours or changed: {comma_list(left)}"
    return WriteFailed(what, where=str(place), fix=f"{fix}, then {by_hand}" if ours else by_hand)


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
        ours = _find_unchanged(place)
        for target in ours:
            target.unlink()
            for compiled in target.parent.glob(f"__pycache__/{target.stem}.*.pyc"):
                compiled.unlink()
        left = [name for name in _list_files(place) if name != RECORD]
        if not set(left) & set(_read_record(place)):
            (place / RECORD).unlink()
        for folder in sorted((path for path in place.rglob("*") if path.is_dir()), reverse=True):
            with suppress(OSError):  # it holds something of the user's
                folder.rmdir()
        if not left:
            place.rmdir()
    return left


def _find_unchanged(place: Path) -> list[Path]:
    """Files that the record lists, and that are as they were written. Raises BadParameter when there is no record."""
    listed = ((place / name, wanted) for name, wanted in _read_record(place).items())
    return [path for path, wanted in listed if path.is_file() and not path.is_symlink() and hash_file(path) == wanted]


def _list_files(place: Path, without: Collection[Path] = ()) -> list[str]:
    """Names of the files below a folder, but for some and what Python compiled of them."""
    compiled = {cache for path in without for cache in path.parent.glob(f"__pycache__/{path.stem}.*.pyc")}
    passed = {*without, *compiled}
    found = (path for path in sorted(place.rglob("*")) if path not in passed and (path.is_symlink() or path.is_file()))
    return [path.relative_to(place).as_posix() for path in found]


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
