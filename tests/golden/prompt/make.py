"""Makes cases.json with the parsers of AUTOMATIC1111's web UI 1.10 and ComfyUI, unchanged.

    python -m venv VENV && VENV/bin/pip install lark==1.1.2
    VENV/bin/python make.py WEBUI/modules/prompt_parser.py COMFYUI/comfy/sd1_clip.py

Neither file can be imported as it is (they pull in torch), so single functions are compiled from their syntax trees.
Where a prompt holds stray brackets, A1111's ambiguous grammar with lark 1.1.2 gives different schedules from one
process to the next (it depends on the hash seed): each case is computed in eight processes, and kept when all agree.
"""

from __future__ import annotations

import ast
import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

ATOMS = (
    *("()[]:|" * 2),
    *(["a", "b ", "cat", "0.5", "5", "1.0", ".3", "-1", "+2", "1e1", "2."]),
    *("\\(", "\\]", "\\\\", "\\", " ", "\n", "BREAK", " BREAK ", " AND ", ":1.2)"),
    *("[a:b:", "[c|", "[:x:3]", "(x:1.1)", "[y:0.4]", "[p|q]", "((z:1.3) w:1.2)"),
)
COUNT = 600


def load(path: Path, wanted: set[str], extra: dict[str, Any]) -> dict[str, Any]:
    """Functions and assignments of a file that wanted names, or that they need at module level."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    kept = [
        n
        for n in tree.body
        if getattr(n, "name", None) in wanted or (isinstance(n, ast.Assign) and set(names(n)) & wanted)
    ]
    space = dict(extra)
    exec(compile(ast.Module(kept, []), str(path), "exec"), space)  # noqa: S102
    return space


def names(node: ast.Assign) -> list[str]:
    return [target.id for target in node.targets if isinstance(target, ast.Name)]


def balanced(rnd: random.Random, depth: int) -> str:
    """A prompt of well-formed pieces inside one another."""
    if depth == 0 or rnd.random() < 0.25:
        return rnd.choice(["a", "b c", "", " dog ", "\\(x\\)", "5", "a, b"])
    inner = [balanced(rnd, depth - 1) for _ in range(3)]
    forms = (
        "({})",
        "[{}]",
        "({}:1.3)",
        "[{}:{}:0.5]",
        "[{}:3]",
        "[{}::4]",
        "[{}:{}:2.0]",
        "[{}|{}]",
        "[{}|{}|{}]",
        "{} {}",
        "({}:0.7){}",
    )
    return rnd.choice(forms).format(*inner)


def soup(rnd: random.Random) -> str:
    """Any marks in any order."""
    return "".join(rnd.choice(ATOMS) for _ in range(rnd.randint(0, rnd.choice([4, 8, 14]))))


def prompts() -> list[tuple[str, int, int | None, bool]]:
    rnd = random.Random(20240)
    texts = [balanced(rnd, 4) if place % 2 else soup(rnd) for place in range(COUNT)]
    return [(text, rnd.choice([1, 2, 6, 10]), rnd.choice([None, None, 5]), rnd.random() < 0.15) for text in texts]


def worker(webui: Path, comfyui: Path) -> list[dict[str, Any]]:
    import re
    from types import SimpleNamespace

    import lark

    wanted = {
        "schedule_parser",
        "get_learned_conditioning_prompt_schedules",
        "re_AND",
        "re_weight",
        "re_attention",
        "re_break",
    }
    a1111 = load(
        webui,
        wanted | {"parse_prompt_attention", "get_multicond_prompt_list", "SdConditioning"},
        {"re": re, "lark": lark},
    )
    a1111["SdConditioning"] = type("Prompts", (list,), {})
    comfy = load(comfyui, {"parse_parentheses", "token_weights", "escape_important", "unescape_important"}, {})
    return [case(SimpleNamespace(**a1111), SimpleNamespace(**comfy), *given) for given in prompts()]


def case(a1111: Any, comfy: Any, text: str, steps: int, hires: int | None, old: bool) -> dict[str, Any]:
    indexes, flat, _ = a1111.get_multicond_prompt_list([text])
    weighted = comfy.token_weights(comfy.escape_important(text), 1.0)
    try:
        emphasis = a1111.parse_prompt_attention(text)
    except ValueError:
        emphasis = None
    return {
        "text": text,
        "steps": steps,
        "hires": hires,
        "old": old,
        "schedule": a1111.get_learned_conditioning_prompt_schedules([text], steps, hires, old)[0],
        "emphasis": emphasis,
        "compose": [[flat[place], weight] for place, weight in indexes[0]],
        "comfyui": [[comfy.unescape_important(part), weight] for part, weight in weighted],
    }


def main(webui: str, comfyui: str) -> None:
    runs = []
    for seed in range(8):
        environment = {**os.environ, "PYTHONHASHSEED": str(seed)}
        done = subprocess.run(
            [sys.executable, __file__, "worker", webui, comfyui], env=environment, capture_output=True, check=True
        )
        runs.append(json.loads(done.stdout))
    agreed = [group[0] for group in zip(*runs, strict=True) if all(one == group[0] for one in group)]
    lines = ",\n".join(json.dumps(one, ensure_ascii=True) for one in agreed)
    Path(__file__).with_name("cases.json").write_text(f"[\n{lines}\n]\n", encoding="utf-8")
    sys.stdout.write(f"{len(agreed)} of {COUNT} cases agree\n")


if __name__ == "__main__":
    if sys.argv[1] == "worker":
        sys.stdout.write(json.dumps(worker(Path(sys.argv[2]), Path(sys.argv[3]))))
    else:
        main(*sys.argv[1:3])
