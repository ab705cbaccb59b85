"""Packages that are installed and yet cannot be imported: told from other faults, and reported with their fix."""

from __future__ import annotations

import re
import sys
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import MissingExtra, UnderdrawingError

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Sequence
    from types import TracebackType

DISTRIBUTIONS = {
    "numpy": "numpy", "PIL": "pillow", "cv2": "opencv-python-headless", "torch": "torch", "einops": "einops",
    "transformers": "transformers", "safetensors": "safetensors", "onnxruntime": "onnxruntime", "openvino": "openvino",
    "huggingface_hub": "huggingface-hub", "requests": "requests", "scipy": "scipy",
}  # fmt: skip
"""Module → what is installed for it."""
INSTALL_AS = {"cv2": "opencv-python-headless"}
"""Package to install for a module of another name."""
ESSENTIAL = {
    "numpy": "nothing that works on pictures or weights runs without it",
    "PIL": "no picture can be read or written without it",
}
_BINARY_MISFIT = re.compile(r"_ARRAY_API|multiarray|umath|dtype size changed|NumPy 1\.x|binary incompatib|ABI", re.I)
_LIBRARY = re.compile(r"\b(lib[\w+-]+)\.so")
_APT = {"libGL": "libgl1", "libgthread-2": "libglib2.0-0", "libglib-2": "libglib2.0-0", "libSM": "libsm6",
        "libXext": "libxext6", "libXrender": "libxrender1", "libgomp": "libgomp1"}  # fmt: skip


OTHER_VERSION = (
    "use another annotator, or an environment of its own with a newer {}; a host's packages are to stay as they are"
)
"""Step for a package that is there in a version without what is needed: hosts pin their packages."""


def find_lacking(modules: Iterable[str]) -> list[str]:
    """Modules that are not installed here; nothing is imported. `transformers.models.vitpose`: a part of a package."""
    return [module for module in modules if not _is_installed(module)]


def _is_installed(module: str) -> bool:
    package, *parts = module.split(".")
    if module in sys.modules:
        return bool(sys.modules[module])  # None where somebody forbids it
    try:
        spec = find_spec(package)
    except (ImportError, ValueError, AttributeError):
        return True  # something odd, of which its import will say more
    if spec is None or not parts:
        return spec is not None
    paths = [Path(place, *parts) for place in spec.submodule_search_locations or ()]
    return any(path.is_dir() or path.with_suffix(".py").is_file() for path in paths)


def is_too_old(module: str) -> bool:
    """Whether a module that is not installed is part of a package that is."""
    package = module.partition(".")[0]
    return package != module and _is_installed(package)


def describe_lacking(modules: Sequence[str]) -> tuple[str, str]:
    """What of `find_lacking` is missing here, and the next step; never to move a package that is there."""
    old = [module for module in modules if is_too_old(module)]
    packages = dict.fromkeys(module.partition(".")[0] for module in modules if module not in old)
    texts = [f"needs {', '.join(packages)}"] if packages else []
    for package in dict.fromkeys(module.partition(".")[0] for module in old):
        names = ", ".join(module.rpartition(".")[2] for module in old if module.startswith(f"{package}."))
        texts.append(f"{package} {_find_version(package)}has no {names}")
    steps = [f"pip install {' '.join(INSTALL_AS.get(package, package) for package in packages)}"] if packages else []
    steps += (
        [OTHER_VERSION.format(" and ".join(dict.fromkeys(module.partition(".")[0] for module in old)))] if old else []
    )
    return "; ".join(texts), "; ".join(steps)


def _find_version(package: str) -> str:
    try:
        return f"{version(DISTRIBUTIONS.get(package, package))} "
    except PackageNotFoundError:
        return ""


def find_module_at_fault(error: BaseException) -> str:
    """Module of DISTRIBUTIONS whose import ended in this error; empty for any other error."""
    own = __name__.partition(".")[0]
    found = ""
    trace: TracebackType | None = error.__traceback__
    while trace is not None:
        frame = trace.tb_frame
        top = str(frame.f_globals.get("__name__", "")).partition(".")[0]
        if top == own:
            found = ""
        elif top in DISTRIBUTIONS and frame.f_code.co_name == "<module>":
            found = top  # the innermost: cv2 fails because numpy does
        trace = trace.tb_next
    if not found and isinstance(error, ImportError):
        name = (error.name or "").partition(".")[0]
        return name if name in DISTRIBUTIONS else ""
    return found


def describe_broken(module: str, reason: str) -> tuple[str, str]:
    """What is wrong with a module that cannot be imported, and the step that fixes it. reason: the import's error."""
    what = f"{module} is installed but cannot be imported ({_shorten(reason)})"
    if module in ESSENTIAL:
        what += f"; {ESSENTIAL[module]}"
    return what, _find_fix(module, reason)


def _shorten(reason: str) -> str:
    """The line that says something: numpy wraps the first error in a page of advice."""
    reason = reason.rpartition("Original error was:")[2]
    lines = [" ".join(line.split()) for line in reason.splitlines()]
    return next((line for line in lines if line and not line.startswith("IMPORTANT")), "no reason given")[:200]


def _find_fix(module: str, reason: str) -> str:
    from .weights.search_paths import is_inside_host

    package = DISTRIBUTIONS.get(module, module)
    library = _LIBRARY.search(reason)
    if module == "cv2" and library:
        system = _APT.get(library[1], "")
        first = f"apt-get install {system}, or " if system else ""
        if first and is_inside_host():
            return first.removesuffix(", or ")
        return f"{first}pip uninstall -y opencv-python opencv-contrib-python && pip install {package}"
    if is_inside_host():
        return f"install {package} again in the version that the host wants: its installer does it"
    if module != "numpy" and _BINARY_MISFIT.search(reason):
        return f"pip install --upgrade {package} numpy, so that both are built for each other"
    return f"pip install --force-reinstall {package}"


@contextmanager
def report_broken_imports(where: str = "") -> Generator[None]:
    """Raise MissingExtra where the block ends because a package is not installed or cannot be imported."""
    try:
        yield
    except UnderdrawingError:
        raise
    except Exception as error:
        module = find_module_at_fault(error)
        if not module:
            raise
        if isinstance(error, ModuleNotFoundError) and error.name == module:
            fix = f"pip install {DISTRIBUTIONS[module]}"
            raise MissingExtra(f"needs {module}, which is not installed", where=where, fix=fix) from error
        what, fix = describe_broken(module, str(error) or type(error).__name__)
        raise MissingExtra(what, where=where, fix=f"{fix}; `underdrawing doctor` checks every package") from error
