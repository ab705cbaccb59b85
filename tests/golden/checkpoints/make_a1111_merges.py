"""Records what A1111's own checkpoint merger makes of tiny checkpoints: hashes of every tensor.

    python tests/golden/checkpoints/make_a1111_merges.py modules/extras.py

The argument is that file of a stable-diffusion-webui: its function `run_modelmerger` is run as it stands, between
stand-ins for the web interface around it.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import safetensors.torch
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))
from tests.support.a1111_merges import CASES, hash_tensors, models
from tests.support.checkpoint_models import save


def load_function(path: Path, folder: Path) -> Any:
    """The merger of a file, alone."""
    tree = ast.parse(path.read_text("utf-8"))
    body = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "run_modelmerger"]
    files = {p.stem: SimpleNamespace(filename=str(p), model_name=p.stem) for p in folder.glob("*.safetensors")}

    def read(filename: str, **_: Any) -> dict[str, torch.Tensor]:
        return safetensors.torch.load_file(filename)

    sd_models = SimpleNamespace(
        checkpoints_list=files, read_state_dict=read, list_models=MagicMock(), checkpoint_tiles=list, model_path=""
    )
    space = {
        "sd_models": sd_models, "shared": SimpleNamespace(cmd_opts=SimpleNamespace(ckpt_dir=str(folder))),
        "tqdm": SimpleNamespace(tqdm=iter), "torch": torch, "safetensors": safetensors, "os": os, "gr": MagicMock(),
        "print": MagicMock(),
    }  # fmt: skip
    exec(compile(ast.Module(body, []), str(path), "exec"), space)  # noqa: S102
    return space["run_modelmerger"]


def main() -> None:
    """Run every case and write the hashes."""
    found: dict[str, dict[str, str]] = {}
    torch.set_num_threads(1)
    for name, case in CASES.items():
        with tempfile.TemporaryDirectory() as folder:
            for letter, tensors in models(case).items():
                save(Path(folder) / f"{letter}.safetensors", tensors)
            titles = {"weighted_sum": "Weighted sum", "add_difference": "Add difference"}
            merger = load_function(Path(sys.argv[1]), Path(folder))
            merger("a", "b", "c", titles[case.method], case.alpha, case.half, "result", "safetensors")
            found[name] = hash_tensors(safetensors.torch.load_file(Path(folder) / "result.safetensors"))
    text = json.dumps(found, indent=1)
    Path(__file__).with_name("a1111_merges.json").write_text(text + "\n", encoding="utf-8")
    print(hashlib.sha256(text.encode()).hexdigest())  # noqa: T201


if __name__ == "__main__":
    main()
