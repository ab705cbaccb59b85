"""Packages that are installed and yet cannot be imported: told from other faults, and reported with their fix."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

from .errors import MissingExtra, UnderdrawingError

if TYPE_CHECKING:
    from collections.abc import Generator
    from types import TracebackType

DISTRIBUTIONS = {
    "numpy": "numpy", "PIL": "pillow", "cv2": "opencv-python-headless", "torch": "torch", "einops": "einops",
    "transformers": "transformers", "safetensors": "safetensors", "onnxruntime": "onnxruntime", "openvino": "openvino",
    "huggingface_hub": "huggingface-hub", "requests": "requests", "scipy": "scipy",
}  # fmt: skip
"""Module → what is installed for it."""
ESSENTIAL = {
    "numpy": "nothing that works on pictures or weights runs without it",
    "PIL": "no picture can be read or written without it",
}
_BINARY_MISFIT = re.compile(r"_ARRAY_API|multiarray|umath|dtype size changed|NumPy 1\.x|binary incompatib|ABI", re.I)
_LIBRARY = re.compile(r"\b(lib[\w+-]+)\.so")
_APT = {"libGL": "libgl1", "libgthread-2": "libglib2.0-0", "libglib-2": "libglib2.0-0", "libSM": "libsm6",
        "libXext": "libxext6", "libXrender": "libxrender1", "libgomp": "libgomp1"}  # fmt: skip


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
    package = DISTRIBUTIONS.get(module, module)
    library = _LIBRARY.search(reason)
    if module == "cv2" and library:
        system = _APT.get(library[1], "")
        first = f"apt-get install {system}, or " if system else ""
        return f"{first}pip uninstall -y opencv-python opencv-contrib-python && pip install {package}"
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
