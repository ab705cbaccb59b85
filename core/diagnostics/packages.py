"""Which packages are installed and whether they fit together, read from their metadata; nothing is imported."""

from __future__ import annotations

import importlib.metadata
import re
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

from ..regular_files import read_text_file
from ..weights.search_paths import is_inside_host, list_host_roots

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PACKAGE = Path(__file__).parents[2]
OPENCV = ("opencv-python", "opencv-python-headless", "opencv-contrib-python", "opencv-contrib-python-headless")
"""Distributions that all put the same folder ``cv2`` into an environment and overwrite each other's files."""
OPTIONAL = {
    "openvino": "networks run faster on CPUs",
    "rich": "progress bars on a terminal",
    "av": "video files are read and written",
}
"""Package → what it is for."""
LEAVE = "leave a host's packages as they are; `underdrawing annotators` lists what cannot run with them"
LEAVE_OPENCV = "leave a host's packages as they are while `import cv2` works"
READY_FOR_NUMPY_2 = {"torch": (2, 3), **dict.fromkeys(OPENCV, (4, 10))}
"""First releases built against numpy 2; older ones crash or lose their numpy functions beside it."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One finding. level: an error makes something fail, a warning does not. fix: a command or a step, never run."""

    level: Literal["error", "warning"]
    topic: str
    what: str
    fix: str = ""


def list_installed() -> dict[str, str]:
    """Distribution → version, by normalised name; of two copies the first on the path counts, as for imports."""
    found: dict[str, str] = {}
    for distribution in importlib.metadata.distributions():
        name: str | None = distribution.metadata["Name"]
        if name:
            found.setdefault(re.sub(r"[-_.]+", "-", name).lower(), distribution.version)
    return found


def parse_version(version: str) -> tuple[int, ...]:
    """Leading numbers of a version: ``2.13.0+cpu`` → (2, 13, 0)."""
    match = re.match(r"\d+(\.\d+)*", version)
    return tuple(int(part) for part in match[0].split(".")) if match else ()


def check_packages(have: Mapping[str, str]) -> Iterator[Finding]:
    """Find what is missing, too old, doubled, or does not fit together."""
    yield from _check_versions(have)
    yield from _check_opencv(have)
    yield from _check_numpy_2(have)
    yield from _check_mediapipe(have)
    for package, use in OPTIONAL.items():
        if package not in have:
            what = f"{package} is not installed (optional: {use})"
            yield Finding(level="warning", topic="extras", what=what, fix=f"pip install {package}")


def read_requirements() -> list[tuple[str, str]]:
    """Our requirements as (package, least version): of the installed metadata, or of the files beside a clone."""
    lines: list[str] = []
    for name in ("requirements.txt", "requirements-standalone.txt"):
        file = PACKAGE / name
        lines += read_text_file(file).splitlines() if file.is_file() else []
    if not lines:
        try:
            lines = importlib.metadata.requires("underdrawing") or []
        except importlib.metadata.PackageNotFoundError:
            lines = []
    matches = (re.fullmatch(r"\s*([A-Za-z0-9._-]+)\s*>=\s*([0-9.]+)\s*", line) for line in lines)
    return [(match[1].lower(), match[2]) for match in matches if match]


def _check_versions(have: Mapping[str, str]) -> Iterator[Finding]:
    for package, least in read_requirements():
        if package in OPENCV or package in OPTIONAL:
            continue
        found = have.get(package, "")
        install = f"pip install '{package}>={least}'"
        if not found:
            yield Finding(level="error", topic="packages", what=f"{package} is not installed", fix=install)
        elif parse_version(found) < parse_version(least):
            what = f"{package} {found} is too old, {least} is needed"
            if is_inside_host():
                yield Finding(level="warning", topic="packages", what=f"{what} by some of what is here", fix=LEAVE)
            else:
                fix = f"{install} in an environment of its own; {LEAVE}"
                yield Finding(level="error", topic="packages", what=what, fix=fix)


def _check_opencv(have: Mapping[str, str]) -> Iterator[Finding]:
    there = [name for name in OPENCV if name in have]
    if not there and find_spec("cv2") is None:
        what, fix = "OpenCV (cv2) is not installed", "pip install opencv-python-headless"
        yield Finding(level="error", topic="opencv", what=what, fix=fix)
    if len(there) > 1:
        named = " and ".join(f"{name} {have[name]}" for name in there)
        what = f"{named} share one folder cv2 and overwrite each other{_describe_winner()}"
        keep = (
            "opencv-contrib-python-headless" if any("contrib" in name for name in there) else "opencv-python-headless"
        )
        if is_inside_host():
            yield Finding(level="warning", topic="opencv", what=what, fix=LEAVE_OPENCV)
            return
        fix = f"pip uninstall -y {' '.join(there)} && pip install {keep}; {LEAVE_OPENCV}"
        yield Finding(level="error", topic="opencv", what=what, fix=fix)


def _describe_winner() -> str:
    """Describe whose files are in cv2 now, according to its version file."""
    spec = find_spec("cv2")
    file = Path(spec.origin).with_name("version.py") if spec and spec.origin else None
    if file is None or not file.is_file():
        return ""
    text = read_text_file(file, "replace")
    version = re.search(r'opencv_version\s*=\s*"([^"]+)"', text)
    flags = [word for word in ("contrib", "headless") if re.search(rf"{word}\s*=\s*True", text)]
    said = f" ({', '.join(flags)})" if flags else ""
    return f"; the files there now are those of {version[1]}{said}" if version else ""


def _check_numpy_2(have: Mapping[str, str]) -> Iterator[Finding]:
    numpy = have.get("numpy", "")
    if parse_version(numpy) < (2,):
        return
    for package, ready in READY_FOR_NUMPY_2.items():
        if package in have and parse_version(have[package]) < ready:
            what = f"{package} {have[package]} was built for numpy 1 and does not work with numpy {numpy}"
            older, newer = "pip install 'numpy<2'", f"pip install -U '{package}>={'.'.join(map(str, ready))}'"
            fix = f"{older}, as the host wants it" if is_inside_host() else f"{newer}, or {older}"
            yield Finding(level="error", topic="abi", what=what, fix=fix)


def _check_mediapipe(have: Mapping[str, str]) -> Iterator[Finding]:
    if "controlnet-aux" in have and parse_version(have.get("mediapipe", "")) >= (1,):
        what = f"controlnet-aux {have['controlnet-aux']} cannot be imported beside mediapipe {have['mediapipe']}"
        yield Finding(level="error", topic="extras", what=what, fix="pip install 'mediapipe<1.0'")
    folder = _find_controlnet_extension() if "mediapipe" in have and lacks_solutions() else None
    if folder is not None:
        what = f"{folder.name} does not load: mediapipe {have['mediapipe']} has no `solutions`, which it imports"
        fix = "pip install 'mediapipe<0.10.10', then start the host again"  # newer ones move A1111's protobuf
        yield Finding(level="error", topic="ControlNet", what=what, fix=fix)


def _find_controlnet_extension() -> Path | None:
    """Folder of A1111's ControlNet extension in a host that is known here."""
    folders = (root / "extensions" / "sd-webui-controlnet" for root in list_host_roots())
    return next((folder for folder in folders if folder.is_dir()), None)


def lacks_solutions() -> bool:
    """Whether a mediapipe is installed that has no `solutions`; nothing is imported."""
    spec = find_spec("mediapipe")
    folders = list(spec.submodule_search_locations or ()) if spec else []
    return bool(folders) and not any((Path(folder) / "python" / "solutions").is_dir() for folder in folders)
