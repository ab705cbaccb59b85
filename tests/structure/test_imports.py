"""What importing and listing may cost, and that one broken file takes nothing else down."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from underdrawing.core.errors import UnknownName
from underdrawing.core.registry import Registry

HEAVY = ("torch", "numpy", "cv2", "PIL", "rich", "requests", "huggingface_hub", "click")


def loaded_after(code: str) -> set[str]:
    """Heavy modules that are loaded after running code in a fresh interpreter."""
    dev = Path(__file__).resolve().parents[2] / ".dev"
    report = f"print('LOADED', *[m for m in {HEAVY} if m in sys.modules])"
    probe = f"import sys; sys.path.insert(0, {str(dev)!r})\n{code}\n{report}"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split()[1:])


def test_importing_loads_nothing_heavy() -> None:
    assert loaded_after("import underdrawing") == set()


def test_listing_loads_nothing_heavy() -> None:
    code = "from underdrawing.preprocessors import registry\nassert [a.fields() for a in registry]; registry.names"
    assert loaded_after(code) == set()


def test_listing_as_json_loads_only_the_command_line() -> None:
    code = "from underdrawing.preprocessors.reference import describe\nfrom underdrawing.preprocessors import registry"
    code += "\nassert [describe.describe(a) for a in registry]"
    assert loaded_after(code) <= {"click"}


GOOD = '''
from __future__ import annotations
from underdrawing.core.annotator import Annotator, ControlMap, Kind, Request, Spec
from underdrawing.core.params import Params


class Good(Annotator[Params]):
    """Returns the picture."""

    spec = Spec(id="NAME", title="Good", kind=Kind.TILE, licence="none", commercial=True, source="test")

    def run(self, request: Request[Params]) -> ControlMap:
        return ControlMap(request.images)
'''


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    name = f"plugins_{tmp_path.name.replace('-', '_')}"
    folder = tmp_path / name
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "good.py").write_text(GOOD.replace("NAME", "good"))
    (folder / "broken.py").write_text("import a_module_that_does_not_exist\n")
    (folder / "twice.py").write_text(GOOD.replace("NAME", "good"))
    (folder / "empty.py").write_text("")
    (folder / "leaves.py").write_text("import sys\nsys.exit(5)\n")
    monkeypatch.syspath_prepend(tmp_path)
    return name


def test_a_broken_file_is_isolated_and_reported(package: str) -> None:
    found = Registry(package, group="underdrawing.test.none")
    assert [a.spec.id for a in found] == ["good"]
    assert set(found.broken) == {"broken", "twice", "empty", "leaves"}
    assert "a_module_that_does_not_exist" in found.broken["broken"]
    assert "good" in found.broken["twice"]
    with pytest.raises(UnknownName, match="a_module_that_does_not_exist"):
        found.resolve("broken")


def test_an_outside_package_joins_by_entry_point(package: str, tmp_path: Path) -> None:
    metadata = tmp_path / "outside-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: outside\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(
        f"[underdrawing.test]\ngood = {package}.good:Good\nlost = {package}.nowhere:Lost\n"
    )
    (tmp_path / f"{package}_empty").mkdir()
    (tmp_path / f"{package}_empty" / "__init__.py").touch()
    found = Registry(f"{package}_empty", group="underdrawing.test")
    assert [a.spec.id for a in found] == ["good"]
    assert set(found.broken) == {"lost"}


def test_unknown_names_get_the_nearest() -> None:
    from underdrawing.preprocessors import registry

    with pytest.raises(UnknownName, match="canny"):
        registry.resolve("cany")
    with pytest.raises(UnknownName, match="HEDPreprocessor"):
        registry.resolve("hedpreprocessor")
