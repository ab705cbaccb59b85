"""Sources behind URLs (``s3://``, ``gs://``, ``hf://``), through fsspec: listed, and fetched by who works on them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import BadImage, BadParameter, FetchFailed
from .packages import load_package

if TYPE_CHECKING:
    from collections.abc import Callable

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
WHAT = "data sets behind URLs"


def is_url(source: str) -> bool:
    """Whether a source is read through fsspec."""
    return _URL.match(source) is not None


def list_files(source: str) -> dict[str, str]:
    """URL of every file of a folder or glob → its size and what else tells another file, sorted.

    Raises BadParameter, MissingExtra.
    """

    def find(system: Any, path: str) -> dict[str, Any]:
        if any(mark in path for mark in "*?["):
            found = system.glob(path, detail=True)
        else:
            found = {path: system.info(path)} if system.isfile(path) else system.find(path, detail=True)
        return {system.unstrip_protocol(name): info for name, info in found.items()}

    files = {url: info for url, info in _call(source, find).items() if info.get("type", "file") == "file"}
    return {url: _stamp(info) for url, info in sorted(files.items())}


def _stamp(info: dict[str, Any]) -> str:
    """Size, and the hash or version that stores give."""
    found = (info.get(name) for name in ("etag", "ETag", "md5Hash", "blob_id"))
    return f"{int(info.get('size') or 0)} {next((str(one) for one in found if one), '')}".strip()


def _call(source: str, find: Callable[[Any, str], dict[str, Any]]) -> dict[str, Any]:
    core = load_package("fsspec.core", WHAT)
    try:
        return find(*core.url_to_fs(source))
    except ImportError as error:
        what = f"this kind of URL needs another package ({' '.join(str(error).split())})"
        raise BadParameter(what, where=source, fix="pip install s3fs, gcsfs or huggingface_hub") from error
    except Exception as error:
        what = f"cannot be listed ({type(error).__name__}: {' '.join(str(error).split())[:200]})"
        raise BadParameter(what, where=source, fix="check the URL and your credentials") from error


def fetch_file(url: str, folder: Path) -> Path:
    """Copy a file into a folder. Raises FetchFailed, BadImage for one that is gone."""
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / url.rpartition("/")[2]
    _read(url, lambda system, path: system.get_file(path, str(target)))
    return target


def read_file(url: str) -> bytes:
    """All bytes of a file. Raises FetchFailed, BadImage for one that is gone."""
    return _read(url, lambda system, path: system.cat_file(path))


def _read(url: str, read: Callable[[Any, str], Any]) -> Any:
    core = load_package("fsspec.core", WHAT)
    try:
        return read(*core.url_to_fs(url))
    except FileNotFoundError as error:
        raise BadImage("is not there any more", where=url) from error
    except Exception as error:
        what = f"cannot be fetched ({type(error).__name__}: {' '.join(str(error).split())[:200]})"
        raise FetchFailed(
            what, where=url, fix="check network and credentials, and run the same command again"
        ) from error
