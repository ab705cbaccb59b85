"""The nodes in a real ComfyUI, by HTTP: run where COMFYUI_DIR and COMFYUI_PYTHON are set, skipped loudly elsewhere.

COMFYUI_DIR: ComfyUI's folder. COMFYUI_PYTHON: the Python it runs with, which has requirements.txt installed.
"""

from __future__ import annotations

import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from tests.support.checkpoint_models import save, tiny
from tests.support.workflows import converted

import underdrawing
from underdrawing.preprocessors import registry

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
PHOTO = ROOT / "examples" / "photos" / "astronaut.png"
COMFYUI, PYTHON = os.environ.get("COMFYUI_DIR", ""), os.environ.get("COMFYUI_PYTHON", "")
BOOT, RUN = 180.0, 180.0
"""Longest waits in seconds."""

pytestmark = pytest.mark.skipif(
    not (COMFYUI and PYTHON),
    reason="NOT TESTED IN A REAL COMFYUI: set COMFYUI_DIR and COMFYUI_PYTHON",
)


def take_interrupts() -> None:
    """In the child: a background job's children inherit that SIGINT is ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Server:
    """A running ComfyUI."""

    def __init__(self, base: Path, pack: str = "An-Under.drawing") -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.url = f"http://127.0.0.1:{probe.getsockname()[1]}"
        for name in ("custom_nodes", "input", "output", "temp", "user"):
            (base / name).mkdir(parents=True)
        (base / "custom_nodes" / pack).symlink_to(ROOT, target_is_directory=True)
        with Image.open(PHOTO) as photo:
            photo.convert("RGB").save(base / "input" / "photo.png")
        self.base, self.log = base, base / "log.txt"
        port = self.url.rpartition(":")[2]
        options = ["--cpu", "--base-directory", str(base), "--disable-api-nodes", "--disable-auto-launch"]
        self._out = self.log.open("w")
        self.process = subprocess.Popen(
            [PYTHON, "main.py", *options, "--port", port],
            cwd=COMFYUI,
            stdout=self._out,
            stderr=subprocess.STDOUT,
            env={**os.environ, "OMP_NUM_THREADS": "1", "UNDERDRAWING_CACHE": str(base / "cache")},
            preexec_fn=take_interrupts,
        )
        self._wait()

    def _wait(self) -> None:
        end = time.monotonic() + BOOT
        while time.monotonic() < end and self.process.poll() is None:
            try:
                self.get("/system_stats")
            except (urllib.error.URLError, ConnectionError):
                time.sleep(0.5)
            else:
                return
        pytest.fail(f"ComfyUI did not come up:\n{self.log.read_text()[-4000:]}")

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(self.url + path, timeout=60) as answer:
            data = answer.read()
            return json.loads(data) if "json" in answer.headers.get("Content-Type", "") else data

    def post(self, path: str, data: Any) -> Any:
        request = urllib.request.Request(
            self.url + path, json.dumps(data).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            text = answer.read()
            return json.loads(text) if text else None

    def start(self, prompt: dict[str, Any]) -> str:
        try:
            return self.post("/prompt", {"prompt": prompt})["prompt_id"]
        except urllib.error.HTTPError as error:
            pytest.fail(f"the prompt was refused: {error.read().decode()}")

    def wait_until_running(self, number: str) -> None:
        """Wait until a prompt is being worked on."""
        end = time.monotonic() + RUN
        while time.monotonic() < end:
            if any(number in entry for entry in self.get("/queue")["queue_running"]):
                return
            time.sleep(0.05)
        pytest.fail(f"it never ran:\n{self.log.read_text()[-4000:]}")

    def result(self, number: str) -> dict[str, Any]:
        end = time.monotonic() + RUN
        while time.monotonic() < end:
            if found := self.get(f"/history/{number}"):
                return found[number]
            time.sleep(0.05)
        pytest.fail(f"no result:\n{self.log.read_text()[-4000:]}")

    def run(self, prompt: dict[str, Any]) -> dict[str, Any]:
        found = self.result(self.start(prompt))
        assert found["status"]["status_str"] == "success", found["status"]["messages"]
        return found["outputs"]

    def picture(self, entry: dict[str, str]) -> Any:
        query = "&".join(f"{key}={entry[key]}" for key in ("filename", "subfolder", "type"))
        return np.asarray(Image.open(io.BytesIO(self.get(f"/view?{query}"))).convert("RGB"))

    def stop(self) -> None:
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
        self._out.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    made = Server(tmp_path_factory.mktemp("live") / "base")
    yield made
    made.stop()


def node(kind: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": kind, "inputs": inputs}


def chain(kind: str, **inputs: Any) -> dict[str, Any]:
    """Photo, one annotator, saved picture."""
    return {
        "1": node("LoadImage", image="photo.png"),
        "2": node(kind, image=["1", 0], **inputs),
        "3": node("SaveImage", images=["2", 0], filename_prefix="map"),
    }


def test_the_pack_is_imported_without_a_word(server: Server) -> None:
    log = server.log.read_text()
    assert "IMPORT FAILED): " + str(server.base / "custom_nodes") not in log
    assert "not available" not in log
    assert [line for line in log.splitlines() if "seconds" in line and "An-Under.drawing" in line], log[-2000:]


def test_object_info_is_the_declaration(server: Server) -> None:
    info = server.get("/object_info")
    recorded = json.loads((ROOT / "tests" / "golden" / "comfy" / "nodes.json").read_text("utf-8"))
    drop_ins = json.loads((ROOT / "tests" / "golden" / "comfy" / "drop_in.json").read_text("utf-8"))
    assert set(recorded) | {name for name in drop_ins if name in registry.names} <= set(info)
    for name, wanted in recorded.items():
        order = info[name]["input_order"]
        for part in ("required", "optional"):
            assert order.get(part, []) == [row[0] for row in wanted[part]], name
        assert [kind if isinstance(kind, str) else "COMBO" for kind in info[name]["output"]] == wanted["outputs"]
        assert info[name]["python_module"] == "custom_nodes.An-Under.drawing"


def test_help_pages_locales_and_templates_are_served(server: Server) -> None:
    page = server.get("/extensions/An-Under.drawing/docs/UnderdrawingTile.md")
    assert page.decode().startswith("# ")
    words = server.get("/i18n")
    for language in ("en", "ja"):
        assert "UnderdrawingTile" in words[language]["nodeDefs"]
    assert server.get("/workflow_templates")["An-Under.drawing"]


WEIGHTLESS = [a for a in registry if not a.spec.weights and not a.spec.takes_mask]


@pytest.mark.parametrize("annotator", WEIGHTLESS, ids=lambda a: a.spec.id)
def test_a_map_has_the_bytes_of_the_command_line(annotator: Any, server: Server, tmp_path: Path) -> None:
    name = "Underdrawing" + "".join(part.capitalize() for part in annotator.spec.id.split("_"))
    (entry,) = server.run(chain(name, resolution=256))["3"]["images"]
    command = [sys.executable, str(ROOT)]
    photo = str(server.base / "input" / "photo.png")
    subprocess.run(
        [*command, "annotate", annotator.spec.id, photo, "-o", str(tmp_path), "--resolution", "256"],
        check=True,
    )
    wanted = np.asarray(Image.open(tmp_path / f"photo.{annotator.spec.id}.png").convert("RGB"))
    assert np.array_equal(server.picture(entry), wanted)


BUNDLED = [a for a in registry if a.spec.weights and all(w.bundled for w in a.weights_for(a.params()))]


@pytest.mark.parametrize("annotator", BUNDLED, ids=lambda a: a.spec.id)
def test_networks_run(annotator: Any, server: Server) -> None:
    name = "Underdrawing" + "".join(part.capitalize() for part in annotator.spec.id.split("_"))
    (entry,) = server.run(chain(name, resolution=256))["3"]["images"]
    found = server.picture(entry).astype(np.int32)
    wanted = underdrawing.annotate(annotator.spec.id, PHOTO, resolution=256, device="cpu").images[0]
    assert found.shape == wanted.shape
    assert float(np.abs(found - wanted).mean()) < 1, (
        "another torch may round differently, but not by a level on average"
    )


def test_a_mask_of_an_opaque_picture_is_taken(server: Server) -> None:
    prompt = chain("InpaintPreprocessor", mask=["1", 1])
    (entry,) = server.run(prompt)["3"]["images"]
    assert server.picture(entry).shape == (512, 512, 3)


def test_masked_maps_have_the_bytes_of_the_python_interface(server: Server) -> None:
    """The transparent part of a picture is what is to be repainted, as LoadImage's mask says."""
    with Image.open(PHOTO) as opened:
        photo = np.asarray(opened.convert("RGB"))
    alpha = np.full(photo.shape[:2], 255, np.uint8)
    alpha[100:300, 50:200] = 0
    Image.fromarray(np.dstack([photo, alpha])).save(server.base / "input" / "holed.png")
    for annotator in (a for a in registry if a.spec.takes_mask):
        name = "Underdrawing" + "".join(part.capitalize() for part in annotator.spec.id.split("_"))
        prompt = chain(name, mask=["1", 1], resolution=256, fill="zero")
        prompt["1"] = node("LoadImage", image="holed.png")
        (entry,) = server.run(prompt)["3"]["images"]
        wanted = underdrawing.annotate(annotator.spec.id, photo, resolution=256, masks=alpha < 128, fill="zero").images[
            0
        ]
        assert np.array_equal(server.picture(entry), wanted)


def test_a_batch_of_16(server: Server) -> None:
    kind = next(a for a in WEIGHTLESS if a.spec.kind.value == "edges").spec.id
    prompt = chain(f"Underdrawing{kind.capitalize()}", resolution=256)
    prompt["4"] = node("RepeatImageBatch", image=["1", 0], amount=16)
    prompt["2"]["inputs"]["image"] = ["4", 0]
    entries = server.run(prompt)["3"]["images"]
    assert len(entries) == 16
    first, last = (server.picture(entries[at]) for at in (0, -1))
    assert np.array_equal(first, last)


def test_interrupt_stops_within_a_batch(server: Server) -> None:
    prompt = chain("UnderdrawingBlur", resolution=2048, sigma=64.0)
    prompt["4"] = node("RepeatImageBatch", image=["1", 0], amount=64)
    prompt["2"]["inputs"]["image"] = ["4", 0]
    number = server.start(prompt)
    server.wait_until_running(number)
    server.post("/interrupt", {})
    found = server.result(number)
    assert found["status"]["status_str"] == "error"
    assert any(kind == "execution_interrupted" for kind, _ in found["status"]["messages"])
    assert server.run(chain("UnderdrawingInvert", resolution=64))["3"]["images"]


def test_bounds_and_choices_are_checked_by_the_server(server: Server) -> None:
    with pytest.raises(urllib.error.HTTPError):
        server.post("/prompt", {"prompt": chain("UnderdrawingInvert", resolution=999999)})


def test_missing_weights_are_told_in_the_browser(server: Server) -> None:
    cached = [w for a in registry for w in a.spec.weights if w.repo]
    if not cached:
        pytest.skip("no annotator has weights to fetch")
    found = server.result(server.start(chain("HEDPreprocessor", resolution=64)))
    if found["status"]["status_str"] == "success":
        pytest.skip("the weights are on this machine")
    told = next(data for kind, data in found["status"]["messages"] if kind == "execution_error")
    assert told["exception_type"] == "underdrawing.WeightsMissing", "short, whatever the pack's folder is called"
    assert "run the node `Fetch what this workflow needs (Underdrawing)`" in told["exception_message"]
    assert f"{server.base / 'custom_nodes' / 'An-Under.drawing'} weights fetch " in told["exception_message"]
    assert "licence" in told["exception_message"]
    assert str(server.base) in told["exception_message"]


def test_notes_come_with_the_outputs(server: Server) -> None:
    prompt = chain("UnderdrawingPoseMediapipe", resolution=256)
    prompt["1"] = node("EmptyImage", width=256, height=256, batch_size=1, color=0)
    (note,) = server.run(prompt)["2"]["underdrawing"]
    assert "nobody was found" in note["text"]


def test_the_script_that_shows_them_is_served_and_listed(server: Server) -> None:
    (path,) = [name for name in server.get("/extensions") if "An-Under.drawing" in name]
    assert b"registerExtension" in server.get(path)
    assert server.get("/extensions/An-Under.drawing/docs/UnderdrawingTile/ja.md").decode().startswith("# ")


def test_the_workflow_s_weights_are_listed_from_the_queued_graph(server: Server) -> None:
    prompt = chain("HEDPreprocessor", resolution=64)
    prompt["4"] = node("UnderdrawingFetchWorkflow", download=False)
    prompt["5"] = node("PreviewAny", source=["4", 0])
    del prompt["3"]  # nothing but the list is queued, as with muted outputs
    (text,) = server.run(prompt)["4"]["text"]
    assert "ControlNetHED.pth" in text


def test_a_file_that_was_deleted_is_written_again(server: Server) -> None:
    prompt = {**chain("UnderdrawingPoseMediapipe", resolution=256)}
    prompt["6"] = node("UnderdrawingPosesSave", poses=["2", 1], filename_prefix="twice")
    (first,) = server.run(prompt)["6"]["text"]
    assert not server.run(prompt).get("6", {}).get("text", [""])[0].endswith("2_.json"), "nothing has changed"
    (server.base / "output" / first).unlink()
    (again,) = server.run(prompt)["6"]["text"]
    assert (server.base / "output" / again).is_file()


def test_a_name_that_is_not_offered_says_what_to_use(server: Server) -> None:
    with pytest.raises(urllib.error.HTTPError) as caught:
        server.post("/prompt", {"prompt": chain("AIO_Preprocessor", preprocessor="SAMPreprocessor")})
    assert "use seg_ofade20k" in caught.value.read().decode()


def test_checkpoints_are_merged_as_on_the_command_line(server: Server, tmp_path: Path) -> None:
    folder = server.base / "models" / "checkpoints"
    folder.mkdir(parents=True, exist_ok=True)
    for seed, name in enumerate("ab"):
        save(folder / f"live_{name}.safetensors", tiny(seed))
    files = {"ckpt_a": "live_a.safetensors", "ckpt_b": "live_b.safetensors", "ckpt_c": "none", "ckpt_d": "none"}
    prompt = {
        "1": node("UnderdrawingCheckpointMerge", **files, filename="live_ab", method="slerp", alpha=0.25),
        "2": node("PreviewAny", source=["1", 0]),
        "3": node("UnderdrawingCheckpointDiff", **files, chart="charts/live.png"),
        "4": node("PreviewAny", source=["3", 0]),
    }
    outputs = server.run(prompt)
    assert outputs["2"]["text"] == ["live_ab.safetensors"]
    assert (server.base / "output" / "charts" / "live.png").is_file()
    out = tmp_path / "ab.safetensors"
    command = [sys.executable, str(ROOT), "checkpoint", "merge", folder / "live_a.safetensors"]
    subprocess.run(
        [*command, folder / "live_b.safetensors", "--method", "slerp", "--alpha", "0.25", "-o", out], check=True
    )
    assert out.read_bytes() == (folder / "live_ab.safetensors").read_bytes()
    outside = server.result(
        server.start({**prompt, "3": node("UnderdrawingCheckpointDiff", **files, chart="/tmp/x.png")})
    )
    assert outside["status"]["status_str"] == "error"


def draw_latent(loader: dict[str, Any], model: list[Any], clip: list[Any], name: str) -> dict[str, Any]:
    """A workflow that saves what one step of a model makes of noise."""
    return loader | {
        "11": node("CLIPTextEncode", clip=clip, text="a red ball"),
        "12": node("EmptyLatentImage", width=64, height=64, batch_size=1),
        "13": node(
            "KSampler", model=model, positive=["11", 0], negative=["11", 0], latent_image=["12", 0], seed=1, steps=1,
            cfg=1.0, sampler_name="euler", scheduler="normal", denoise=1.0,
        ),
        "14": node("SaveLatent", samples=["13", 0], filename_prefix=name),
    }  # fmt: skip


def test_a_live_merge_samples_as_its_file_does(server: Server) -> None:
    folder = server.base / "models" / "checkpoints"
    folder.mkdir(parents=True, exist_ok=True)
    script = ROOT / "tests" / "support" / "comfy_checkpoint.py"
    for seed, name in enumerate("ab"):
        subprocess.run(
            [PYTHON, str(script), str(folder / f"small_{name}.safetensors"), str(seed)], cwd=COMFYUI, check=True
        )
    files = {"ckpt_a": "small_a.safetensors", "ckpt_b": "small_b.safetensors", "ckpt_c": "none", "ckpt_d": "none"}
    live = {"1": node("UnderdrawingCheckpointLive", **files, method="weighted_sum", blocks="GRAD_V")}
    none = dict.fromkeys(files, "none")
    saved = {
        "2": node("UnderdrawingCheckpointMerge", **none, recipe=["1", 3], filename="small_ab"),
        "3": node("PreviewAny", source=["2", 0]),
    }
    server.run(draw_latent(live, ["1", 0], ["1", 1], "live") | saved)
    loader = {"1": node("CheckpointLoaderSimple", ckpt_name="small_ab.safetensors")}
    server.run(draw_latent(loader, ["1", 0], ["1", 1], "file"))
    one, other = (next((server.base / "output").glob(f"{name}_*.latent")) for name in ("live", "file"))
    first, second = load_file(one)["latent_tensor"], load_file(other)["latent_tensor"]
    assert first.numpy().tobytes() == second.numpy().tobytes()
    assert first.std() > 0


def test_a_loaded_model_with_a_lora_is_saved_as_the_host_saves_it(server: Server) -> None:
    folder, loras = (server.base / "models" / name for name in ("checkpoints", "loras"))
    for place in (folder, loras):
        place.mkdir(parents=True, exist_ok=True)
    script = ROOT / "tests" / "support" / "comfy_checkpoint.py"
    subprocess.run([PYTHON, str(script), str(folder / "small_l.safetensors"), "5"], cwd=COMFYUI, check=True)
    draw = torch.Generator().manual_seed(0)
    save_file(
        {
            "diffusion_model.time_embed.0.lora_up.weight": torch.randn(1280, 2, generator=draw) * 0.1,
            "diffusion_model.time_embed.0.lora_down.weight": torch.randn(2, 320, generator=draw) * 0.1,
            "text_encoders.clip_l.transformer.text_model.final_layer_norm.diff": torch.randn(768, generator=draw),
        },
        loras / "small_l.safetensors",
    )
    lora = {"lora_name": "small_l.safetensors", "strength_model": 0.7, "strength_clip": 0.5}
    live = {
        "1": node("CheckpointLoaderSimple", ckpt_name="small_l.safetensors"),
        "2": node("LoraLoader", model=["1", 0], clip=["1", 1], **lora),
    }
    none = dict.fromkeys(("ckpt_a", "ckpt_b", "ckpt_c", "ckpt_d"), "none")
    loaded = {"model_a": ["2", 0], "clip_a": ["2", 1]}
    saved = {
        "3": node("UnderdrawingCheckpointMerge", **none, **loaded, filename="kept", method="no_interpolation"),
        "4": node("PreviewAny", source=["3", 0]),
        "5": node("ModelSave", model=["2", 0], filename_prefix="host"),
        "6": node("UnderdrawingCheckpointInspect", ckpt_name="none", model=["2", 0], clip=["2", 1]),
        "7": node("PreviewAny", source=["6", 1]),
    }
    outputs = server.run(draw_latent(live, ["2", 0], ["2", 1], "patched") | saved)
    own, host = load_file(folder / "kept.safetensors"), load_file(next((server.base / "output").glob("host_*")))
    assert {key for key in own if key.startswith("model.")} == set(host)
    assert all(own[key].dtype == host[key].dtype and torch.equal(own[key], host[key]) for key in host)
    assert not torch.equal(
        own[key := "model.diffusion_model.time_embed.0.weight"], load_file(folder / "small_l.safetensors")[key]
    )
    assert json.loads(outputs["7"]["text"][0])["family"] == "sd1"
    loader = {"1": node("CheckpointLoaderSimple", ckpt_name="kept.safetensors")}
    server.run(draw_latent(loader, ["1", 0], ["1", 1], "kept"))
    first, second = (load_file(next((server.base / "output").glob(f"{n}_*.latent"))) for n in ("patched", "kept"))
    assert torch.equal(first["latent_tensor"], second["latent_tensor"])


def test_names_of_other_packs_are_hidden_from_the_search(server: Server) -> None:
    info = server.get("/object_info")
    assert info["HEDPreprocessor"]["deprecated"]
    assert "deprecated" not in info["UnderdrawingHed"]


def test_poses_pass_from_node_to_node(server: Server) -> None:
    prompt = chain("UnderdrawingPoseMediapipe", resolution=256)
    prompt["5"] = node("UnderdrawingPosesEdit", poses=["2", 1], mirror=True)
    prompt["6"] = node("UnderdrawingPosesSave", poses=["5", 0], filename_prefix="who")
    prompt["7"] = node("UnderdrawingPosesDraw", poses=["5", 0])
    prompt["8"] = node("SaveImage", images=["7", 0], filename_prefix="drawn")
    outputs = server.run(prompt)
    assert (server.base / "output" / outputs["6"]["text"][0]).is_file()
    assert server.picture(outputs["8"]["images"][0]).max() > 0
    assert json.loads(outputs["2"]["openpose_json"][0])[0]["people"]


OLD = {
    # a workflow as the other pack's users saved it: values by position, and none for inputs that are new
    "nodes": [
        {"id": 1, "type": "LoadImage", "widgets_values": ["photo.png", "image"]},
        {"id": 2, "type": "CannyEdgePreprocessor", "widgets_values": [80, 160, 512], "image": 1},
        {"id": 3, "type": "LineartStandardPreprocessor", "widgets_values": [6, 8, 512], "image": 1},
        {"id": 4, "type": "BinaryPreprocessor", "widgets_values": [0, 512], "image": 1},
        {"id": 5, "type": "ShufflePreprocessor", "widgets_values": [512, 18446744073709551615, "fixed"], "image": 1},
        {"id": 6, "type": "TilePreprocessor", "widgets_values": [3, 512], "image": 1},
        {"id": 7, "type": "AIO_Preprocessor", "widgets_values": ["CannyEdgePreprocessor", 512], "image": 1},
        {"id": 8, "type": "ColorPreprocessor", "widgets_values": [512], "image": 1},
        {"id": 9, "type": "ImageLuminanceDetector", "widgets_values": [1, 512], "image": 1},
        {"id": 10, "type": "MediaPipe-FaceMeshPreprocessor", "widgets_values": [10, 0.5, 512], "image": 1},
    ],
}


def test_an_old_workflow_opens_and_runs(server: Server) -> None:
    nodes: list[dict[str, Any]] = []
    links: list[list[Any]] = []
    for entry in OLD["nodes"]:
        sockets = []
        if "image" in entry:
            links.append([len(links) + 1, 1, 0, entry["id"], 0, "IMAGE"])
            sockets = [{"name": "image", "type": "IMAGE", "link": len(links)}]
        nodes.append({"id": entry["id"], "type": entry["type"], "widgets_values": entry["widgets_values"]})
        nodes[-1]["inputs"] = sockets
    for source in [node["id"] for node in nodes[1:]]:
        number = source + 100
        links.append([len(links) + 1, source, 0, number, 0, "IMAGE"])
        socket = {"name": "images", "type": "IMAGE", "link": len(links)}
        nodes.append({"id": number, "type": "SaveImage", "widgets_values": ["old"], "inputs": [socket]})
    outputs = server.run(converted({"nodes": nodes, "links": links}, server.get("/object_info")))
    assert len(outputs) == len(OLD["nodes"]) - 1
    sizes = {server.picture(output["images"][0]).shape for output in outputs.values()}
    assert sizes == {(512, 512, 3)}


def test_the_example_without_models_runs(server: Server) -> None:
    workflow = json.loads((ROOT / "example_workflows" / "Sheet of all maps.json").read_text("utf-8"))
    prompt = converted(workflow, server.get("/object_info"))
    prompt["1"]["inputs"]["image"] = "photo.png"
    assert server.run(prompt)["3"]["images"]


def test_the_server_ends_cleanly(server: Server) -> None:
    server.stop()
    assert server.process.returncode == 0
