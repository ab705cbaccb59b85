from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.web_host import Client, WebHost

from underdrawing.core.errors import BadParameter
from underdrawing.core.params import Field
from underdrawing.serving.routing import PREFIX, Call
from underdrawing.serving.service import Service

if TYPE_CHECKING:
    from collections.abc import Callable

PAGE = Path(__file__).resolve().parents[2] / "docs" / "http_api.md"


@pytest.fixture
def client(tmp_path: Path) -> Client:
    return Client(WebHost(tmp_path))


def test_every_route_is_documented(client: Client) -> None:
    page = PAGE.read_text("utf-8")
    listed = {(method, path) for method, path in re.findall(r"^\| `(GET|POST) ([^`]*)` \|", page, re.MULTILINE)}
    assert listed == {(route.method, route.path or "/") for route in client.service.routes}
    assert PREFIX in page


def test_reading_changes_nothing_and_is_json(client: Client, tmp_path: Path) -> None:
    for route in client.service.routes:
        if route.method == "GET" and "{" not in route.path and route.path != "/doctor":
            json.dumps(client.get(route.path))
    assert list(tmp_path.iterdir()) == []


def test_one_annotator_by_another_name(client: Client) -> None:
    found = client.get("/annotators/softedge_hedsafe")
    assert found["id"] == "hed"
    assert next(one for one in found["params"] if one["name"] == "safe")["default"] is True


def test_one_operation(client: Client) -> None:
    assert client.get("/operations/lora.inspect")["inputs"][0]["kind"] == "lora"


def test_posts_need_an_object(client: Client) -> None:
    for route in client.service.routes:
        if route.method == "POST":
            for body in (None, [], "x", 3):
                assert client.service.answer(route, Call({}, {}, body)).status == 422, route.path


@pytest.mark.parametrize(
    ("method", "path", "query", "status"),
    [
        ("GET", "/jobs/nothing", {}, 404),
        ("GET", "/annotators/nothing", {}, 404),
        ("GET", "/files/poses", {}, 404),
        ("GET", "/files/..", {}, 404),
        ("GET", "/texts/xx", {}, 404),
        ("GET", "/texts/..", {}, 404),
        ("POST", "/jobs/nothing/cancel", {}, 404),
        ("POST", "/settings", {}, 422),
    ],
)
def test_unknown_names_have_a_status_and_a_text(
    client: Client, method: str, path: str, query: dict[str, str], status: int
) -> None:
    answer = client.ask(method, path, {} if method == "POST" else None, **query)
    assert answer.status == status
    assert answer.content["detail"]


def test_a_fault_of_ours_is_a_text(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise ZeroDivisionError("x")

    monkeypatch.setattr("underdrawing.serving.schema.describe_panels", fail)
    answer = client.ask("GET", "/panels")
    assert answer.status == 500
    assert answer.content["detail"].startswith("ZeroDivisionError: x.")


def test_jobs_are_listed_followed_and_cancelled(client: Client) -> None:
    job = client.run("/operations/prompt.explain", {"inputs": {"prompt": "a cat"}})
    assert [one["id"] for one in client.get("/jobs")["jobs"]] == [job["id"]]
    assert client.get(f"/jobs/{job['id']}", since="1")["results"] == []
    assert client.ask("POST", f"/jobs/{job['id']}/cancel", {}).content["state"] == "done"
    assert client.ask("GET", f"/jobs/{job['id']}", since="-1").status == 422
    assert client.ask("POST", "/operations/prompt.explain", {}, wait="soon").status == 422


def test_poses_of_any_form_become_openpose(client: Client) -> None:
    coco = [{"keypoints": [x for i in range(17) for x in (10 + i, 20, 2)], "image_id": 1, "category_id": 1}]
    answer = client.ask("POST", "/poses", {"poses": coco})
    assert answer.status == 200
    assert len(answer.content["poses"][0]["people"][0]["pose_keypoints_2d"]) == 54
    assert client.ask("POST", "/poses", {"poses": "nothing"}).status == 422


def test_the_skeleton_fits_the_keypoints(client: Client) -> None:
    for part in client.get("/skeleton")["parts"].values():
        assert all(0 <= index < part["count"] for limb in part["limbs"] for index in limb)
        assert sorted(part.get("mirror", range(part["count"]))) == list(range(part["count"]))


class Store:
    """Settings of a host that stores one number."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {"size": 512}

    def fields(self) -> tuple[Field, ...]:
        return (Field(name="size", kind="int", default=512, help="Size", low=64, high=2048, step=64),)

    def read(self) -> dict[str, Any]:
        return self.values

    def write(self, values: dict[str, Any]) -> None:
        if set(values) - {"size"}:
            raise BadParameter("is no setting", where=", ".join(values))
        self.values |= values


def test_settings_that_the_host_hides(tmp_path: Path) -> None:
    client = Client(WebHost(tmp_path))
    assert client.get("/settings")["settings"] == []
    assert client.ask("POST", "/settings", {"values": {}}).status == 404
    client.service = Service(WebHost(tmp_path), settings=Store())
    assert client.get("/settings")["values"] == {"size": 512}
    assert client.ask("POST", "/settings", {"values": {"size": 640}}).content["values"] == {"size": 640}
    assert client.ask("POST", "/settings", {"values": {"x": 1}}).status == 422


def test_receipts_of_the_host(tmp_path: Path) -> None:
    client = Client(WebHost(tmp_path))
    assert client.get("/receipts") == {"loras": [], "problems": []}
    client.service = Service(WebHost(tmp_path), receipts=lambda: {"loras": [{"name": "a"}]})
    assert client.get("/receipts") == {"loras": [{"name": "a"}], "problems": []}


def test_heavy_work_runs_where_the_host_says(tmp_path: Path) -> None:
    ran: list[str] = []

    def execute(work: Callable[[], None]) -> None:
        ran.append("here")
        work()

    client = Client(WebHost(tmp_path))
    client.service = Service(WebHost(tmp_path), execute)
    client.run("/operations/prompt.explain", {"inputs": {"prompt": "a"}})
    assert ran == []
    client.run("/operations/pose.render", {"inputs": {"poses": {"people": [], "canvas_width": 8, "canvas_height": 8}}})
    assert ran == ["here"]


def test_the_client_says_in_a_sentence_what_is_wrong(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    picture = str(root / "examples" / "photos" / "camera.png")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # nothing listens there
        address = f"http://127.0.0.1:{taken.getsockname()[1]}"
        tried = (picture, "canny", str(tmp_path / "map.png"), address)
        done = [_run_client(root, *arguments) for arguments in ((), ("--help",), tried)]
    assert [one.returncode for one in done] == [2, 0, 1]
    assert "Traceback" not in "".join(one.stderr for one in done)
    assert "cannot be reached" in done[-1].stderr
    assert "Next: start the host" in done[-1].stderr


def _run_client(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(root / "examples" / "http_client.py"), *arguments]
    return subprocess.run(command, env={}, capture_output=True, text=True, check=False)
