"""Records what A1111's own checkpoint merger makes of tiny checkpoints: hashes of every tensor.

    python tests/golden/checkpoints/make_a1111_merges.py modules/extras.py

The argument is that file of a stable-diffusion-webui 1.10.1: its function `run_modelmerger` is run as it stands,
between stand-ins for the web interface around it.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import re
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import safetensors
import safetensors.torch
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))
from tests.support.a1111_merges import CASES, METADATA, Case, hash_tensors, models
from tests.support.checkpoint_models import save


def load_function(path: Path, folder: Path) -> Any:
    """The merger of a file, alone."""
    tree = ast.parse(path.read_text("utf-8"))
    names = ("run_modelmerger", "to_half")
    body = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name in names]
    files = {p.stem: describe(p) for p in folder.glob("*.safetensors")}

    def read(filename: str, **_: Any) -> dict[str, torch.Tensor]:
        return safetensors.torch.load_file(filename)

    sd_models = SimpleNamespace(
        checkpoints_list=files, read_state_dict=read, list_models=MagicMock(), checkpoint_tiles=list, model_path=""
    )
    vae = str(folder / "vae.safetensors")
    space = {
        "sd_models": sd_models, "sd_vae": SimpleNamespace(vae_dict={"vae": vae}, load_vae_dict=read), "tqdm": tqdm(),
        "shared": SimpleNamespace(cmd_opts=SimpleNamespace(ckpt_dir=str(folder)), state=MagicMock(sampling_step=0)),
        "torch": torch, "safetensors": safetensors, "os": os, "re": re, "json": json, "gr": MagicMock(),
        "print": MagicMock(), "errors": MagicMock(), "create_config": MagicMock(),
        "checkpoint_dict_skip_on_merge": ["cond_stage_model.transformer.text_model.embeddings.position_ids"],
    }  # fmt: skip
    exec(compile(ast.Module(body, []), str(path), "exec"), space)  # noqa: S102
    return space["run_modelmerger"]


def tqdm() -> Any:
    """A bar that shows nothing."""
    return SimpleNamespace(tqdm=iter)


def describe(path: Path) -> Any:
    """What the program knows of a checkpoint."""
    with safetensors.safe_open(path, "pt") as file:
        metadata = {key: parse(value) for key, value in (file.metadata() or {}).items()}
    return SimpleNamespace(
        filename=str(path), model_name=path.stem, name=path.name, hash=hash_legacy(path), metadata=metadata,
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(), calculate_shorthash=MagicMock(),
    )  # fmt: skip


def parse(value: str) -> Any:
    return json.loads(value) if value.startswith("{") else value


def hash_legacy(path: Path) -> str:
    with path.open("rb") as file:
        file.seek(0x100000)
        return hashlib.sha256(file.read(0x10000)).hexdigest()[:8]


def run_case(case: Case, extras: Path, folder: Path) -> dict[str, Any]:
    """Hashes of the tensors of a merge, and what it wrote into the metadata."""
    for letter, tensors in models(case).items():
        save(folder / f"{letter}.safetensors", tensors, METADATA.get(letter))
    values: dict[str, Any] = {
        "id_task": "", "primary_model_name": "a", "secondary_model_name": "b", "tertiary_model_name": "c",
        "interp_method": case.method.replace("_", " ").capitalize(), "multiplier": case.alpha,
        "save_as_half": case.half,
        "custom_name": "result", "checkpoint_format": "safetensors", "config_source": 3,
        "bake_in_vae": "vae" if case.vae else "None", "discard_weights": "", "save_metadata": True,
        "add_merge_recipe": True, "copy_metadata_fields": False, "metadata_json": "{}",
    }  # fmt: skip
    load_function(extras, folder)(**values)
    result = next(path for path in folder.glob("result*.safetensors"))
    with safetensors.safe_open(result, "pt") as file:
        written = {key: parse(value) for key, value in file.metadata().items()}
    metadata = {key: written[key] for key in ("sd_merge_recipe", "sd_merge_models")}
    return {"tensors": hash_tensors(safetensors.torch.load_file(result)), "metadata": metadata}


def main() -> None:
    """Run every case and write the hashes."""
    torch.set_num_threads(1)
    found: dict[str, dict[str, Any]] = {}
    for name, case in CASES.items():
        with tempfile.TemporaryDirectory() as folder:
            found[name] = run_case(case, Path(sys.argv[1]), Path(folder))
    text = json.dumps(found, indent=1)
    Path(__file__).with_name("a1111_merges.json").write_text(text + "\n", encoding="utf-8")
    print(hashlib.sha256(text.encode()).hexdigest())  # noqa: T201


if __name__ == "__main__":
    main()
