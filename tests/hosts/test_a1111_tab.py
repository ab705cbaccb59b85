"""The tab and its routes in a host whose web framework and page are stand-ins."""

from __future__ import annotations

import base64
import re
import shutil
import subprocess
import sys
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image
from tests.support import fake_web
from tests.support.fake_web import FakeApp, HTTPException
from tests.support.pictures import photo
from tests.support.tree import ROOT
from tests.support.web_host import PICTURE, WebHost
from tools import web_texts

from underdrawing.a1111_extension import extras, routes, tab
from underdrawing.core.errors import UnderdrawingError
from underdrawing.core.operation_registry import operations
from underdrawing.preprocessors import registry
from underdrawing.serving.routing import PREFIX

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

NAME = "underdrawing"
SCRIPTS = sorted((ROOT / "a1111_extension" / "javascript").glob("*.js"))
TEXT = re.compile(r'ud\.(?:text|button)\("([^"]+)"|ud\.label\("([^"]+)"')


class FakeHost(WebHost):
    """A host that keeps callbacks, and counts the work that it is given."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.turns = 0
        self.started: list[Callable[..., Any]] = []
        self.tabs: list[Callable[..., Any]] = []
        self.shared = SimpleNamespace(opts=SimpleNamespace(data={}), cmd_opts=SimpleNamespace())
        self.callbacks = SimpleNamespace(on_app_started=self.started.append, on_ui_tabs=self.tabs.append)

    def run_in_turn(self, work: Callable[[], None]) -> None:
        self.turns += 1
        work()


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHost]:
    host = FakeHost(tmp_path)
    for module in (routes, tab, extras):
        monkeypatch.setattr(module, "get_host", lambda: host)
    routes.get_service.cache_clear()
    yield host
    routes.get_service.cache_clear()


def start(host: FakeHost, auth: Any = None) -> FakeApp:
    routes.register()
    app = FakeApp(auth)
    for callback in host.started:
        callback(None, app)
    return app


def test_every_route_is_registered_once_also_after_reloads(host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_web.install(monkeypatch)
    app = start(host)
    count = len({(route.path, *route.methods) for route in app.routes})
    assert count == len(routes.get_service().routes) == len(app.routes)
    host.started[0](None, app)
    assert len(app.routes) == count
    assert all(route.path.startswith(PREFIX) for route in app.routes)


def test_a_map_over_the_routes(host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_web.install(monkeypatch)
    app = start(host)
    body = {"image": PICTURE, "annotator": "canny", "resolution": 64}
    job = app.ask("POST", f"{PREFIX}/annotate", body, query_params={"wait": "30"})
    assert base64.b64decode(job["results"][0]["image"]).startswith(b"\x89PNG")
    assert host.turns == 1
    found = app.ask("GET", f"{PREFIX}/jobs/{{id}}", path_params={"id": job["id"]})
    assert found["state"] == "done"


def test_failures_are_a_status_and_a_text(host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_web.install(monkeypatch)
    app = start(host)
    with pytest.raises(HTTPException, match="no such job") as caught:
        app.ask("GET", f"{PREFIX}/jobs/{{id}}", path_params={"id": "x"})
    assert caught.value.status_code == 404


def test_where_the_page_asks_for_a_login_so_do_the_routes(host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_web.install(monkeypatch)
    app = start(host, auth={"me": "secret"})
    app.tokens["token"] = "me"
    with pytest.raises(HTTPException, match="log in") as caught:
        app.ask("GET", PREFIX)
    assert caught.value.status_code == 401
    assert app.ask("GET", PREFIX, cookies={"access-token": "token"})["api"] == 1
    header = f"Basic {base64.b64encode(b'me:secret').decode()}"
    assert app.ask("GET", PREFIX, headers={"authorization": header})["api"] == 1


def test_the_tab_is_one_element(host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    made = fake_web.install(monkeypatch)
    tab.register()
    ((page, title, name),) = host.tabs[0]()
    assert (title, name) == ("Underdrawing", "underdrawing")
    assert [type(one).__name__ for one in made] == ["Blocks", "HTML"]
    assert 'id="underdrawing_root"' in made[1].values[0]
    assert page is made[0]


class ScriptPostprocessing:
    """The host's base of scripts in Extras."""


def test_extras_turn_a_picture_into_a_map(host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    made = fake_web.install(monkeypatch)
    module = ModuleType("modules.scripts_postprocessing")
    vars(module)["ScriptPostprocessing"] = ScriptPostprocessing
    monkeypatch.setitem(sys.modules, "modules", ModuleType("modules"))
    monkeypatch.setitem(sys.modules, "modules.scripts_postprocessing", module)
    (script_type,) = extras.register().values()
    assert issubclass(script_type, ScriptPostprocessing)
    script: Any = script_type()
    assert set(script.ui()) == {"annotator", "resolution"}
    choices = next(one for one in made if type(one).__name__ == "Dropdown").values[0]
    assert {"canny", "hed"} <= set(choices)
    shot = SimpleNamespace(image=Image.fromarray(photo(64, 96)), info={})
    script.process(shot, "None", 64)
    assert shot.info == {}
    script.process(shot, "canny", 64)
    assert shot.image.size == (96, 64)
    assert "canny" in shot.info["Underdrawing"]
    with pytest.raises(UnderdrawingError, match="weights"):
        script.process(shot, "depth_midas", 64)


def test_scripts_name_no_annotator_and_no_operation() -> None:
    names = {
        annotator.spec.id for annotator in registry if "_" in annotator.spec.id or annotator.spec.id in ("canny", "hed")
    }
    names |= {operation.spec.id for operation in operations() if operation.spec.verb}
    for path in SCRIPTS:
        found = set(re.findall(r"[\w.]+", path.read_text("utf-8")))
        assert not names & found, path.name


def test_every_text_of_the_scripts_has_japanese() -> None:
    from tools.comfy_pages import Japanese

    words = Japanese().words
    texts = {
        text for path in SCRIPTS for pair in TEXT.findall(path.read_text("utf-8")) for text in pair if len(text) > 1
    }
    assert len(texts) > 30
    assert texts - set(words) == set()
    assert len([text for text in web_texts.list_declared() if text in words]) > 300


def test_a_clone_loads_every_script_of_the_folder() -> None:
    loader = (ROOT / "javascript" / f"{NAME}.js").read_text("utf-8")
    (listed,) = re.findall(r"of \[([^\]]*)\]", loader)
    assert {f"{NAME}{name}.js" for name in re.findall(r'"(\w*)"', listed)} == {path.name for path in SCRIPTS}


def test_scripts_are_whole() -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed: install Node.js to check the scripts")
    check = "for (const f of process.argv.slice(1)) new vm.Script(fs.readFileSync(f, 'utf8'), {filename: f})"
    files = [*SCRIPTS, ROOT / "javascript" / f"{NAME}.js"]
    done = subprocess.run([node, "-e", check, *files], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
