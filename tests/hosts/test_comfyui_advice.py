"""What helps in ComfyUI: nodes by their titles, commands that exist there, the host's own folder."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.hosts.test_comfyui_names import host, nodes

from underdrawing.core.weights.record import Weight
from underdrawing.core.weights.store import Store
from underdrawing.preprocessors import registry

if TYPE_CHECKING:
    from tests.support.fake_host import Host

__all__ = ["host", "nodes"]
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def no_weights(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("UNDERDRAWING_CACHE", "HF_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    for name in ("UNDERDRAWING_WEIGHTS", "UNDERDRAWING_HOSTS", "UNDERDRAWING_DOWNLOAD", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)


def entry(kind: str, **values: Any) -> dict[str, Any]:
    return {"class_type": kind, "inputs": values}


def run(nodes: dict[str, Any], name: str, **values: Any) -> tuple[dict[str, Any], Any]:
    answer = getattr(nodes[name](), nodes[name].FUNCTION)(**values)
    return (answer["ui"], answer["result"]) if isinstance(answer, dict) else ({}, answer)


def test_the_workflow_s_files_are_found_in_the_queued_graph(nodes: dict[str, Any]) -> None:
    prompt = {
        "1": entry("LoadImage", image="photo.png"),
        "2": entry("HEDPreprocessor", image=["1", 0], safe="enable", resolution=512),
        "3": entry("DepthAnythingV2Preprocessor", image=["1", 0], ckpt_name="depth_anything_v2_vits.pth"),
        "4": entry("UnderdrawingDepthDav2", image=["1", 0], model="small", variant="transformers"),
        "5": entry("AIO_Preprocessor", image=["1", 0], preprocessor="LineArtPreprocessor"),
        "6": entry("UnderdrawingAny", image=["1", 0], annotator="normal_bae"),
        "7": entry("UnderdrawingCanny", image=["1", 0]),
        "8": entry("UnderdrawingTeed", image=["1", 0], model=["9", 0]),
        "9": entry("UnderdrawingDepthDav2", image=["1", 0], model="no such model"),
        "10": entry("AIO_Preprocessor", image=["1", 0], preprocessor="DensePosePreprocessor"),
    }
    ui, (report, image) = run(nodes, "UnderdrawingFetchWorkflow", prompt=prompt, image="picture", download=False)
    for file in ("ControlNetHED.pth", "depth_anything_v2_vits.pth", "sk_model.pth", "scannet.pt"):
        assert file in report, file
    assert "depth_anything_v2_vitl" not in report, "nobody chose it"
    assert image == "picture"
    assert ui["text"] == [report]
    notes = " ".join(note["text"] for note in ui["underdrawing"])
    assert "node 8: model comes from another node" in notes
    assert "node 9 left out" in notes
    assert "node 10 left out: 'DensePosePreprocessor' is not offered" in notes


def test_one_fetch_gets_all_that_an_annotator_needs_and_nothing_else(nodes: dict[str, Any]) -> None:
    required = nodes["UnderdrawingFetchWeights"].INPUT_TYPES()["required"]
    assert required["weights"][1]["default"] == "none", "what is not chosen is not fetched"
    _, (report, _) = run(nodes, "UnderdrawingFetchWeights", weights="none", annotator="AnyLineArtPreprocessor_aux")
    wanted = registry.resolve("AnyLineArtPreprocessor_aux")
    needed = wanted.annotator.weights_for(wanted.annotator.params(**wanted.presets))
    assert all(weight.id in report or not weight.repo for weight in needed)


def test_a_workflow_that_needs_nothing_says_so(nodes: dict[str, Any]) -> None:
    _, (report, _) = run(nodes, "UnderdrawingFetchWorkflow", prompt={"7": entry("UnderdrawingCanny")}, download=True)
    assert "no node of this workflow needs weights" in report


@pytest.mark.parametrize("variable", ["HF_HUB_OFFLINE", "UNDERDRAWING_DOWNLOAD"])
def test_offline_the_folder_comes_first_and_the_nodes_after_the_variable(
    nodes: dict[str, Any], host: Host, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, "1" if variable == "HF_HUB_OFFLINE" else "never")
    import torch

    with pytest.raises(Exception, match="not on this machine") as caught:
        run(nodes, "HEDPreprocessor", image=torch.rand(1, 32, 32, 3))
    advice = caught.value.fix  # type: ignore[attr-defined]
    assert advice.startswith(f"put the file into {host.base / 'models' / 'underdrawing'}")
    assert f"{variable} forbids downloads here: unset it" in advice
    assert advice.index(variable) < advice.index("Fetch what this workflow needs")


def test_every_title_in_the_advice_is_a_node_s(nodes: dict[str, Any]) -> None:
    from underdrawing.comfy_nodes.host import FETCH_NODES

    assert set(FETCH_NODES) <= {node.TITLE for node in nodes.values()}


def test_names_that_are_not_offered_say_what_to_use(nodes: dict[str, Any]) -> None:
    check = nodes["AIO_Preprocessor"].VALIDATE_INPUTS
    assert check(preprocessor="none") is True
    assert check(preprocessor="HEDPreprocessor") is True
    assert check(preprocessor="canny") is True, "our own names too"
    for name, absent in registry.absent.items():
        if absent.host == "comfyui":
            assert f"use {absent.use.partition('`')[0]}" in check(preprocessor=name)
    assert "did you mean" in check(preprocessor="HEDPreprocesor")
    assert nodes["ControlNetPreprocessorSelector"].VALIDATE_INPUTS(preprocessor="SAMPreprocessor") is not True
    assert "is not offered" in nodes["UnderdrawingAny"].VALIDATE_INPUTS(annotator="DSINE-NormalMapPreprocessor")


def test_onnx_choices_of_old_workflows_say_which_file_runs(
    nodes: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from underdrawing.core.registry import describe_other_files
    from underdrawing.preprocessors.weights import inference_backend

    def absent(_: str) -> None:
        return None

    monkeypatch.setattr(inference_backend, "find_spec", absent)
    annotator = registry.resolve("pose_dwpose").annotator
    note = describe_other_files(annotator, {}, ["enable", "yolox_l.onnx", "dw-ll_ucoco_384.onnx"])
    assert note == "LibreYOLOXl.pt, dw-ll_ucoco_384.pth in place of yolox_l.onnx, dw-ll_ucoco_384.onnx"
    assert describe_other_files(annotator, {}, ["enable", "LibreYOLOXl.pt"]) == ""
    giant = ["depth_anything_v2_vitg.pth", 512]
    depth = registry.resolve("DepthAnythingV2Preprocessor")
    assert "in place of depth_anything_v2_vitg.pth" in describe_other_files(depth.annotator, depth.presets, giant)


def test_a_clone_runs_as_a_command_under_any_name(tmp_path: Path) -> None:
    """What the advice names: the host's Python and the pack's folder; fetched files go to that host."""
    folder = tmp_path / "ComfyUI" / "custom_nodes" / "My Under.drawing (x)"
    (tmp_path / "ComfyUI" / "models").mkdir(parents=True)
    folder.parent.mkdir()
    folder.symlink_to(ROOT, target_is_directory=True)
    command = [sys.executable, str(folder), "weights"]
    env = {"HOME": str(tmp_path)}
    done = subprocess.run([*command, "where"], capture_output=True, text=True, check=False, env=env, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    lost = subprocess.run([*command, "fetch", "nothing"], capture_output=True, text=True, check=False, env=env)
    assert f"{folder}' weights list`" in lost.stderr, "commands are named as they work here"
    module = [sys.executable, "-m", "underdrawing", "--version"]
    done = subprocess.run(module, capture_output=True, text=True, check=False, cwd=ROOT / ".dev")
    assert done.stdout.startswith("underdrawing") or "underdrawing" in done.stdout


@pytest.mark.parametrize(("name", "served"), [("a.b-C_(d)+e", True), ("a b", False), ("a%20b", False), ("日本", False)])
def test_a_folder_name_that_is_not_served_is_one_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str, served: bool
) -> None:
    from tests.support.fake_host import Host as FakeHost

    made = FakeHost(tmp_path)
    made.enter()
    try:
        folder = made.base / "custom_nodes" / name
        folder.symlink_to(ROOT, target_is_directory=True)
        module = made.load(folder)
        assert module.NODE_CLASS_MAPPINGS
        assert module.NODE_DISPLAY_NAME_MAPPINGS
    finally:
        made.leave()
    assert caplog.text.count("keeps ComfyUI from serving") == (0 if served else 1)


def test_files_are_fetched_into_the_host_s_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from underdrawing.core.weights import search_paths

    models = tmp_path / "models" / "underdrawing"
    record = Weight(repo="a/b", file="w.bin", sha256="", size=0, licence="MIT", commercial=True)
    monkeypatch.setattr(search_paths, "_host_folders", [models])
    assert Store(tmp_path / "own").folder == tmp_path / "own" / "weights", "a store of its own keeps its folder"
    assert Store().folder == tmp_path / "weights", "UNDERDRAWING_CACHE is the user's own choice"
    monkeypatch.delenv("UNDERDRAWING_CACHE")
    assert Store().folder == models
    assert search_paths.find_parts_folder(models, Store().cache) == models / ".parts"
    assert models / "a/b/w.bin" in [place.path for place in Store().list_locations(record)]
