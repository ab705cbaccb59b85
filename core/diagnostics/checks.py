"""Looks for what would make things fail on this machine, and names the fix. It only reads: no file is written and no
connection opened; packages are imported in processes of their own.
"""

from __future__ import annotations

import os
import platform
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from .. import settings
from ..command_name import name_command
from ..errors import BadParameter, BadWeights
from ..files import find_existing_folder, hash_file
from ..imports import describe_lacking, is_too_old
from ..networks.placement import resolve_placement
from ..weights.advice import advise_fetch
from ..weights.search_paths import has_identity
from .import_checks import check_imports, find_broken
from .packages import Finding, check_packages, list_installed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ..registry import Registry
    from ..weights.record import Weight
    from ..weights.store import Store

PACKAGES = (
    *("torch", "transformers", "numpy", "pillow", "safetensors", "huggingface-hub", "msgspec"),
    *("openvino", "onnxruntime", "onnxruntime-gpu", "onnxruntime-directml", "controlnet-aux"),
)
LONG_PATH = 259
"""Longest path on Windows unless the system allows more."""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """Facts about this machine, and findings."""

    facts: dict[str, Any]
    findings: tuple[Finding, ...]

    @property
    def healthy(self) -> bool:
        """Whether there is no error; warnings do not count."""
        return all(finding.level != "error" for finding in self.findings)


def diagnose(registry: Registry, store: Store, environ: Mapping[str, str] | None = None) -> Report:
    """Run all checks. store should be one that remembers nothing, so that no file is written."""
    have = list_installed()
    records = list({weight.id: weight for annotator in registry for weight in annotator.spec.weights}.values())
    broken = list(check_imports(registry))
    device, findings = ({}, []) if "torch" in find_broken() else check_device()
    findings = [
        *check_packages(have),
        *broken,
        *findings,
        *check_annotators(registry),
        *check_variables(settings.environment() if environ is None else environ),
        *check_cache(store.cache, [weight for weight in records if not weight.bundled]),
        *check_weights(store, records),
        *check_paths(
            [place.path for weight in records for place in store.list_locations(weight) if place.source == "cache"]
        ),
    ]
    return Report(facts=_list_facts(have, device, store.cache, registry), findings=tuple(findings))


def _list_facts(have: Mapping[str, str], device: Mapping[str, str], cache: Path, registry: Registry) -> dict[str, Any]:
    opencv = {name: version for name, version in have.items() if name.startswith("opencv-")}
    return {
        "python": f"{platform.python_version()} ({sys.executable})",
        "platform": f"{platform.system()} {platform.release()} {platform.machine()}",
        "packages": {**{name: have[name] for name in PACKAGES if name in have}, **opencv},
        "device": dict(device),
        "cache": str(cache),
        "free_bytes": shutil.disk_usage(find_existing_folder(cache)).free,
        "annotators": len(registry),
    }


def check_device() -> tuple[dict[str, str], list[Finding]]:
    """Say what ``auto`` chooses for networks that may run in bfloat16 and for those that may not."""
    if find_spec("torch") is None:
        return {}, []  # missing packages are reported by check_packages
    try:
        fast, plain = resolve_placement(bf16=True), resolve_placement(bf16=False)
    except (ImportError, OSError, RuntimeError, AttributeError) as error:
        what = f"torch is installed but cannot be imported ({type(error).__name__}: {error})"
        return {}, [Finding(level="error", topic="torch", what=what, fix="pip install --force-reinstall torch")]
    except BadParameter as error:
        return {}, [Finding(level="error", topic="torch", what=str(error))]
    return {"auto": str(fast), "annotators without bfloat16": str(plain)}, []


def check_annotators(registry: Registry) -> Iterator[Finding]:
    """Find annotators that cannot be imported or lack a module."""
    for name, reason in registry.broken.items():
        fix = "install what it names, or remove the file or package it comes from"
        yield Finding(level="error", topic="annotators", what=f"{name} could not be imported ({reason})", fix=fix)
    for annotator in registry:
        if missing := annotator.find_missing():
            what, fix = describe_lacking(missing)
            level = "warning" if all(map(is_too_old, missing)) else "error"
            yield Finding(level=level, topic="annotators", what=f"{annotator.spec.id} cannot run: {what}", fix=fix)


def check_variables(environ: Mapping[str, str]) -> Iterator[Finding]:
    """Find environment variables that have no effect or cannot be used."""
    for name, value, what, fix in settings.find_faults(environ):
        yield Finding(level="error", topic="environment", what=f"{name}={value!r} {what}", fix=fix)


def check_cache(cache: Path, fetched: Sequence[Weight]) -> Iterator[Finding]:
    """Find a cache folder that cannot be written, or a disk without room for the largest file to be fetched."""
    fix = "set UNDERDRAWING_CACHE to a folder of yours"
    parent = find_existing_folder(cache)
    blocking = next((path for path in (cache, *cache.absolute().parents) if path.exists() and not path.is_dir()), None)
    if blocking is not None:
        what = f"the cache folder {cache} cannot be created: {blocking} is a file"
        yield Finding(level="error", topic="cache", what=what, fix=fix)
    elif not os.access(parent, os.W_OK | os.X_OK):
        what = f"the cache folder {cache} cannot be written: no permission for {parent}"
        yield Finding(level="error", topic="cache", what=what, fix=fix)
    free, largest = shutil.disk_usage(parent).free, max((weight.size for weight in fetched), default=0)
    if free < largest:
        what = f"{free} bytes are free at {parent}, the largest weights file has {largest}"
        yield Finding(level="error", topic="cache", what=what, fix=f"free some space, or {fix}")


def check_weights(store: Store, records: Sequence[Weight]) -> Iterator[Finding]:
    """Find files of the wrong size, bundled files with the wrong hash, and records and pins that are damaged.

    Files that are not here are one finding, because each is needed by a few annotators only.
    """
    absent: list[Weight] = []
    for record in records:
        try:
            weight = store.complete(record)
        except BadWeights as error:
            yield Finding(level="error", topic="weights", what=f"{record.id}: {error.what}", fix=error.fix)
            continue
        if not has_identity(weight) and not weight.unpinned:
            yield Finding(level="error", topic="weights", what=f"the record of {weight.id} pins no hash and size")
            continue
        is_here = False
        for source, path in store.list_locations(weight):
            fault = _find_fault(path, weight, source)
            is_here = is_here or (fault == "" and path.is_file())
            if fault and not weight.unpinned and source in ("explicit", "bundled", "cache"):
                fix = (
                    "install the package again"
                    if source == "bundled"
                    else f"remove that file; {advise_fetch([weight.id])}"
                )
                yield Finding(level="error", topic="weights", what=f"{path} ({weight.id}) {fault}", fix=fix)
        if not is_here and weight.repo:
            absent.append(record)
    if absent:
        yield _report_absent(store, absent)


def _report_absent(store: Store, absent: Sequence[Weight]) -> Finding:
    if len(absent) > 1:
        what = f"{len(absent)} optional files are not on this machine, which is fine until an annotator needs them"
        fix = f"{name_command('weights fetch --annotator NAME')} (all of them: {name_command('weights list')})"
        return Finding(level="warning", topic="weights", what=what, fix=fix)
    (record,), weight = absent, store.try_complete(absent[0])
    pinned = f"; {store.describe_pin(record)}" if record.unpinned else ""
    what = f"{weight.id} is not on this machine ({weight.megabytes}, {weight.licence}{pinned})"
    return Finding(level="warning", topic="weights", what=what, fix=advise_fetch([weight.id]))


def _find_fault(path: Path, weight: Weight, source: str) -> str:
    """Fault of the file at path; a file that is not there is one only in the package itself."""
    try:
        if not path.is_file():
            return "is missing" if source == "bundled" else ""
        if weight.unpinned:
            return "is not declared"
        if weight.size and path.stat().st_size != weight.size:
            return f"has {path.stat().st_size} bytes, the record says {weight.size}"
        if source == "bundled" and hash_file(path) != weight.sha256:
            return "has another sha256 than its record"
    except OSError as error:
        return f"cannot be read ({error.strerror or error})"
    return ""


def check_paths(paths: Sequence[Path], system: str = sys.platform, allowed: bool | None = None) -> Iterator[Finding]:
    """Find files that Windows could not open because their path is too long. allowed: whether it takes long paths."""
    longest = max((str(path) for path in paths), key=len, default="")
    if system != "win32" or len(longest) <= LONG_PATH or (_allows_long_paths() if allowed is None else allowed):
        return
    what = f"{longest} has {len(longest)} characters, Windows takes {LONG_PATH}"
    fix = "set UNDERDRAWING_CACHE to a short path, or enable long paths in Windows"
    yield Finding(level="error", topic="paths", what=what, fix=fix)


def _allows_long_paths() -> bool:
    """Whether Windows is set to take long paths."""
    if sys.platform != "win32":
        return True
    import winreg

    try:
        with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, r"SYSTEM\CurrentControlSet\Control\FileSystem") as key:
            return winreg.QueryValueEx(key, "LongPathsEnabled")[0] == 1
    except OSError:
        return False
