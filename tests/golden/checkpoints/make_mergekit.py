"""Records what mergekit makes of tiny tensors: TIES, and which changes DARE and DELLA keep.

    python tests/golden/checkpoints/make_mergekit.py FOLDER

The argument is a checkout of arcee-ai/mergekit; a6e4028 was used. Its functions run as they stand. What is
drawn by chance is replaced by the numbers that this project draws, so that both drop the same.
"""

from __future__ import annotations

import ast
import json
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / ".dev"))
from underdrawing.checkpoints.arithmetic.chance import draw_uniform

KEY, SHAPE, SEED = "model.diffusion_model.out.2.weight", (6, 5), 3


def load_functions(folder: Path) -> tuple[Any, Any]:
    """Its module of sparsification, and the merge itself."""
    spec = spec_from_file_location("sparsify", folder / "mergekit" / "sparsify.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    path = folder / "mergekit" / "merge_methods" / "generalized_task_arithmetic.py"
    names = ("get_mask", "execute")
    body = [
        n for n in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(n, ast.FunctionDef) and n.name in names
    ]
    for node in body:
        node.returns, node.decorator_list = None, []
        for argument in (*node.args.args, node.args.kwarg):
            if argument is not None:
                argument.annotation = None
    space: dict[str, Any] = {"torch": torch, "sparsify": module.sparsify, "get_task_vectors": lambda *_, **__: STATE}
    exec(compile(ast.Module(body, []), str(path), "exec"), space)  # noqa: S102
    return module, space["execute"]


STATE: list[Any] = []


def merge(
    execute: Any, method: Any, consensus: str | None, deltas: list[torch.Tensor], base: torch.Tensor, **more: float
) -> Any:
    STATE[:] = [[{"delta": delta, "weight": 1.0, **more} for delta in deltas], base]
    task = SimpleNamespace(
        weight_info=None, base_model=None, tensor_parameters=SimpleNamespace(data=None), rescale_norm=None,
        method=SimpleNamespace(sparsification_method=method, consensus_method=consensus), int8_mask=False,
        normalize=consensus is not None, lambda_=1,
    )  # fmt: skip
    return execute(task, {}).tolist()


def main() -> None:
    """Run the three methods."""
    module, execute = load_functions(Path(sys.argv[1]))
    draw = torch.Generator().manual_seed(0)
    base, *others = (torch.randn(SHAPE, generator=draw) for _ in range(4))
    deltas = [other - base for other in others]
    kinds = module.SparsificationMethod
    found: dict[str, Any] = {"models": [base.tolist(), *(other.tolist() for other in others)]}
    found["ties"] = {
        str(density): merge(execute, kinds.magnitude, "sum", deltas, base, density=density)
        for density in (0.2, 0.5, 0.9)
    }
    for name, kind, more in (("dare", kinds.random, {}), ("della", kinds.della_magprune, {"epsilon": 0.2})):
        kept: list[Any] = []
        for number, delta in enumerate(deltas):
            drawn = draw_uniform(f"{SEED}/{number}/{KEY}", 0, base.numel()).view(SHAPE)
            torch.bernoulli = lambda chances, drawn=drawn: (drawn < chances).to(chances.dtype)  # type: ignore[assignment]
            kept.append(merge(execute, kind, None, [delta], torch.zeros(SHAPE), density=0.5, **more))
        found[name] = kept
    text = json.dumps(found)
    Path(__file__).with_name("mergekit.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
