"""Memory of baking a LoRA into a checkpoint as large as the disk allows: it must not grow with the size.

    python benchmarks/bake.py [--gigabytes 1.4 3.9] [--forms bfloat16 fp8 folder holes]

Flux.1's layers at their real widths in its maker's names, random, as many blocks as fit; a LoRA of rank 16 of every
layer. holes: bfloat16 zeros that take no room on the disk, for sizes that it does not hold twice. Anonymous memory
(RssAnon: what the page cache is no part of) is read every few milliseconds. Needs twice the size on the disk. Prints
Markdown; benchmarks/RESULTS.md holds this output.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors.torch import save_file

from underdrawing.adapters import load_adapter
from underdrawing.adapters.applying.bake import bake
from underdrawing.adapters.modules.architectures import ARCHITECTURES
from underdrawing.adapters.modules.parts import TRANSFORMER
from underdrawing.adapters.modules.rows import match_name
from underdrawing.adapters.modules.transformer import Transformer
from underdrawing.adapters.modules.transformers.flux1 import ARCHITECTURE as FLUX1
from underdrawing.core.tensor_files.safetensors_io import Entry, encode_header, encode_tensor

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MODEL, MIB = FLUX1.id, 2**20
Shapes = dict[str, tuple[int, ...]]


def list_shapes(double: int, single: int) -> Shapes:
    """Weights in the maker's names."""
    network = ARCHITECTURES[MODEL].networks[TRANSFORMER]
    assert isinstance(network, Transformer)
    shapes: Shapes = {}
    for name, module in network.resize(transformer_blocks=double, single_transformer_blocks=single).modules().items():
        match = match_name(MODEL, name)
        assert match is not None
        key = f"{match.original}.{match.parameter}"
        rows = shapes[key][0] if key in shapes else 0
        shapes[key] = (rows + module.shape[0], *module.shape[1:])
    return shapes


def choose_blocks(size: float) -> Shapes:
    """As many blocks as come near a size in bytes, two single ones for a double one, as in Flux.1."""
    blocks = 1
    while sum(2 * torch.Size(shape).numel() for shape in list_shapes(blocks + 1, 2 * blocks + 2).values()) < size:
        blocks += 1
    return list_shapes(blocks, 2 * blocks)


def write_model(path: Path, shapes: Mapping[str, tuple[int, ...]], form: str) -> None:
    """Noise of these shapes, bfloat16, or fp8 with a scale where ComfyUI's scaled files have one; or holes."""
    coded = {key for key, shape in shapes.items() if form == "fp8" and len(shape) == 2}
    noise = torch.randn(1 << 23).mul_(0.02).to(torch.bfloat16)
    codes = (torch.randn(1 << 23) * 60).to(torch.float8_e4m3fn)
    entries, end = dict[str, Entry](), 0
    for key, shape in shapes.items():
        size = torch.Size(shape).numel() * (1 if key in coded else 2)
        entries[key] = Entry("F8_E4M3" if key in coded else "BF16", shape, end, end + size)
        end += size
    for key in coded:
        name = f"{key.removesuffix('weight')}scale_weight"
        entries[name] = Entry("F32", (), end, end + 4)
        end += 4
    with path.open("wb") as stream:
        stream.write(encode_header(entries, {}))
        if form == "holes":
            stream.truncate(stream.tell() + end)
            return
        for key, entry in entries.items():
            if key.endswith("scale_weight"):
                stream.write(encode_tensor(torch.tensor(0.0005)))
                continue
            block = memoryview(encode_tensor(codes if key in coded else noise))
            left = entry.end - entry.begin
            while left:
                left -= stream.write(block[: min(left, len(block))])


def write_lora(path: Path, shapes: Mapping[str, tuple[int, ...]], rank: int) -> None:
    """A LoRA of every matrix in kohya's names, bfloat16."""
    tensors: dict[str, torch.Tensor] = {}
    for key, shape in shapes.items():
        if len(shape) == 2:
            stem = f"lora_unet_{key.removesuffix('.weight').replace('.', '_')}"
            tensors[f"{stem}.lora_up.weight"] = (torch.randn(shape[0], rank) * 0.01).bfloat16()
            tensors[f"{stem}.lora_down.weight"] = (torch.randn(rank, shape[1]) * 0.01).bfloat16()
            tensors[f"{stem}.alpha"] = torch.tensor(float(rank))
    save_file(tensors, path)


def resident() -> int:
    """Anonymous memory of this process in KiB."""
    text = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("RssAnon"))


def watch(work: Callable[[], object]) -> tuple[float, float]:
    """Most anonymous memory in MiB above what there was before, and seconds of CPU."""
    highest, done = [resident()], threading.Event()
    before = highest[0]

    def look() -> None:
        while not done.wait(0.004):
            highest[0] = max(highest[0], resident())

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    start = time.process_time()
    try:
        work()
    finally:
        done.set()
        thread.join()
    return (highest[0] - before) / 1024, time.process_time() - start


def make_folder(source: Path, path: Path) -> None:
    """A network's folder with the file as its only shard."""
    path.mkdir()
    source.rename(path / "diffusion_pytorch_model.safetensors")
    (path / "config.json").write_text(json.dumps({"_class_name": "FluxTransformer2DModel"}))


def measure(folder: Path, size: float, form: str) -> str:
    """One row of the table."""
    shapes = choose_blocks(size * (2 if form == "fp8" else 1))
    model, lora = folder / "model.safetensors", folder / "lora.safetensors"
    context = multiprocessing.get_context("spawn")
    for target, given in ((write_model, (model, shapes, form)), (write_lora, (lora, shapes, 16))):
        process = context.Process(target=target, args=given)  # what writing them frees is not used again here
        process.start()
        process.join()
    held = model.stat().st_size
    output = folder / "out.safetensors"
    if form == "folder":
        make_folder(model, folder / "model")
        model, output = folder / "model", folder / "out"
    adapter = load_adapter(lora)
    most, seconds = watch(lambda: bake(model, [(adapter, 0.8, 0.8)], output))
    return f"| {form} | {held / 1e9:.2f} GB | {len(shapes)} | {most:.0f} MiB | {seconds:.0f} s |"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--gigabytes", type=float, nargs="+", default=[1.4, 3.9])
    parser.add_argument("--forms", nargs="+", default=["bfloat16", "fp8", "folder"])
    parser.add_argument("--row", action="store_true", help="print the rows alone, measured in this process")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if not arguments.row:
        print(f"\n# Baking\n\ntorch {torch.__version__}, 1 thread\n")
        print("| form | checkpoint | tensors | anonymous memory added | CPU |\n|---|---|---|---|---|", flush=True)
    for form in arguments.forms:
        for size in arguments.gigabytes:
            if not arguments.row:  # in a process of its own: memory that was freed is used again
                command = [sys.executable, __file__, "--gigabytes", str(size), "--forms", form, "--row"]
                subprocess.run(command, check=True)
                continue
            with tempfile.TemporaryDirectory() as name:
                print(measure(Path(name), size * 1e9, form), flush=True)


if __name__ == "__main__":
    main()
