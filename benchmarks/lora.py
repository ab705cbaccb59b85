"""Speed of switching, re-weighting and clearing LoRAs on a full-size SD1.5 UNet, of extraction and of merging.

    python benchmarks/lora.py [--rounds 5] [--ranks 8 64] [--only switch extract merge load]

The UNet is float16 with random weights (1.7 GB; the run needs 6 GB). diffusers fuses and unfuses through PEFT's layers:
where peft is installed, its own merge and unmerge are timed, else what they do, written anew: the product, in float32
on a CPU, added to fuse, computed again and subtracted to unfuse. A1111's way is written anew too: per layer the weight
is restored from its backup, the factors are multiplied in the model's dtype and added.
One thread, CPU time, medians of interleaved rounds. Prints Markdown; benchmarks/RESULTS.md holds this output.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from functools import partial
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from interleave import interleave, processor, set_threads
from safetensors.torch import save_file
from torch import Tensor, nn

from underdrawing.adapters import Patcher, load_adapter
from underdrawing.adapters.modules.architectures import ARCHITECTURES, SD15
from underdrawing.adapters.modules.layers import Module
from underdrawing.adapters.modules.parts import UNET
from underdrawing.adapters.tools.combine import merge
from underdrawing.adapters.tools.svd import RankRule, balance, factor_product, find_leading

if TYPE_CHECKING:
    from collections.abc import Callable

    from underdrawing.adapters.adapter import Adapter

MODULES = ARCHITECTURES[SD15].networks[UNET].modules()
MIB = 2**20
A1111_WAY = "A1111's way"


def is_target(name: str, module: Module) -> bool:
    """Whether kohya trains it by default: linear layers and 1x1 convolutions inside the transformers."""
    return module.kind in ("Linear", "Conv2d") and ".attentions." in name


TARGETS = {name: module for name, module in MODULES.items() if is_target(name, module)}
Factors = dict[str, tuple[Tensor, Tensor]]


class Owner(nn.Module):
    """A layer or a level of the tree: holds weights and computes nothing."""


def unet() -> nn.Module:
    """The tree of SD1.5's UNet, float16, random."""
    root, noise = Owner(), torch.randn(1 << 20).mul_(0.02).half()
    for name, module in MODULES.items():
        owner: nn.Module = root
        for step in name.split("."):
            if step not in owner._modules:
                owner.add_module(step, Owner())
            owner = owner.get_submodule(step)
        count = torch.Size(module.shape).numel()
        weight = noise.repeat(-(-count // noise.numel()))[:count].clone().reshape(module.shape)
        owner.register_parameter("weight", nn.Parameter(weight, requires_grad=False))
        if module.bias:
            owner.register_parameter("bias", nn.Parameter(noise[: module.shape[0]].clone(), requires_grad=False))
    return root


def factors(rank: int, seed: int) -> Factors:
    """Up and down of every target, float16."""
    generator, made = torch.Generator().manual_seed(seed), Factors()
    for name, module in TARGETS.items():
        ones = module.shape[2:]
        up = torch.randn((module.shape[0], rank, *ones), generator=generator).mul_(0.01).half()
        down = torch.randn((rank, *module.shape[1:]), generator=generator).mul_(0.1).half()
        made[name] = up, down
    return made


def saved(folder: Path, rank: int, seed: int) -> Path:
    """The factors as a kohya file."""
    tensors: dict[str, Tensor] = {}
    for name, (up, down) in factors(rank, seed).items():
        stem = f"lora_unet_{name.replace('.', '_')}"
        tensors |= {f"{stem}.lora_up.weight": up, f"{stem}.lora_down.weight": down}
        tensors[f"{stem}.alpha"] = torch.tensor(rank / 2)
    path = folder / f"rank{rank}-{seed}.safetensors"
    save_file(tensors, path)
    return path


def resident(field: str = "VmRSS") -> float:
    """Resident set of this process in MiB: VmRSS now, VmHWM the highest since `forget_peak`."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) / 1024
    return float("nan")


def forget_peak() -> None:
    """Start watching the highest resident set anew."""
    Path("/proc/self/clear_refs").write_text("5")


class A1111:
    """Restore, multiply in the model's dtype, add: layers that the LoRA names only, to be generous."""

    def __init__(self, weights: dict[str, Tensor]) -> None:
        self.weights = weights
        self.backup = {name: weight.clone() for name, weight in weights.items()}

    def switch(self, lora: Factors, strength: float = 1.0) -> None:
        """Make a LoRA active in place of any other."""
        for name, weight in self.weights.items():
            weight.copy_(self.backup[name])
            up, down = (factor.flatten(1) for factor in lora[name])
            change = (up @ down).reshape(weight.shape) * 0.5 * strength
            weight.copy_((weight.to(change.dtype) + change).to(weight.dtype))


class Diffusers:
    """Fuse adds the product, unfuse computes it again and subtracts."""

    def __init__(self, weights: dict[str, Tensor]) -> None:
        self.weights = weights

    def _add(self, lora: Factors, sign: float) -> None:
        for name, weight in self.weights.items():
            up, down = (factor.flatten(1).float() for factor in lora[name])
            change = ((up @ down) * (0.5 * abs(sign))).reshape(weight.shape).to(weight.dtype)
            if sign > 0:
                weight += change
            else:
                weight -= change

    def switch(self, old: Factors, new: Factors) -> None:
        """Unfuse one, fuse the other."""
        self._add(old, -1)
        self._add(new, 1)


class Peft:
    """PEFT's own layers on the same weights, merged and unmerged as diffusers' fuse_lora and unfuse_lora do."""

    def __init__(self, weights: dict[str, Tensor], loras: list[Factors]) -> None:
        peft, tuners = import_module("peft"), import_module("peft.tuners.tuners_utils")
        names = {name.replace(".", "_"): name for name in weights}
        layers = nn.ModuleDict({key: _layer(weights[name]) for key, name in names.items()})
        for adapter, lora in enumerate(loras):
            rank = next(iter(lora.values()))[1].shape[0]
            config = peft.LoraConfig(r=rank, lora_alpha=rank // 2, target_modules=list(names), init_lora_weights=False)
            peft.inject_adapter_in_model(config, layers, adapter_name=str(adapter))
        self.layers: list[Any] = [m for m in layers.modules() if isinstance(m, tuners.BaseTunerLayer)]
        self.active: int | None = None

    def switch(self, new: int) -> None:
        """Unfuse what is fused, fuse another."""
        for layer in self.layers:
            if self.active is not None:
                layer.unmerge()
            layer.merge(adapter_names=[str(new)])
        self.active = new


def _layer(weight: Tensor) -> nn.Module:
    out, inner = weight.shape[:2]
    with torch.device("meta"):
        layer = nn.Conv2d(inner, out, 1, bias=False) if weight.ndim == 4 else nn.Linear(inner, out, bias=False)
    layer.weight = nn.Parameter(weight, requires_grad=False)
    return layer


def fusing(weights: dict[str, Tensor], loras: list[Factors]) -> tuple[str, Callable[[], object]]:
    """Name of what is timed, and a function that switches between two LoRAs at each call."""
    if find_spec("peft") is None:
        diffusers = Diffusers(weights)
        first, second = partial(diffusers.switch, *loras), partial(diffusers.switch, *loras[::-1])
        return "diffusers unfuse + fuse, written anew", turns(first, second)
    theirs = Peft(weights, loras)
    return f"diffusers unfuse + fuse: peft {version('peft')}", turns(
        partial(theirs.switch, 0), partial(theirs.switch, 1)
    )


def turns(first: Callable[[], object], second: Callable[[], object]) -> Callable[[], None]:
    """The two in turn, one per call."""
    state = [0]

    def call() -> None:
        (first, second)[state[0] % 2]()
        state[0] += 1

    return call


def switching(folder: Path, rank: int, rounds: int) -> None:
    """Compare three ways of switching between two LoRAs, then re-weighting and clearing."""
    loras = [factors(rank, seed) for seed in (0, 1)]
    adapters = [load_adapter(saved(folder, rank, seed)) for seed in (0, 1)]
    model = unet()
    touched = {name: model.get_parameter(f"{name}.weight").data for name in TARGETS}
    theirs = {name: weight.clone() for name, weight in touched.items()}
    a1111, patcher = A1111(theirs), Patcher(unet=model)
    diffusers_way, diffusers = fusing({name: weight.clone() for name, weight in touched.items()}, loras)
    copies = {name: torch.empty_like(weight) for name, weight in touched.items()}

    def copy() -> None:
        for name, weight in touched.items():
            copies[name].copy_(weight)

    strengths = iter(range(10**6))
    runs: dict[str, Callable[[], object]] = {
        A1111_WAY: turns(lambda: a1111.switch(loras[0]), lambda: a1111.switch(loras[1])),
        diffusers_way: diffusers,
        "ours, switch": turns(lambda: apply(patcher, adapters[0]), lambda: apply(patcher, adapters[1])),
        "ours, strength": lambda: apply(patcher, adapters[0], 0.5 + next(strengths) / 100),
        "plain copy of the touched weights": copy,
    }
    timings = {name: 1e3 * statistics.median(timing.cpu) for name, timing in interleave(runs, rounds).items()}
    ours, strength = timings["ours, switch"], timings["ours, strength"]
    notes = {
        A1111_WAY: f"ours / this {ours / timings[A1111_WAY]:.3f}",
        diffusers_way: f"ours / this {ours / timings[diffusers_way]:.3f}",
        "ours, strength": f"{strength / timings['plain copy of the touched weights']:.2f} copy passes",
    }
    size = sum(weight.nbytes for weight in touched.values()) / MIB
    print(f"\n**rank {rank}: {len(TARGETS)} modules, {size:.0f} MiB of float16 weights touched**\n")
    print("| | CPU ms (median) | |\n|---|---|---|")
    for name, milliseconds in timings.items():
        print(f"| {name} | {milliseconds:.1f} | {notes.get(name, '')} |")
    clearing(patcher, adapters[0], rounds)
    memory(patcher, adapters[0], size)


def apply(patcher: Patcher, adapter: Adapter, strength: float = 1.0) -> None:
    """Make one adapter active."""
    patcher.set([(adapter, strength, strength)])


def clearing(patcher: Patcher, adapter: Adapter, rounds: int) -> None:
    """Time the first application and the removal."""
    first, cleared = list[float](), list[tuple[float, float]]()
    for _ in range(rounds):
        patcher.clear()
        start = time.process_time()
        apply(patcher, adapter)
        first.append(time.process_time() - start)
        start, wall = time.process_time(), time.perf_counter()
        patcher.clear()
        cleared.append((time.process_time() - start, time.perf_counter() - wall))
    cpu, wall = (1e3 * statistics.median(values) for values in zip(*cleared, strict=True))
    print(f"| ours, from nothing | {1e3 * statistics.median(first):.1f} | memory is taken anew |")
    print(f"| ours, clear | {cpu:.1f} | wall {wall:.1f} ms |")


def memory(patcher: Patcher, adapter: Adapter, size: float) -> None:
    """Print what an application adds to the resident set, and its peak."""
    patcher.clear()
    before = resident()
    forget_peak()
    apply(patcher, adapter)
    after, peak = resident() - before, resident("VmHWM") - before
    deltas = sum(
        tensor.nbytes
        for delta in adapter.modules.values()
        for tensor in (delta.up, delta.down)  # type: ignore[attr-defined]
    )
    patcher.clear()
    print(
        f"\nadded memory {after:.0f} MiB, at its peak {peak:.0f} MiB; touched weights {size:.0f} + factors "
        f"{deltas / MIB:.0f} MiB as stored; left after clear "
        f"{resident() - before:.0f} MiB"
    )


def loading(folder: Path, rounds: int) -> None:
    """Time the reading of a file of about 150 MB."""
    path = saved(folder, 160, 3)
    timing = interleave({"load": lambda: load_adapter(path)}, rounds)["load"]
    print(
        f"\n**load_adapter, {path.stat().st_size / 1e6:.0f} MB**: CPU {1e3 * statistics.median(timing.cpu):.0f} ms, "
        f"wall {1e3 * min(timing.wall):.0f} ms (shortest), every value checked"
    )


def extraction(rank: int, rounds: int) -> None:
    """Compare the leading triplets of differences with full SVDs, one for every shape in SD1.5's transformers."""
    print(f"\n**extraction at rank {rank}, a low-rank change below a slowly falling spectrum**\n")
    print("| shape | modules | full SVD, CPU ms | ours | ratio | error ours / full |\n|---|---|---|---|---|---|")
    total = [0.0, 0.0]
    for shape, count in shapes().items():
        change = difference(shape, rank)
        runs: dict[str, Callable[[], object]] = {
            "full": partial(torch.linalg.svd, change, full_matrices=False),
            "ours": partial(find_leading, change, rank),
        }
        times = {name: statistics.median(timing.cpu) for name, timing in interleave(runs, rounds).items()}
        up, down = balance(find_leading(change, rank), rank)
        best = torch.linalg.svdvals(change.double())[rank:].norm()
        error = float((change.double() - up.double() @ down.double()).norm() / best)
        total = [total[0] + count * times["full"], total[1] + count * times["ours"]]
        cells = f"{1e3 * times['full']:.0f} | {1e3 * times['ours']:.1f} | {times['full'] / times['ours']:.1f}"
        print(f"| {shape[0]} x {shape[1]} | {count} | {cells} | {error:.5f} |")
    cells = f"{1e3 * total[0]:.0f} | {1e3 * total[1]:.0f} | {total[0] / total[1]:.1f}"
    print(f"| all | {len(TARGETS)} | {cells} | |")


def shapes() -> dict[tuple[int, int], int]:
    """Shape of a target as a matrix → number of targets."""
    flat = [(module.shape[0], torch.Size(module.shape[1:]).numel()) for module in TARGETS.values()]
    return {shape: flat.count(shape) for shape in sorted(set(flat))}


def difference(shape: tuple[int, int], rank: int) -> Tensor:
    """What fine-tuning leaves: strong directions and a tail that falls like k^-0.5."""
    generator, least = torch.Generator().manual_seed(0), min(shape)
    up, down = (torch.randn(size, least, generator=generator) / size**0.5 for size in shape)
    values = torch.arange(1, least + 1) ** -0.5
    values[: rank // 2] += 1
    return 0.01 * (up * values) @ down.T


def full_svd(up: Tensor, down: Tensor) -> object:
    """The product and its singular value decomposition."""
    return torch.linalg.svd(up @ down, full_matrices=False)


def merging(folder: Path, rounds: int) -> None:
    """Compare a merge by QR of the factors with a full SVD of the summed product."""
    print("\n**merging two LoRAs of rank 64 into one of rank 64**\n")
    print("| shape | modules | full SVD, CPU ms | ours | ratio | error ours / full |\n|---|---|---|---|---|---|")
    total = [0.0, 0.0]
    for shape, count in shapes().items():
        generator = torch.Generator().manual_seed(1)
        up, down = torch.randn(shape[0], 128, generator=generator), torch.randn(128, shape[1], generator=generator)
        runs: dict[str, Callable[[], object]] = {
            "full": partial(full_svd, up, down),
            "ours": partial(factor_product, up, down),
        }
        times = {name: statistics.median(timing.cpu) for name, timing in interleave(runs, rounds).items()}
        product = up.double() @ down.double()
        small = balance(factor_product(up, down), 64)
        best = torch.linalg.svdvals(product)[64:].norm()
        error = float((product - small[0].double() @ small[1].double()).norm() / best)
        total = [total[0] + count * times["full"], total[1] + count * times["ours"]]
        cells = f"{1e3 * times['full']:.0f} | {1e3 * times['ours']:.1f} | {times['full'] / times['ours']:.1f}"
        print(f"| {shape[0]} x {shape[1]} | {count} | {cells} | {error:.5f} |")
    cells = f"{1e3 * total[0]:.0f} | {1e3 * total[1]:.0f} | {total[0] / total[1]:.1f}"
    print(f"| all | {len(TARGETS)} | {cells} | |")
    adapters = [load_adapter(saved(folder, 64, seed)) for seed in (4, 5)]
    start = time.process_time()
    wishes, rule = [(adapter, 0.5) for adapter in adapters], RankRule(64)
    merge(wishes, folder / "m.safetensors", how="svd", rule=rule, dtype="float16")
    print(f"\nwhole files of {len(TARGETS)} modules, merged and written: {time.process_time() - start:.1f} s CPU")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--ranks", type=int, nargs="+", default=[8, 64])
    parser.add_argument("--only", nargs="+", default=["switch", "load", "extract", "merge"])
    arguments = parser.parse_args()
    set_threads(1)
    print(f"\n# LoRA\n\n{processor()}; torch {torch.__version__}, 1 thread, {arguments.rounds} rounds")
    with tempfile.TemporaryDirectory() as name, torch.no_grad():
        for rank in arguments.ranks if "switch" in arguments.only else ():
            switching(Path(name), rank, arguments.rounds)
        if "load" in arguments.only:
            loading(Path(name), arguments.rounds)
        if "extract" in arguments.only:
            extraction(32, max(2, arguments.rounds // 2))
        if "merge" in arguments.only:
            merging(Path(name), max(2, arguments.rounds // 2))


if __name__ == "__main__":
    main()
