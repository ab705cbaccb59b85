"""CPU seconds and anonymous memory of merging full-size checkpoints, each candidate a process of its own, in turn.

    python benchmarks/merge.py [--rounds 3] [--folder FOLDER] [--mecha PYTHON] [--sdxl] [--large] [--only NAME ...]

Two SD1.5 files (real keys, random fp16, 2.1 GB each) are written to the folder once, and one more for each result:
7 GB. "copy" reads two files and writes one, 1 MiB at a time, and computes nothing. "weighted_sum" is the command line.
"A1111's steps" is what its merger does before it ends, written anew: both files loaded, a weighted sum in their dtype,
the result saved and, as the last step, hashed; a row of its own leaves that out. All hashes of inputs are known.
--mecha: a Python that has sd-mecha, which runs once. --only: "copy", "weighted_sum" and these. --sdxl, --large: in
place of all that, one merge each of SDXL and of a made-up transformer of 12 GB, to show that memory stays flat; inputs
are files of zeros that take no room, the result takes 7 or 12 GB. Times include the start of Python and torch. Needs
Linux. Prints Markdown.
"""

from __future__ import annotations

import argparse
import gzip
import json
import math
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
KEYS = ROOT / "tests" / "golden" / "keys" / "lists.json.gz"
SCHEDULER = re.findall(
    r"\w+",
    "betas alphas_cumprod alphas_cumprod_prev sqrt_alphas_cumprod sqrt_one_minus_alphas_cumprod "
    "log_one_minus_alphas_cumprod sqrt_recip_alphas_cumprod sqrt_recipm1_alphas_cumprod posterior_variance "
    "posterior_log_variance_clipped posterior_mean_coef1 posterior_mean_coef2",
)
COPY = """
import sys
with open(sys.argv[1], "rb") as one, open(sys.argv[2], "rb") as two, open(sys.argv[3], "wb") as out:
    first, second = bytearray(1 << 20), bytearray(1 << 20)
    while count := one.readinto(first):
        two.readinto(second)
        out.write(memoryview(first)[:count])
"""
A1111 = """
import sys, torch
from safetensors.torch import load_file, save_file
torch.set_num_threads(1)
second, first = load_file(sys.argv[2]), load_file(sys.argv[1])
for key in first:
    if "model" in key and key in second and not key.endswith("position_ids"):
        first[key] = (1 - 0.3) * first[key] + 0.3 * second[key]
del second
save_file(first, sys.argv[3], metadata={"format": "pt"})
"""
HASH = """
import hashlib
with open(sys.argv[3], "rb") as stream:
    digest = hashlib.sha256()
    while piece := stream.read(1 << 20):
        digest.update(piece)
"""
MECHA = """
import sys, sd_mecha
recipe = sd_mecha.weighted_sum(sd_mecha.model(sys.argv[1]), sd_mecha.model(sys.argv[2]), alpha=0.3)
sd_mecha.merge(recipe, output=sys.argv[3])
"""
OWN = """
import sys
sys.path.insert(0, sys.argv[4])
from underdrawing.core.tensor_files.block_writer import BlockWriter
if sys.argv[5] == "no hash":
    start = BlockWriter.__init__
    BlockWriter.__init__ = lambda self, stream, hashed=True: start(self, stream, hashed=False)
blocks = ["--blocks", ",".join(["0.3"] * 13 + ["0.6"] * 13)] if sys.argv[5] == "blocks" else []
one, two, out = sys.argv[1:4]
sys.argv[1:] = ["checkpoint", "merge", one, two, "--alpha", "0.3", *blocks, "-o", out, "--json"]
from underdrawing.cli import main
main()
"""


Shapes = dict[str, tuple[int, ...]]


class Run(NamedTuple):
    """What one process took: CPU seconds, MiB of anonymous memory at its peak, wall seconds."""

    cpu: float
    anonymous: float
    wall: float


def list_shapes() -> Shapes:
    """Keys and shapes of an SD1.5 checkpoint."""
    lists = json.loads(gzip.decompress(KEYS.read_bytes()))
    unet = {
        f"model.diffusion_model.{key.removeprefix('model.diffusion_model.')}": s
        for key, s in lists["sd15_unet_ldm"].items()
    }
    vae = {f"first_stage_model.{key}": shape for key, shape in list_vae().items()}
    scheduler = dict.fromkeys(SCHEDULER, (1000,))
    return {**unet, **lists["sd15_checkpoint_te"], **vae, **scheduler}  # type: ignore[return-value]


def conv(name: str, inputs: int, outputs: int, side: int = 3) -> Shapes:
    """A convolution."""
    return {f"{name}.weight": (outputs, inputs, side, side), f"{name}.bias": (outputs,)}


def norm(name: str, width: int) -> Shapes:
    """A norm."""
    return {f"{name}.weight": (width,), f"{name}.bias": (width,)}


def block(name: str, inputs: int, outputs: int) -> Shapes:
    """A ResNet block."""
    own = {**norm(f"{name}.norm1", inputs), **conv(f"{name}.conv1", inputs, outputs)}
    own |= {**norm(f"{name}.norm2", outputs), **conv(f"{name}.conv2", outputs, outputs)}
    return own | (conv(f"{name}.nin_shortcut", inputs, outputs, 1) if inputs != outputs else {})


def list_vae() -> Shapes:
    """Keys and shapes of the VAE of SD1 and SDXL in the original layout."""
    found: Shapes = {**conv("quant_conv", 8, 8, 1), **conv("post_quant_conv", 4, 4, 1)}
    widths = (128, 256, 512, 512)
    up, down = (3, 2, 1, 0), (0, 1, 2, 3)
    for side, first, last, step, levels in (
        ("encoder", (3, 128), (512, 8), "down", down),
        ("decoder", (4, 512), (128, 3), "up", up),
    ):
        found |= conv(f"{side}.conv_in", *first)
        width = first[1]
        for level in levels:
            for number in range(2 if step == "down" else 3):
                found |= block(f"{side}.{step}.{level}.block.{number}", width, widths[level])
                width = widths[level]
            if level != levels[-1]:
                found |= conv(f"{side}.{step}.{level}.{step}sample.conv", width, width)
        for number in (1, 2):
            found |= block(f"{side}.mid.block_{number}", 512, 512)
        found |= norm(f"{side}.mid.attn_1.norm", 512)
        for name in ("q", "k", "v", "proj_out"):
            found |= conv(f"{side}.mid.attn_1.{name}", 512, 512, 1)
        found |= {**norm(f"{side}.norm_out", last[0]), **conv(f"{side}.conv_out", *last)}
    return found


def list_sdxl() -> Shapes:
    """Keys and shapes of an SDXL checkpoint."""
    lists = json.loads(gzip.decompress(KEYS.read_bytes()))
    unet = {f"model.diffusion_model.{key}": shape for key, shape in lists["sdxl_unet_ldm"].items()}
    vae = {f"first_stage_model.{key}": shape for key, shape in list_vae().items()}
    return {**unet, **lists["sdxl_checkpoint_te"], **vae}


def list_transformer() -> Shapes:
    """A made-up transformer of 12 GB in half precision."""
    found: Shapes = {"img_in.weight": (4096, 64)}
    for number in range(30):
        start = f"made_up_blocks.{number}"
        found |= {f"{start}.qkv.weight": (12288, 4096), f"{start}.proj.weight": (4096, 4096)}
        found |= {f"{start}.mlp.0.weight": (16384, 4096), f"{start}.mlp.2.weight": (4096, 16384)}
    return found


def write_file(path: Path, shapes: Shapes, seed: int) -> None:
    """A safetensors file of random half precision numbers, tensor by tensor."""
    import torch

    from underdrawing.core.tensor_files.safetensors_io import Entry, encode_header, encode_tensor

    entries, end = dict[str, Entry](), 0
    for key, shape in shapes.items():
        size = 2 * torch.Size(shape).numel()
        entries[key], end = Entry("F16", tuple(shape), end, end + size), end + size
    torch.manual_seed(seed)
    with path.open("wb") as stream:
        stream.write(encode_header(entries, {"format": "pt"}))
        for shape in shapes.values():
            stream.write(encode_tensor((torch.randn(shape) * 0.03).half()))


def write_hole(path: Path, shapes: Shapes) -> None:
    """A safetensors file of zeros that takes no room on the disk."""
    from underdrawing.core.tensor_files.safetensors_io import Entry, encode_header

    entries, end = dict[str, Entry](), 0
    for key, shape in shapes.items():
        size = 2 * math.prod(shape)
        entries[key], end = Entry("F16", tuple(shape), end, end + size), end + size
    with path.open("wb") as stream:
        stream.write(encode_header(entries, {"format": "pt"}))
        stream.truncate(stream.tell() + end)


def measure(command: list[str], out: Path) -> Run:
    """Run a process to its end, looking at its anonymous memory on the way."""
    out.unlink(missing_ok=True)
    begin = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env={**os.environ, "OMP_NUM_THREADS": "1"})
    status, peak = Path(f"/proc/{process.pid}/status"), 0
    while True:
        pid, code, usage = os.wait4(process.pid, os.WNOHANG)
        if pid:
            break
        lines = [line for line in status.read_text().splitlines() if line.startswith("RssAnon")]
        peak = max(peak, *(int(line.split()[1]) for line in lines), 0)
        time.sleep(0.02)
    if code:
        raise SystemExit(f"{command[:3]} failed")
    return Run(usage.ru_utime + usage.ru_stime, peak / 1024, time.perf_counter() - begin)


def print_table(title: str, runs: dict[str, list[Run]]) -> None:
    """Medians, and the median of the ratios of each round to the first candidate's."""
    head = ("", "CPU s", "ratio to copy", "weighted_sum's to it", "anonymous MiB", "wall s")
    print(f"\n**{title}**\n\n| {' | '.join(head)} |\n|{'---|' * len(head)}")
    first, merged = runs["copy"], runs["weighted_sum"]
    for name, own in runs.items():
        ratio = statistics.median(one.cpu / base.cpu for one, base in zip(own, first, strict=True))
        share = statistics.median(base.cpu / one.cpu for one, base in zip(own, merged, strict=True))
        cpu, wall = (statistics.median(getattr(one, field) for one in own) for field in ("cpu", "wall"))
        anonymous = max(one.anonymous for one in own)
        print(f"| {name} | {cpu:.2f} | {ratio:.2f} | {share:.2f} | {anonymous:.0f} | {wall:.1f} |", flush=True)


def compare(title: str, pair: list[str], rounds: int, mecha: str, only: list[str]) -> None:
    """Run all candidates in turn. pair: two inputs and what is written."""
    out, python, own = Path(pair[2]), sys.executable, list_own(pair)
    commands = {"copy": [python, "-S", "-c", COPY, *pair], "weighted_sum": [*own, "flat"]}
    commands |= {"26 blocks": [*own, "blocks"], "without the hash": [*own, "no hash"]}
    commands |= {"A1111's steps": [python, "-c", A1111 + HASH, *pair]}
    commands |= {"A1111's steps without its hash": [python, "-c", A1111, *pair]}
    commands |= {"sd-mecha": [mecha, "-c", MECHA, *pair]} if mecha else {}
    commands = {
        name: command for name, command in commands.items() if not only or name in ("copy", "weighted_sum", *only)
    }
    measure([*own, "flat"], out)  # hashes of the inputs are known from now on
    runs: dict[str, list[Run]] = {name: [] for name in commands}
    for number in range(rounds):
        for name, command in commands.items():
            if name != "sd-mecha" or number == 0:
                runs[name].append(measure(command, out))
    runs["sd-mecha"] = runs.get("sd-mecha", []) * rounds
    print_table(title, {name: own for name, own in runs.items() if own})
    out.unlink()


def list_own(pair: list[str]) -> list[str]:
    """Command of a merge, but for its kind."""
    return [sys.executable, "-c", OWN, *pair, str(ROOT / ".dev")]


def show_memory(title: str, pair: list[str]) -> None:
    """Merge once."""
    out = Path(pair[2])
    run = measure([*list_own(pair), "flat"], out)
    size = out.stat().st_size / 2**30
    print(f"\n**{title}**: {size:.1f} GiB written, {run.anonymous:.0f} MiB of anonymous memory, {run.cpu:.1f} s CPU ")
    print(f"with the hashes of the inputs, {run.wall:.0f} s", flush=True)
    out.unlink()


def main() -> None:
    """Make the files, measure, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "underdrawing_merge")
    parser.add_argument("--mecha", default="", help="a Python that has sd-mecha")
    parser.add_argument("--sdxl", action="store_true")
    parser.add_argument("--large", action="store_true")
    parser.add_argument("--only", nargs="*", default=[])
    arguments = parser.parse_args()
    folder: Path = arguments.folder
    folder.mkdir(parents=True, exist_ok=True)
    print("\n# Merging\n")
    kinds: dict[str, tuple[Shapes, str]] = {}
    if arguments.sdxl:
        kinds["SDXL, two files of 6.9 GB"] = (list_sdxl(), "sdxl")
    if arguments.large:
        kinds["A made-up transformer, two files of 12 GB"] = (list_transformer(), "large")
    for title, (shapes, name) in (kinds or {"SD1.5, two files of 2.1 GB": (list_shapes(), "usual")}).items():
        files = [folder / f"{name}_{seed}.safetensors" for seed in range(2)]
        for seed, file in enumerate(files):
            if not file.exists():
                write_file(file, shapes, seed) if name == "usual" else write_hole(file, shapes)
        pair = [str(file) for file in (*files, folder / "out.safetensors")]
        if kinds:
            show_memory(title, pair)
        else:
            compare(title, pair, arguments.rounds, arguments.mecha, arguments.only)


if __name__ == "__main__":
    main()
