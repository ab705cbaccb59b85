from __future__ import annotations

import contextlib
import json
import random
import signal
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.forked import start_cases
from tests.support.tiny_diffusion import require_diffusers

from underdrawing.core.batch.folder_lock import hold_folder
from underdrawing.core.errors import BadParameter, BadWeights, WriteFailed
from underdrawing.core.hooks import HostHooks
from underdrawing.core.operation import Job, run
from underdrawing.core.operation_registry import operations
from underdrawing.core.tensor_files.safetensors_io import read_header

require_diffusers()

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    from underdrawing.core.operation import Report

VALUES: dict[str, Any] = {
    "resolution": 64,
    "steps": 5,
    "batch": 2,
    "state_every": 2,
    "drop_captions": 0.3,
    "shuffle_tags": True,
    "flip": True,
    "noise_offset": 0.1,
    "min_snr": 5.0,
    "dropout": 0.1,
    "warm_up": 1,
    "targets": "cross-attn",
    "save_dtype": "float32",
    "device": "cpu",
}
CODE = """
import json, os, signal, sys
from contextlib import contextmanager
from pathlib import Path
from underdrawing.core.hooks import HostHooks
from underdrawing.core.operation import Job, run
from underdrawing.core.operation_registry import operations
from underdrawing.core.progress import Progress
import torch
torch.set_num_threads(1)

class Watch(Progress):
    def show(self, done, total, message):
        Hooks.seen += message.startswith("step")
        if message.startswith("step") and Hooks.seen == Hooks.step:
            os.kill(os.getpid(), Hooks.number)

class Hooks(HostHooks):
    step = number = seen = 0
    @contextmanager
    def progress(self, title, total=0, unit=""):
        yield Watch()

def train(data, output, values, kind="lora"):
    run(operations()["train." + kind], {"data": Path(data), "output": Path(output)}, json.loads(values), Job(Hooks()))

left, ending = [0], ["."]
def watch(event, arguments):
    if event == "os.rename" and str(arguments[1]).endswith(ending[0]):
        os.kill(os.getpid(), signal.SIGKILL)
    if event == "os.rename":
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(watch)
train(*START)  # undisturbed; every case then finds the model loaded
Path(START[1] + ".renames").write_text(str(-left[0]))

def case(data, output, values, number, step, renames, kind="lora", name="."):
    # name: ending of the file before which the process is killed
    signal.signal(signal.SIGINT, signal.default_int_handler)
    Hooks.step, Hooks.number, Hooks.seen, left[0], ending[0] = int(step), int(number), 0, int(renames), name
    if data:
        train(data, output, values, kind)
"""


@pytest.fixture(scope="module")
def values(tiny_folder: Path) -> dict[str, Any]:
    return {**VALUES, "checkpoint": str(tiny_folder / "tiny.safetensors")}


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Result of the run that nothing disturbs; a file says its own name."""
    return tmp_path_factory.mktemp("child") / "a.safetensors"


@pytest.fixture(scope="module")
def child(start: Path, training_data: Path, values: dict[str, Any]) -> Generator[Callable[..., str]]:
    words = (str(training_data), str(start), json.dumps(values))
    with start_cases(CODE.replace("START", repr(words)), start.parent) as run_case:
        run_case("", "", "", 0, 0, 0)
        yield run_case


def train(data: Path, output: Path, values: dict[str, Any], host: HostHooks | None = None) -> Report:
    return run(operations()["train.lora"], {"data": data, "output": output}, values, Job(host or HostHooks()))


@pytest.mark.parametrize("where", ["step", "rename"])
def test_a_killed_run_ends_in_the_same_bytes(
    tmp_path: Path,
    training_data: Path,
    values: dict[str, Any],
    child: Callable[..., str],
    start: Path,
    where: str,
) -> None:
    renames = int(start.with_name(f"{start.name}.renames").read_text())
    step = random.randint(1, 5) if where == "step" else 0
    rename = random.randint(1, renames) if where == "rename" else 0
    output, given = tmp_path / "a.safetensors", json.dumps(values)
    # loss.png is written by time: a run may have fewer renames than the one that they were counted in
    killed = pytest.raises(AssertionError, match="status 9") if step else contextlib.suppress(AssertionError)
    with killed:
        child(training_data, output, given, int(signal.SIGKILL), step, rename)
    child(training_data, output, given, 0, 0, 0)
    assert output.read_bytes() == start.read_bytes(), f"killed at step {step}, rename {rename} of {renames}"
    steps = [json.loads(line)["step"] for line in (tmp_path / "a.run" / "log.jsonl").read_text().splitlines()]
    assert steps == [1, 2, 3, 4, 5]


KILL = int(signal.SIGKILL)
SHORT: dict[str, Any] = {"resolution": 64, "steps": 4, "state_every": 1, "flip": True, "device": "cpu"}
MORE: dict[str, dict[str, Any]] = {
    "embedding": {"token": "zorb"},
    "pti": {"token": "zorb", "word_steps": 3, "targets": "cross-attn", "dropout": 0.1, "continue_inversion": True},
}


def read_results(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.safetensors")}


@pytest.mark.parametrize(
    ("kind", "kills"),
    [
        ("embedding", [(KILL, random.randint(1, 4), 0, ".")]),
        ("pti", [(KILL, random.randint(1, 3), 0, "."), (0, 0, 0, "zorb.safetensors"), (KILL, 3, 0, ".")]),
    ],
)
def test_other_kinds_end_in_the_same_bytes(
    tmp_path: Path,
    training_data: Path,
    values: dict[str, Any],
    child: Callable[..., str],
    kind: str,
    kills: list[tuple[int, int, int, str]],
) -> None:
    """The word of pti is trained in a run of its own, and written when that has ended."""
    given = json.dumps({**SHORT, **MORE[kind], "checkpoint": values["checkpoint"]})
    whole, killed = tmp_path / "whole" / "a.safetensors", tmp_path / "killed" / "a.safetensors"
    child(training_data, whole, given, 0, 0, 0, kind)
    for number, step, renames, name in kills:
        with pytest.raises(AssertionError, match="status 9"):
            child(training_data, killed, given, number, step, renames, kind, name)
    child(training_data, killed, given, 0, 0, 0, kind)
    results = read_results(whole.parent)
    assert read_results(killed.parent) == results, f"killed at {kills}"


def test_ctrl_c_saves_the_step_it_is_at(
    tmp_path: Path, training_data: Path, values: dict[str, Any], child: Callable[..., str], start: Path
) -> None:
    output = tmp_path / "a.safetensors"
    with pytest.raises(AssertionError, match=r"the state of step 3 is saved(.|\n)*KeyboardInterrupt"):
        child(training_data, output, json.dumps(values), int(signal.SIGINT), 3, 0)
    assert [path.name for path in (tmp_path / "a.run").glob("state-*")] == ["state-00000003.safetensors"]
    child(training_data, output, json.dumps(values), 0, 0, 0)
    assert output.read_bytes() == start.read_bytes()


class Notes(HostHooks):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.fixture(scope="module")
def finished(
    tmp_path_factory: pytest.TempPathFactory, training_data: Path, values: dict[str, Any]
) -> tuple[Path, Report, list[str]]:
    """Output, report and notes of a run in this process."""
    output, host = tmp_path_factory.mktemp("finished") / "a.safetensors", Notes()
    return output, train(training_data, output, {**values, "steps": 2, "trigger": "sks"}, host), host.notes


def test_the_receipt_says_what_was_done(finished: tuple[Path, Report, list[str]]) -> None:
    output, report, notes = finished
    data = json.loads((output.parent / "a.receipt.json").read_text("utf-8"))
    assert data == report.data
    assert data["given"] == sorted({*VALUES, "checkpoint", "trigger"}, key=list(data["options"]).index)
    moved = [row for row in data["tensors"] if row["moved"]]
    assert len(moved) == len([row for row in data["tensors"] if "." in row["name"] and not row["reason"]])
    assert all(row["reason"] for row in data["tensors"] if not row["moved"])
    assert 0 < data["trained"] < data["full"]
    assert data["file_bytes"] == output.stat().st_size
    assert (data["steps"], data["data"]["pictures"]) == (2, 4)
    assert [name for name, _ in data["data"]["left_out"]] == ["broken.png"]
    assert any("broken.png" in note for note in notes)
    assert "'sks', the trigger word takes its place" in " ".join(notes)
    metadata = read_header(output).metadata
    assert metadata["ss_trigger_words"] == "sks"
    assert json.loads(metadata["ss_tag_frequency"])["img"]["on a table"] == 3
    assert report.files == (output, output.parent / "a.receipt.json")


def test_a_finished_run_says_so_and_keeps_its_bytes(
    finished: tuple[Path, Report, list[str]], training_data: Path, values: dict[str, Any]
) -> None:
    output, host = finished[0], Notes()
    before = output.read_bytes()
    train(training_data, output, {**values, "steps": 2, "trigger": "sks"}, host)
    assert "the run is complete already" in host.notes
    assert output.read_bytes() == before
    with pytest.raises(BadParameter, match=r"--rank was 4 and is 2; --steps was 2 and is 9.*--restart"):
        train(training_data, output, {**values, "steps": 9, "trigger": "sks", "rank": 2})


def test_the_model_is_left_as_it_was(tmp_path: Path, training_data: Path, values: dict[str, Any]) -> None:
    from underdrawing.core.networks.placement import Placement
    from underdrawing.pipeline.models.loading import load_model

    model = load_model(values["checkpoint"], placement=Placement())
    before = {name: value.clone() for name, value in model.unet.state_dict().items()}
    hooks = sum(len(module._forward_hooks) for module in model.unet.modules())
    train(training_data, tmp_path / "a.safetensors", {**values, "steps": 2})
    after = model.unet.state_dict()
    assert after.keys() == before.keys()
    assert all(value.equal(after[name]) for name, value in before.items())
    assert sum(len(module._forward_hooks) for module in model.unet.modules()) == hooks
    assert not any(parameter.requires_grad for parameter in model.unet.parameters())


@pytest.mark.parametrize("option", ["gradient_checkpointing", "text_encoder"])
def test_activations_are_computed_twice_to_the_same_numbers(
    tmp_path: Path, training_data: Path, values: dict[str, Any], option: str
) -> None:
    plain = {**values, "steps": 1, "text_encoder": option == "text_encoder", "state_every": 0, "warm_up": 0}
    plain["targets"] = "attn" if plain["text_encoder"] else "cross-attn"
    losses = [
        train(training_data, tmp_path / f"{double}.safetensors", {**plain, "gradient_checkpointing": double}).data[
            "loss"
        ]
        for double in (False, True)
    ]
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)
    moved = [row["name"] for row in json.loads((tmp_path / "True.receipt.json").read_text())["tensors"] if row["moved"]]
    assert any(name.startswith("text_encoder.") for name in moved) is (option == "text_encoder")


@pytest.mark.parametrize("kind", ["lora", "vae", "nothing"])
def test_a_wrong_base_model_is_named_as_generate_names_it(
    tmp_path: Path, training_data: Path, tiny_folder: Path, values: dict[str, Any], kind: str
) -> None:
    import torch
    from safetensors.torch import save_file

    path = tiny_folder / "style.safetensors" if kind == "lora" else tmp_path / f"{kind}.safetensors"
    if kind == "vae":
        save_file({"decoder.conv_in.weight": torch.zeros(1), "encoder.conv_in.weight": torch.zeros(1)}, path)
    words = {
        "lora": "is a LoRA, a checkpoint is needed",
        "vae": "is a VAE, a checkpoint is needed",
        "nothing": "no file",
    }
    with pytest.raises(BadWeights, match=words[kind]):
        train(training_data, tmp_path / "a.safetensors", {**values, "checkpoint": str(path)})
    assert not (tmp_path / "a.safetensors").exists()


def test_a_second_process_is_told_which_one_trains(tmp_path: Path, training_data: Path, values: dict[str, Any]) -> None:
    (tmp_path / "a.run").mkdir()
    with hold_folder(tmp_path / "a.run", "process"), pytest.raises(WriteFailed, match=r"process \d+ is writing"):
        train(training_data, tmp_path / "a.safetensors", values)
