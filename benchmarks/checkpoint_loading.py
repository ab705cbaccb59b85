"""Peak memory while a checkpoint of SD 1.5's size is loaded, as a share of the model in its dtype.

    python benchmarks/checkpoint_loading.py [--stored float16] [--dtypes float32 float16] [--forms .safetensors .ckpt]

Weights are random. Each load runs in a process of its own; its peak (VmHWM) counts from before the file is opened, and
mapped pages of the file count as well. Needs Linux, diffusers and transformers, and some 7 GB of memory and disk.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import torch

from underdrawing.adapters.modules.parts import TEXT_ENCODER, UNET
from underdrawing.core.tensor_files.safetensors_io import write_safetensors
from underdrawing.pipeline.models.libraries import find_class
from underdrawing.pipeline.reference.checkpoint import rename_parts

CHILD = """
import json, re, sys
from pathlib import Path
from underdrawing.core.networks.placement import Placement
from underdrawing.pipeline.models.loading import load_model
from underdrawing.pipeline.models.libraries import find_class
from underdrawing.checkpoints.layouts.tokenizers import load_clip_tokenizer

def read(name):
    return int(re.search(name + r":\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) * 1024

load_clip_tokenizer()
for name in ("diffusers.UNet2DConditionModel", "diffusers.AutoencoderKL", "transformers.CLIPTextModel"):
    find_class(name)
Path("/proc/self/clear_refs").write_text("5")
before = read("VmRSS")
model = load_model(sys.argv[1], placement=Placement(dtype=sys.argv[2]))
networks = (model.unet, model.vae, *model.text_encoders)
size = sum(p.numel() * p.element_size() for network in networks for p in network.parameters())
print(json.dumps({"size": size, "peak": read("VmHWM") - before}))
"""


def write_model(path: Path, dtype: torch.dtype) -> Path:
    """SD 1.5's networks with random weights in the original layout."""
    text = find_class("transformers.CLIPTextConfig")(
        hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12, vocab_size=49408
    )
    blocks = {"down_block_types": ["DownEncoderBlock2D"] * 4, "up_block_types": ["UpDecoderBlock2D"] * 4}
    widths = [128, 256, 512, 512]
    with torch.device("meta"):
        modules = {
            UNET: find_class("diffusers.UNet2DConditionModel")(cross_attention_dim=768),
            "vae": find_class("diffusers.AutoencoderKL")(block_out_channels=widths, layers_per_block=2, **blocks),
            TEXT_ENCODER: find_class("transformers.CLIPTextModel")(text),
        }
    parts = {
        part: {name: torch.randn(value.shape).to(dtype) * 0.02 for name, value in module.state_dict().items()}
        for part, module in modules.items()
    }
    table = rename_parts(parts)
    if path.suffix == ".safetensors":
        return write_safetensors(path, table, {"format": "pt"})
    torch.save({"state_dict": table}, path)
    return path


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--stored", default="float16")
    parser.add_argument("--dtypes", nargs="+", default=["float32", "bfloat16", "float16"])
    parser.add_argument("--forms", nargs="+", default=[".safetensors", ".ckpt"])
    arguments = parser.parse_args()
    print("| file | computes in | model, GB | peak / model |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for form in arguments.forms:
            path = write_model(Path(folder) / f"model{form}", getattr(torch, arguments.stored))
            for dtype in arguments.dtypes:
                child = [sys.executable, "-c", CHILD, str(path), dtype]
                told = subprocess.run(child, check=True, capture_output=True, text=True).stdout
                found = json.loads(re.findall(r"\{.*\}", told)[-1])
                ratio = found["peak"] / found["size"]
                print(f"| {form}, {arguments.stored} | {dtype} | {found['size'] / 1e9:.2f} | {ratio:.2f} |", flush=True)
            path.unlink()


if __name__ == "__main__":
    main()
