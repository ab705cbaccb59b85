"""What loading the nodes may cost and touch, and that their names, inputs and order never change by accident."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.fake_host import Host

from underdrawing.preprocessors import registry

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests" / "golden" / "comfy"
RECORD = "when the change is meant: make docs (python tools/generate.py)"


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    made = Host(tmp_path)
    made.enter()
    yield made
    made.leave()


def cloned(host: Host, name: str = "My Under.drawing 1.0 (x)") -> Path:
    folder = host.base / "custom_nodes" / name
    folder.symlink_to(ROOT, target_is_directory=True)
    return folder


def loaded(host: Host) -> dict[str, Any]:
    return host.load(cloned(host)).NODE_CLASS_MAPPINGS


def test_a_clone_of_any_name_is_loaded(host: Host) -> None:
    module = host.load(cloned(host))
    assert hasattr(module, "NODE_CLASS_MAPPINGS")
    assert set(module.NODE_DISPLAY_NAME_MAPPINGS) == set(module.NODE_CLASS_MAPPINGS)
    assert Path(module.WEB_DIRECTORY).is_absolute()
    assert Path(module.WEB_DIRECTORY).is_dir()
    origins = {node.__module__ for node in module.NODE_CLASS_MAPPINGS.values()}
    assert all(origin.startswith(module.__name__ + ".comfy_nodes.") for origin in origins)


def test_outside_the_host_there_are_no_nodes() -> None:
    code = "import underdrawing; assert not hasattr(underdrawing, 'NODE_CLASS_MAPPINGS'); underdrawing.annotate"
    subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": str(ROOT / ".dev")}, check=True)


PROBE = """
import logging, os, sys
from pathlib import Path
sys.path[:0] = [{root!r}]
from tests.support.fake_host import Host
host = Host(Path({base!r})); host.enter()
import importlib.metadata, difflib, json, asyncio, urllib.request, uuid, sqlite3  # what the host has loaded
def state():
    root = logging.getLogger()
    return list(sys.path), os.getcwd(), dict(os.environ), list(root.handlers), root.level, logging.root.manager.disable
before, known = state(), set(sys.modules)
module = host.load(Path({folder!r}))
assert hasattr(module, "NODE_CLASS_MAPPINGS") and len(module.NODE_DISPLAY_NAME_MAPPINGS) > 20
for node in module.NODE_CLASS_MAPPINGS.values():
    node.INPUT_TYPES()
assert state() == before, "loading changed the process"
heavy = [m for m in ("torch", "numpy", "cv2", "PIL", "requests", "huggingface_hub", "click") if m in sys.modules]
assert not heavy, heavy
FOLDERS = ("preprocessors", "operations", "methods", "transformers")  # each of their files is a declaration
loaded = [name for name in set(sys.modules) - known if ".pipeline.training" not in name]  # parameters of train
loaded = [name for name in loaded if not (".core." in name and name.endswith(".options"))]  # of clips, tiles, data sets
print(len([name for name in loaded if name.split(".")[-2:-1] not in [[f] for f in FOLDERS]]))
"""


def test_loading_imports_little_and_touches_nothing(tmp_path: Path) -> None:
    """The time it takes is measured by benchmarks/hed.py and benchmarks/comfyui.py."""
    folder = tmp_path / "custom_nodes" / "pack"
    folder.parent.mkdir()
    folder.symlink_to(ROOT, target_is_directory=True)
    code = PROBE.format(root=str(ROOT), base=str(tmp_path), folder=str(folder))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[-1]) < 145, "modules imported beside declarations, ours and the standard library's"


def told(node: Any) -> dict[str, Any]:
    """Names in order and types, as the golden list has them."""

    def rows(part: dict[str, Any]) -> list[Any]:
        return [[name, "COMBO" if isinstance(given[0], list) else given[0]] for name, given in part.items()]

    types = node.INPUT_TYPES()
    sorts = {"required": rows(types.get("required", {})), "optional": rows(types.get("optional", {}))}
    return {**sorts, "outputs": list(node.RETURN_TYPES)}


def test_our_nodes_are_the_recorded_ones(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNDERDRAWING_DROP_IN", "0")
    recorded = json.loads((GOLDEN / "nodes.json").read_text("utf-8"))
    found = {name: told(node) for name, node in loaded(host).items()}
    assert found == recorded, RECORD


def test_no_node_is_broken_and_all_are_complete(host: Host) -> None:
    for name, node in loaded(host).items():
        assert getattr(node, "DEPRECATED", False) != name.startswith("Underdrawing"), (
            f"names of other packs keep their workflows working and stay out of the search: {name}: {node.DESCRIPTION}"
        )
        assert hasattr(getattr(node, node.FUNCTION), "__wrapped__"), f"{name} reports its notes to the browser"
        assert callable(getattr(node, node.FUNCTION)), name
        assert node.CATEGORY.startswith("Underdrawing/"), name
        assert node.DESCRIPTION, name
        assert len(getattr(node, "RETURN_NAMES", node.RETURN_TYPES)) == len(node.RETURN_TYPES), name
        assert name.isascii(), name


def test_widgets_of_the_other_pack_are_exact(host: Host) -> None:
    nodes = loaded(host)
    recorded = json.loads((GOLDEN / "drop_in.json").read_text("utf-8"))
    ours = {name for name in nodes if not name.startswith("Underdrawing")}
    assert ours <= set(recorded), "the list has every class of the other pack"
    assert set(recorded) - ours <= set(registry.absent), "what has no node says why: preprocessors/_absent.py"
    assert not ours & {name for name, absent in registry.absent.items() if "node of that name" not in absent.use}
    for name in sorted(ours):
        wanted, node, types = recorded[name], nodes[name], nodes[name].INPUT_TYPES()
        assert wanted["display"] == node.TITLE
        outputs = ["COMBO" if isinstance(kind, list) else kind for kind in node.RETURN_TYPES]
        assert outputs[: len(wanted["outputs"])] == wanted["outputs"], name
        for part in ("required", "optional"):
            given = list(types.get(part, {}).items())
            assert len(given) >= len(wanted[part]), name
            for row, (label, (kind, options)) in zip(wanted[part], given, strict=False):
                check_widget(name, row, label, kind, options)
        assert len(types["required"]) == len(wanted["required"]), f"{name}: new inputs are optional and stand last"


def check_widget(name: str, row: list[Any], label: str, kind: Any, options: dict[str, Any]) -> None:
    """Name, kind, default and bounds of one input; a combo of None may hold anything."""
    assert label == row[0], name
    if row[1] == "COMBO":
        assert isinstance(kind, list), name
        return
    assert kind == row[1], f"{name}.{label}"
    if len(row) > 2:
        assert options["default"] == row[2], f"{name}.{label}"
        assert type(options["default"]) is type(row[2]), f"{name}.{label}"
    if len(row) > 3:
        assert [options["min"], options["max"]] == row[3:], f"{name}.{label}"


def test_the_other_packs_names_give_way(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = host.base / "custom_nodes" / "ComfyUI_ControlNet_Aux"
    folder.mkdir()
    (folder / "__init__.py").touch()
    others = {name for name in loaded(host) if not name.startswith("Underdrawing")}
    assert others == {"TTPlanet_Tile_Preprocessor_Simple"}, "that one is another pack's"
    host.leave()
    toolset = folder.rename(folder.with_name("Comfyui_TTP_Toolset"))
    host.enter()
    free = host.load(cloned(host, "first")).NODE_CLASS_MAPPINGS
    assert "TTPlanet_Tile_Preprocessor_Simple" not in free
    assert "TTPlanet_TileSimple_Preprocessor" in free
    host.leave()
    (toolset / "__init__.py").unlink()
    host.enter()
    assert "AIO_Preprocessor" in host.load(cloned(host, "second")).NODE_CLASS_MAPPINGS
    monkeypatch.setenv("UNDERDRAWING_DROP_IN", "0")
    assert "AIO_Preprocessor" not in host.load(cloned(host, "third")).NODE_CLASS_MAPPINGS


def test_every_widget_sets_parameters_that_exist() -> None:
    from underdrawing.preprocessors import registry

    widgets = [(a, alias, w) for a in registry for alias in a.spec.aliases for w in alias.widgets]
    assert widgets
    for annotator, alias, widget in widgets:
        if widget.name == "resolution":
            continue
        for value in (widget.default, *widget.choices, *widget.means):
            annotator.params(**{**alias.presets, **widget.values(value)})


def test_every_name_in_comfyui_brings_its_node() -> None:
    from underdrawing.preprocessors import registry

    names = [(alias.name, alias.title) for a in registry for alias in a.spec.aliases if alias.host == "comfyui"]
    assert all(title for _, title in names), [name for name, title in names if not title]


def test_a_broken_annotator_is_a_node_that_says_why(host: Host) -> None:
    module = host.load(cloned(host))
    annotators = importlib.import_module(".preprocessors", module.__name__).registry
    annotators.broken["new_thing"] = "ImportError: no module named nothing"
    node = module.NODE_CLASS_MAPPINGS["UnderdrawingNewThing"]
    assert "no module named nothing" in node.DESCRIPTION
    assert node.DEPRECATED
    assert "UnderdrawingTile" in module.NODE_CLASS_MAPPINGS
    with pytest.raises(RuntimeError, match="no module named nothing"):
        node().refuse()


def test_a_broken_family_leaves_the_others(host: Host) -> None:
    module = host.load(cloned(host))
    sys.modules[f"{module.__name__}.comfy_nodes.lora"] = None  # type: ignore[assignment]
    nodes = module.NODE_CLASS_MAPPINGS
    assert nodes["UnderdrawingLora"].DEPRECATED
    assert "UnderdrawingTile" in nodes
    assert "UnderdrawingFetchWeights" in nodes
