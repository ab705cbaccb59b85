"""The extension in a real A1111 and a real Forge, by HTTP: run where they are set up, skipped loudly elsewhere.

A1111_DIR, FORGE_DIR: folder of the host, with sd-webui-controlnet among A1111's extensions. A1111_PYTHON, FORGE_PYTHON:
the Python it runs with, set up for it. Nothing is written below these folders.
"""

from __future__ import annotations

import base64
import io
import json
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image
from tests.support.pictures import photo

from underdrawing.core.installation import install_into, uninstall_from
from underdrawing.preprocessors import registry
from underdrawing.serving.routing import PREFIX

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
HOSTS = {name: (os.environ.get(f"{name}_DIR", ""), os.environ.get(f"{name}_PYTHON", "")) for name in ("A1111", "FORGE")}
FLAGS = {"A1111": ("--use-cpu", "all", "--no-half"), "FORGE": ("--always-cpu",)}
SHARED = (
    *("--skip-prepare-environment", "--api", "--skip-torch-cuda-test", "--skip-version-check", "--no-hashing"),
    *("--no-download-sd-model", "--skip-load-model-at-start"),
)
BOOT, RUN = 300.0, 180.0
"""Longest waits in seconds."""
RESOLUTION = 128


class Server:
    """A running host with a data folder of its own, in which the extension is linked and cloned at once."""

    def __init__(self, kind: str, data: Path) -> None:
        (self.home, self.python), self.data = HOSTS[kind], data
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        (data / "extensions").mkdir(parents=True)
        controlnet = Path(self.home) / "extensions" / "sd-webui-controlnet"
        if controlnet.is_dir():
            (data / "extensions" / controlnet.name).symlink_to(controlnet, target_is_directory=True)
        self.place = install_into("a1111", data, "link")
        (data / "extensions" / "zz-second").symlink_to(ROOT / "a1111_extension", target_is_directory=True)
        self.log = data / "log.txt"
        command = [self.python, "launch.py", *SHARED, *FLAGS[kind], "--data-dir", str(data), "--port", str(port)]
        environ = {**os.environ, "HF_HUB_OFFLINE": "1", "GRADIO_ANALYTICS_ENABLED": "False"}
        guess = Path(self.home) / "repositories" / "huggingface_guess"
        environ["PYTHONPATH"] = str(guess) if kind == "FORGE" else ""
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command, cwd=self.home, env=environ, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )

    def read_log(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    def call(self, path: str, body: Any = None) -> tuple[int, Any]:
        """Status and answer."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=RUN) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def wait(self, starts: int = 1) -> None:
        """Until the log says that the host has started so many times. Raises AssertionError with its end.

        The server is left alone meanwhile: gradio gives up when its own first request waits.
        """
        end = time.monotonic() + BOOT
        while self.read_log().count("Startup time:") < starts:
            assert time.monotonic() < end, self.read_log()[-3000:]
            assert self.process.poll() is None, self.read_log()[-3000:]
            time.sleep(0.5)
        self.starts = starts

    def reload(self) -> None:
        """Press Reload UI."""
        page = self.call("/config")[1]
        (button,) = [c["id"] for c in page["components"] if c["props"].get("elem_id") == "settings_restart_gradio"]
        number = next(
            index
            for index, one in enumerate(page["dependencies"])
            if any(button == (target[0] if isinstance(target, list) else target) for target in one["targets"])
        )
        self.call(
            "/run/predict" if page["version"].startswith("3") else "/queue/join",
            {"fn_index": number, "data": [], "session_hash": "live"},
        )
        self.wait(self.starts + 1)

    def detect(self, name: str, picture: bytes, **more: Any) -> tuple[int, Any]:
        encoded = base64.b64encode(picture).decode()
        body = {"controlnet_module": f"underdrawing_{name}", "controlnet_input_images": [encoded]}
        return self.call("/controlnet/detect", {**body, "controlnet_processor_res": RESOLUTION, **more})

    def annotate(self, name: str, picture: bytes) -> Any:
        """The map that the library makes in the host's own Python."""
        code = f"""
import io, sys, runpy, pathlib
runpy.run_path({str(ROOT / "core" / "hosts" / "loading.py")!r})["load_package"](pathlib.Path({str(ROOT)!r}))
import numpy, underdrawing
from PIL import Image
made = underdrawing.annotate({name!r}, Image.open(io.BytesIO(sys.stdin.buffer.read())), {RESOLUTION}).images[0]
numpy.save(sys.stdout.buffer, made)
"""
        done = subprocess.run([self.python, "-c", code], input=picture, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode()
        return np.load(io.BytesIO(done.stdout))

    def stop(self) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@pytest.fixture(scope="module", params=HOSTS)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    kind: str = request.param
    if not all(HOSTS[kind]):
        pytest.skip(f"NOT TESTED IN A REAL {kind}: set {kind}_DIR and {kind}_PYTHON")
    running = Server(kind, tmp_path_factory.mktemp(kind))
    try:
        running.wait()
        yield running
    finally:
        running.stop()


def encode(picture: Image.Image) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, "PNG")
    return stream.getvalue()


def pictures() -> dict[str, bytes]:
    colour = Image.fromarray(photo(96, 128))
    alpha = colour.copy()
    alpha.putalpha(Image.fromarray(np.tile(np.linspace(0, 255, 128, dtype=np.uint8), (96, 1))))
    return {name: encode(one) for name, one in {"colour": colour, "grey": colour.convert("L"), "alpha": alpha}.items()}


def test_every_annotator_is_there_and_no_default_is_ours(server: Server) -> None:
    names = server.call("/controlnet/module_list")[1]["module_list"]
    assert {f"underdrawing_{annotator.spec.id}" for annotator in registry} <= set(names)
    types = server.call("/controlnet/control_types")[1]["control_types"]
    assert not [one for one in types.values() if one["default_option"].startswith("underdrawing_")]


@pytest.mark.parametrize("kind", pictures())
@pytest.mark.parametrize("name", ["canny", "hed"])
def test_maps_are_those_of_the_library_in_the_hosts_python(server: Server, name: str, kind: str) -> None:
    status, answer = server.detect(name, pictures()[kind])
    assert status == 200, answer
    found = np.array(Image.open(io.BytesIO(base64.b64decode(answer["images"][0]))).convert("RGB"))
    assert np.array_equal(found, server.annotate(name, pictures()[kind]))


def test_what_cannot_be_done_is_said_in_words_without_a_traceback(server: Server) -> None:
    lost = next(a.spec.id for a in registry if a.spec.weights and not any(w.bundled for w in a.spec.weights))
    status, answer = server.detect(lost, pictures()["colour"])
    assert status == 422
    assert "weights that are not on this machine" in answer["detail"]
    assert str(server.data / "models" / "underdrawing") in answer["detail"]
    status, answer = server.detect("inpaint", pictures()["colour"])
    assert (status, "needs a mask" in answer["detail"]) == (422, True)
    assert server.detect("inpaint", pictures()["alpha"])[0] == 200
    assert "Traceback" not in server.read_log()


def test_routes_make_the_same_maps_and_the_page_has_one_tab(server: Server) -> None:
    image = base64.b64encode(pictures()["colour"]).decode()
    body = {"image": image, "annotator": "canny", "resolution": RESOLUTION}
    status, job = server.call(f"{PREFIX}/annotate?wait=30", body)
    assert (status, job["state"]) == (200, "done"), job
    found = np.array(Image.open(io.BytesIO(base64.b64decode(job["results"][0]["image"]))))
    assert np.array_equal(found, server.annotate("canny", pictures()["colour"]))
    for path, wrong in (("/annotate", {**body, "image": "/etc/passwd"}), ("/annotate", []), ("/jobs/x", None)):
        status, answer = server.call(PREFIX + path, wrong)
        assert status in (404, 422), answer
        assert answer["detail"]
    pages = [
        one for one in server.call("/config")[1]["components"] if one["props"].get("elem_id") == "underdrawing_page"
    ]
    assert len(pages) == 1


def test_interrupt_stops_a_job(server: Server) -> None:
    image = base64.b64encode(pictures()["colour"]).decode()
    _, job = server.call(f"{PREFIX}/annotate", {"image": image, "annotator": "all", "resolution": 512})
    while server.call(f"{PREFIX}/jobs/{job['id']}")[1]["count"] < 2:
        time.sleep(0.1)
    while (state := server.call(f"{PREFIX}/jobs/{job['id']}")[1]["state"]) == "running":
        server.call("/sdapi/v1/interrupt", {})
    assert state == "cancelled"


def test_two_reloads_and_two_copies_are_harmless(server: Server) -> None:
    names = server.call("/controlnet/module_list")[1]["module_list"]
    for _ in range(2):
        server.reload()
        assert server.call("/controlnet/module_list")[1]["module_list"] == names
        assert server.detect("canny", pictures()["grey"])[0] == 200
    log = server.read_log()
    assert log.count("stands aside") == 3
    assert "underdrawing" not in "".join(block for block in log.split("\n*** ")[1:])
    assert "Traceback" not in log


def test_the_tree_is_as_it_was_afterwards(server: Server) -> None:
    place, left = uninstall_from("a1111", server.data)
    assert (place, left) == (server.place, [])
    assert not place.is_symlink()
