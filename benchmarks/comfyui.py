"""A running ComfyUI with this pack and comfyui_controlnet_aux: boot, prompt times in turn, memory of the server.

    COMFYUI_DIR=... COMFYUI_PYTHON=... $COMFYUI_PYTHON benchmarks/comfyui.py [--rounds 5] [--batch 16] [--boots 3]

COMFYUI_DIR: ComfyUI's folder, with both packs in custom_nodes (or COMFYUI_BASE: the base directory that has them).
COMFYUI_PYTHON: the Python it runs with. Both packs are to have the same HED weights: ControlNetHED.pth of the other
pack made of preprocessors/bundled/hed_bsds500.safetensors, which has the same keys. Needs psutil, as ComfyUI does.
Prints Markdown; benchmarks/comfyui.md holds this output.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil  # pyright: ignore[reportMissingModuleSource]
from interleave import load, processor
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Generator

    Inputs = dict[str, Any]
    Measured = tuple[float, float, "list[dict[str, str]]"]

PHOTO = Path(__file__).resolve().parents[1] / "examples" / "photos" / "astronaut.png"
BOOT, RUN = 300.0, 900.0
"""Longest waits in seconds."""
OURS, THEIRS, NOTHING = "ours", "comfyui_controlnet_aux", "no annotator"
MARKS = {OURS: "UnderdrawingCanny", THEIRS: "CannyEdgePreprocessor"}
"""Nodes by which the packs' folders are found."""
CHAINS: dict[str, dict[str, tuple[str, Inputs]]] = {
    "canny": {
        OURS: ("UnderdrawingCanny", {"resolution": 512}),
        THEIRS: ("CannyEdgePreprocessor", {"resolution": 512, "low_threshold": 100, "high_threshold": 200}),
    },
    "HED": {
        OURS: ("UnderdrawingHed", {"resolution": 512, "model": "bsds500", "safe": False}),
        THEIRS: ("HEDPreprocessor", {"resolution": 512, "safe": "disable"}),
    },
}


class Server:
    """A ComfyUI on the processor, on a free port, with its own folders for input, output and settings."""

    def __init__(self, folder: Path, *options: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = str(probe.getsockname()[1])
        self.url, self.folder, self.log = f"http://127.0.0.1:{port}", folder, folder / "log.txt"
        self.numbers = count()
        for name in ("input", "output", "temp", "user"):
            (folder / name).mkdir(exist_ok=True)
            options = (*options, f"--{name}-directory", str(folder / name))
        if base := os.environ.get("COMFYUI_BASE"):
            options = ("--base-directory", base, *options)
        fixed = ["--cpu", "--disable-api-nodes", "--database-url", "sqlite:///:memory:", "--port", port]
        begin = time.perf_counter()
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [os.environ["COMFYUI_PYTHON"], "main.py", *fixed, *options],
                cwd=os.environ["COMFYUI_DIR"],
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, "UNDERDRAWING_DOWNLOAD": "never", "HF_HUB_OFFLINE": "1"},
            )
        self._wait()
        self.boot = time.perf_counter() - begin

    def _wait(self) -> None:
        end = time.monotonic() + BOOT
        while time.monotonic() < end and self.process.poll() is None:
            try:
                self.ask("/system_stats")
            except (urllib.error.URLError, ConnectionError):
                time.sleep(0.02)
            else:
                return
        self.stop()
        raise SystemExit(f"ComfyUI did not come up:\n{self.log.read_text()[-4000:]}")

    def ask(self, path: str, data: object = None) -> Any:
        """Return the JSON answer to a GET, or to a POST of data."""
        body = None if data is None else json.dumps(data).encode()
        request = urllib.request.Request(self.url + path, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.loads(answer.read())

    def run(self, kind: str, inputs: Inputs, pictures: int) -> Measured:
        """Seconds from the start of execution to its end by the host's clock, CPU seconds, and the maps."""
        name = fresh(self.folder / "input", next(self.numbers), pictures)
        nodes = {"1": node("LoadImage", image=name), "3": node("PreviewImage", images=["2" if kind else "1", 0])}
        if kind:
            nodes["2"] = node(kind, image=["1", 0], **inputs)
        before = self.cpu()
        found = self._result(self.ask("/prompt", {"prompt": nodes})["prompt_id"])
        spent = self.cpu() - before
        if found["status"]["status_str"] != "success":
            raise SystemExit(f"{kind}: {found['status']['messages']}")
        times = {event: data["timestamp"] for event, data in found["status"]["messages"]}
        seconds = (times["execution_success"] - times["execution_start"]) / 1000
        return seconds, spent, found["outputs"]["3"]["images"]

    def _result(self, number: str) -> Any:
        end = time.monotonic() + RUN
        while time.monotonic() < end:
            if found := self.ask(f"/history/{number}"):
                return found[number]
            time.sleep(0.02)
        raise SystemExit(f"no result:\n{self.log.read_text()[-4000:]}")

    def cpu(self) -> float:
        """CPU seconds the server has used."""
        used = psutil.Process(self.process.pid).cpu_times()
        return used.user + used.system

    def resident(self) -> float:
        """Resident set in MiB."""
        return psutil.Process(self.process.pid).memory_info().rss / 2**20

    def imports(self) -> dict[str, float]:
        """Folder -> seconds, of the host's own list of import times."""
        rows = [line.split(" seconds") for line in self.log.read_text().splitlines() if " seconds" in line]
        pairs = [(row[0].strip(), row[1].rpartition(": ")[2]) for row in rows if len(row) == 2]
        return {Path(path).name: float(number) for number, path in pairs if number.replace(".", "", 1).isdigit()}

    def stop(self) -> None:
        """End this server."""
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()


@contextmanager
def server(*options: str) -> Generator[Server, None, None]:
    """A server in a folder of its own, stopped and cleaned up at the end."""
    folder = Path(tempfile.mkdtemp(prefix="comfyui"))
    try:
        made = Server(folder, *options)
        try:
            yield made
        finally:
            made.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def node(kind: str, **inputs: Any) -> dict[str, Any]:
    """One node of a prompt."""
    return {"class_type": kind, "inputs": inputs}


def fresh(folder: Path, number: int, pictures: int) -> str:
    """Name of a new picture, or TIFF of several different ones, 512 x 512, that no earlier prompt had."""
    with Image.open(PHOTO) as photo:
        pixels = np.asarray(photo.convert("RGB").resize((512, 512)))
    frames = [Image.fromarray(np.roll(pixels, (number % 512, 16 * i), (0, 1))) for i in range(pictures)]
    name = f"{pictures}_{number}.tiff"
    frames[0].save(folder / name, save_all=True, append_images=frames[1:])
    return name


def folders(running: Server) -> dict[str, str]:
    """Folder of each pack; raises SystemExit where one is missing."""
    info = running.ask("/object_info")
    if missing := [f"{pack} ({name})" for pack, name in MARKS.items() if name not in info]:
        raise SystemExit(f"not in this ComfyUI: {', '.join(missing)}")
    found = {pack: info[name]["python_module"].partition(".")[2] for pack, name in MARKS.items()}
    count_of = {pack: sum(n["python_module"].endswith("." + found[pack]) for n in info.values()) for pack in found}
    print(", ".join(f"{pack}: {number} nodes" for pack, number in count_of.items()))
    return found


def ratio(times: dict[str, list[float]]) -> str:
    """How many times ours fits into the other's."""
    return f"{statistics.median(times[THEIRS]) / max(1e-9, statistics.median(times[OURS])):.2f}"


def prompt_rows(running: Server, name: str, pictures: int, rounds: int) -> None:
    """Print medians of one annotator, ours and theirs in turn, after one unmeasured prompt of each."""
    chains = {**CHAINS[name], NOTHING: ("", {})}
    walls: dict[str, list[float]] = {pack: [] for pack in chains}
    spent: dict[str, list[float]] = {pack: [] for pack in chains}
    for index in range(rounds + 1):
        for pack, (kind, inputs) in chains.items() if index else CHAINS[name].items():
            wall, cpu, _ = running.run(kind, inputs, pictures if index else 1)
            if index:
                walls[pack].append(wall)
                spent[pack].append(cpu)
    for what, times in (("wall", walls), ("CPU", spent)):
        cells = " | ".join(f"{statistics.median(times[pack]) * 1000:.0f}" for pack in (OURS, THEIRS, NOTHING))
        spread = f"{min(times[OURS]) * 1000:.0f}-{max(times[OURS]) * 1000:.0f}"
        other = f"{min(times[THEIRS]) * 1000:.0f}-{max(times[THEIRS]) * 1000:.0f}"
        print(f"| {name}, {pictures} | {what} | {cells} | {ratio(times)} | {spread} | {other} |", flush=True)


def agreement(running: Server, name: str) -> str:
    """Largest and mean difference of both packs' maps of one picture."""
    maps: list[Any] = []
    number = next(running.numbers)
    for kind, inputs in CHAINS[name].values():
        running.numbers = count(number)
        (entry,) = running.run(kind, inputs, 1)[2]
        maps.append(np.asarray(Image.open(running.folder / "temp" / "temp" / entry["filename"]).convert("RGB"), int))
    apart = np.abs(maps[0] - maps[1])
    return f"{name}: maps differ by {apart.max()} at most, {apart.mean():.3f} in the mean (of 255)"


def memory(running: Server, prompts: int) -> None:
    """Print the resident set before, on the way and after canny prompts."""
    kind, inputs = CHAINS["canny"][OURS]
    marks = {0: running.resident()}
    for index in range(1, prompts + 1):
        running.run(kind, inputs, 1)
        if index % max(1, prompts // 4) == 0:
            marks[index] = running.resident()
    print(f"\n## Memory of the server, {prompts} canny prompts of ours, after all of the above\n")
    print("| prompts | resident MiB |\n|---|---|")
    for index, mark in marks.items():
        print(f"| {index} | {mark:.0f} |")
    print(f"\ndifference {marks[prompts] - marks[0]:+.0f} MiB")


def boots(packs: dict[str, str], rounds: int) -> None:
    """Print import times and whole boots with no pack and with each pack alone, in turn."""
    listed: dict[str, list[float]] = {pack: [] for pack in ("none", *packs)}
    whole: dict[str, list[float]] = {pack: [] for pack in listed}
    for _ in range(rounds):
        for pack in listed:
            only = ("--whitelist-custom-nodes", packs[pack]) if pack in packs else ()
            with server("--disable-all-custom-nodes", *only) as made:
                whole[pack].append(made.boot)
                listed[pack].append(made.imports()[packs[pack]] if pack in packs else 0.0)
    print(f"\n## Boot, medians of {rounds}, each pack alone, in turn\n")
    print("| pack | ComfyUI's import times, s | start to first answer, s |\n|---|---|---|")
    for pack in listed:
        print(f"| {pack} | {statistics.median(listed[pack]):.1f} | {statistics.median(whole[pack]):.1f} |")


def main() -> None:
    """Start ComfyUI, measure, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--canny-rounds", type=int, default=20)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--batch-rounds", type=int, default=3, help="of HED")
    parser.add_argument("--boots", type=int, default=3)
    parser.add_argument("--prompts", type=int, default=200)
    given = parser.parse_args()
    if not {"COMFYUI_DIR", "COMFYUI_PYTHON"} <= set(os.environ):
        raise SystemExit("set COMFYUI_DIR and COMFYUI_PYTHON")
    print(f"{processor()}\n\n{load()}\n")
    with server() as running:
        system = running.ask("/system_stats")["system"]
        print(f"ComfyUI {system['comfyui_version']}, torch {system['pytorch_version']}")
        packs = folders(running)
        seen = ", ".join(f"{pack} {running.imports()[folder]:.1f} s" for pack, folder in packs.items())
        print(f"import times with both packs: {seen}\n\n## Prompts at 512, ms, medians, in turn in one server\n")
        print(f"| | | ours | {THEIRS} | {NOTHING} | ratio | ours, range | theirs, range |\n{'|---' * 8}|")
        for name in CHAINS:
            quick = name == "canny"
            prompt_rows(running, name, 1, given.canny_rounds if quick else given.rounds)
            prompt_rows(running, name, given.batch, given.canny_rounds if quick else given.batch_rounds)
        print("\n" + "\n".join(agreement(running, name) for name in CHAINS))
        memory(running, given.prompts)
    boots(packs, given.boots)


if __name__ == "__main__":
    main()
