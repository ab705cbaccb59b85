"""What `import underdrawing` offers, and that nothing is imported before it is used."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import underdrawing
from underdrawing.core import errors

NAMES = {
    *("annotate", "load_annotator", "registry", "load_adapter", "load_embedding", "Patcher", "merge", "operations"),
    "unload",
    *("UnderdrawingError", "UnknownName", "BadParameter", "BadImage", "UnsafeFile", "BadWeights", "WeightsMissing"),
    *("FetchFailed", "MissingExtra", "WriteFailed", "Cancelled", "__version__", "generate", "Control", "Hires"),
}
"""A name that leaves this list breaks somebody's script: deprecate it first."""


def test_the_public_names_are_these() -> None:
    assert set(underdrawing.__all__) == NAMES
    assert underdrawing.__all__ == sorted(underdrawing.__all__)
    assert dir(underdrawing) == sorted(NAMES)


@pytest.mark.parametrize("name", sorted(NAMES))
def test_a_public_name_is_there(name: str) -> None:
    assert getattr(underdrawing, name) is not None


def test_every_error_is_public() -> None:
    assert {name for name, value in vars(errors).items() if isinstance(value, type)} <= NAMES


def test_unknown_names_are_attribute_errors() -> None:
    with pytest.raises(AttributeError, match="nothing"):
        _ = underdrawing.nothing  # type: ignore[attr-defined]


def test_listing_through_the_public_names_loads_nothing_heavy() -> None:
    dev = Path(__file__).resolve().parents[2] / ".dev"
    code = f"import sys; sys.path.insert(0, {str(dev)!r})\nfrom underdrawing import BadImage, operations, registry"
    code += "\nassert registry.names and list(operations()) and BadImage"
    code += "\nprint([m for m in ('torch', 'numpy', 'cv2', 'click') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
