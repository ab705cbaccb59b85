"""Time and memory of loading a checkpoint: our converted safetensors file, mapped, against the pickle it came from.

    python benchmarks/loading.py [--rounds 5] [--sizes openpose leres] [--folder FOLDER]

Files of random numbers as large as OpenPose's body network (209 MB, 92 tensors) and as LeReS (462 MB, 712 tensors),
made in a temporary folder. Each load runs in a process of its own, in turn; the files are in the system's cache.
"copied" means that every tensor is copied into memory of the process, as networks here get them; in any case each
tensor is summed once, so that a mapped file is really read. Peak: highest resident set above what torch's import left.
Linux counts mapped pages of the file, which it may take back, so what is the process's own, anonymous memory is shown
too. Prints Markdown; run from the repository with tests/ on the path (PYTHONPATH=.dev:.).
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from interleave import load, processor

if TYPE_CHECKING:
    from torch import Tensor

    Tensors = dict[str, Tensor]

WAYS = {
    "pickle, torch.load": "torch.load(path, map_location='cpu', weights_only=True)['state_dict']",
    "pickle, torch.load, copied": "copies(torch.load(path, map_location='cpu', weights_only=True)['state_dict'])",
    "pickle, torch.load(mmap=True)": "torch.load(path, map_location='cpu', weights_only=True, mmap=True)['state_dict']",
    "pickle, our restricted reader": "find_state_dict(read_checkpoint(path), unwrap=('state_dict',))",
    "safetensors, ours": "read_safetensors(safe)",
    "safetensors, ours, copied": "copies(read_safetensors(safe))",
}

MEASURE = """
import sys, time
import torch
from underdrawing.core.tensor_files.torch_files import find_state_dict, read_checkpoint
from underdrawing.core.tensor_files.safetensors_io import read_safetensors
import safetensors.torch

path, safe = sys.argv[1:]
torch.set_num_threads(1)

def field(name):
    for line in open("/proc/self/status"):
        if line.startswith(name):
            return int(line.split()[1]) / 1024

def copies(tensors):
    return {name: tensors[name].clone() for name in tensors}

torch.zeros(9).sum()
before, own = field("VmRSS"), field("RssAnon")
open("/proc/self/clear_refs", "w").write("5")
wall, cpu = time.perf_counter(), time.process_time()
tensors = WAY
total = sum(float(tensor.sum()) for tensor in tensors.values())
cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
print(wall, cpu, field("VmHWM") - before, field("RssAnon") - own, len(tensors), total)
"""


def openpose() -> Tensors:
    """As many numbers in as many tensors as OpenPose's body network has."""
    widths = [52_311_446 // 46] * 46
    return {f"conv{i}.weight": torch.randn(width) for i, width in enumerate(widths)} | {
        f"conv{i}.bias": torch.randn(128) for i in range(46)
    }


def leres() -> Tensors:
    """LeReS's own names and shapes."""
    from tests.support import surfaces

    shapes = surfaces.shapes("leres")
    return {name: torch.randn(shape) for name, shape in shapes.items()}


def measure(size: str, folder: Path, rounds: int) -> None:
    """Write both files, load them in every way in turn, print a table."""
    from underdrawing.core.tensor_files.safetensors_io import write_safetensors

    tensors = {"openpose": openpose, "leres": leres}[size]()
    pickled, safe = folder / f"{size}.pth", folder / f"{size}.safetensors"
    torch.save({"state_dict": tensors}, pickled)
    write_safetensors(safe, tensors)
    count = len(tensors)
    del tensors
    seen: dict[str, list[list[float]]] = {way: [] for way in WAYS}
    for _ in range(rounds):
        for way, code in WAYS.items():
            command = [sys.executable, "-c", MEASURE.replace("WAY", code), str(pickled), str(safe)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            seen[way].append([float(word) for word in done.stdout.split()])
    totals = {values[-1] for results in seen.values() for values in results}
    if max(totals) - min(totals) > 1e-3 * max(1.0, abs(max(totals))):
        raise SystemExit(f"the ways read different numbers: {totals}")
    print(
        f"\n**{size}: {pickled.stat().st_size / 1e6:.0f} MB pickle, {safe.stat().st_size / 1e6:.0f} MB safetensors, ",
        end="",
    )
    print(f"{count} tensors; medians of {rounds}**\n")
    print("| | wall ms | CPU ms | peak MiB | own memory after, MiB |\n|---|---|---|---|---|")
    for way, results in seen.items():
        wall, cpu, peak, own = (statistics.median(values[i] for values in results) for i in range(4))
        print(f"| {way} | {wall * 1e3:.0f} | {cpu * 1e3:.0f} | {peak:.0f} | {own:.0f} |", flush=True)


def main() -> None:
    """Measure each size."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--sizes", nargs="+", choices=["openpose", "leres"], default=["openpose", "leres"])
    parser.add_argument("--folder", type=Path, help="where the files are made; needs 1 GB (default: temporary)")
    arguments = parser.parse_args()
    if not Path("/proc/self/clear_refs").exists():
        raise SystemExit("reads memory from /proc, which this system has not")
    print(f"# Loading\n\n{processor()}; torch {torch.__version__}\n\n{load()}")
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        for size in arguments.sizes:
            measure(size, Path(folder), arguments.rounds)


if __name__ == "__main__":
    main()
