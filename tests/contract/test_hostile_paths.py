"""No name in a request opens, writes or looks at anything outside the host's folders."""

from __future__ import annotations

import sys
from functools import cache
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from safetensors.torch import save_file
from tests.support.checkpoint_models import tiny
from tests.support.tiny_loras import write_lora
from tests.support.tree import ROOT
from tests.support.web_host import PICTURE, Client, WebHost, record_openings

from underdrawing.serving.operate import offered

if TYPE_CHECKING:
    from collections.abc import Iterator

    from underdrawing.core.operation_registry import OperationType

FILES = ("lora", "checkpoint", "vae", "embedding")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a host's folders in it, and secrets beside them that have every ending."""
    place = tmp_path_factory.mktemp("place")
    for kind in (*FILES, "pictures", "poses", "weights"):
        (place / "host" / kind).mkdir(parents=True)
    write_lora(place / "host" / "lora" / "a.safetensors")
    for seed, name in enumerate("AB"):
        save_file(tiny(seed), place / "host" / "checkpoint" / f"{name}.safetensors")
    write_lora(place / "secret.safetensors")
    for ending in ("pt", "ckpt", "json", "txt", "png"):
        (place / f"secret.{ending}").write_bytes(b'{"type": "load", "path": "secret.safetensors"}')
    return place


def hostile_names(place: Path) -> list[str]:
    """Ways to name a file outside, or no file at all."""
    starts = [
        *("../" * n for n in range(1, 5)),
        "..\\",
        "..\\..\\",
        "./../",
        "sub/../../",
        "a.safetensors/../../",
        "//",
    ]
    starts += [f"{place}/", f"file://{place}/", f"file:{place}/", f"{place.as_posix().upper()}/", "....//", "%2e%2e/"]
    starts += [
        "..%2f",
        "%2e%2e%5c",
        "\u2025/",
        "\uff0e\uff0e/",
        "..\u2215",
        "~/",
        "~root/",
        "/proc/self/root" + f"{place}/",
    ]
    endings = cycle((".safetensors", "", ".json"))
    names = [f"{start}secret{next(endings)}" for start in (*starts, *starts[1:])]
    names += [
        "/etc/passwd",
        "/etc/passwd\0.safetensors",
        "../../../../../../etc/passwd",
        "C:\\secret.safetensors",
        "CON",
    ]
    names += [
        "\\\\server\\share\\x.safetensors",
        "http://127.0.0.1/x.safetensors",
        "https://x/y.json",
        "s3://x/y",
        "..",
    ]
    names += [
        ".",
        "/",
        "\\",
        "",
        " ",
        "nul.safetensors",
        "a.safetensors:stream",
        "a\n.safetensors",
        "\u202ea.safetensors",
    ]
    names += [
        "x" * 300,
        "x/" * 600,
        "*",
        "?.safetensors",
        "[ab].safetensors",
        "|ls",
        "$(ls)",
        "`ls`",
        "/dev/zero",
        "-",
    ]
    return list(dict.fromkeys(names))


def bodies(name: str, *, every: bool) -> Iterator[tuple[str, dict[str, Any]]]:
    """Requests that hold a name wherever a request can hold one; or one for each kind of such a place."""
    yield "/annotate", {"image": name, "annotator": "invert"}
    yield "/annotate", {"image": PICTURE, "annotator": "invert", "mask": name}
    yield "/annotate", {"image": PICTURE, "annotator": name or "x"}
    if name:
        yield "/annotate", {"image": PICTURE, "annotator": "invert", "resolution": 64, "save": name}
    seen = set[str]()
    for operation in offered().values():
        for kind, body in _operation_bodies(operation, name):
            if every or kind not in seen:
                yield f"/operations/{operation.spec.id}", body
            seen.add(kind)


def _operation_bodies(operation: OperationType, name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    usual = {slot.name: _usual(slot.kind) for slot in operation.slots()}
    for slot in operation.slots():
        if slot.kind not in ("text", "poses"):
            for value in ([name], name, [{"name": name}], f"<lora:{name}:1>"):
                yield f"{slot.kind} {type(value)}", {"inputs": {**usual, slot.name: value}, "output": "new"}
    for field in operation.fields():
        if field.kind == "text":
            yield field.name, {"inputs": usual, "params": {field.name: name}, "output": "new"}
    if (target := operation.target()) is not None and target.kind not in ("poses", "pictures"):
        yield f"to {target.kind}", {"inputs": usual, "output": name}


def _usual(kind: str) -> Any:
    match kind:
        case "lora":
            return "a.safetensors"
        case "loras":
            return ["a.safetensors"]
        case "checkpoint":
            return "A.safetensors"
        case "checkpoints":
            return ["A.safetensors", "B.safetensors"]
        case "poses":
            return {"people": [], "canvas_width": 8, "canvas_height": 8}
        case "text":
            return "a cat"
        case _:
            return None


@cache
def is_own(path: str, place: Path) -> bool:
    """Whether a path is the host's, or a module or a package's file that a first import reads."""
    real = Path(path).resolve()
    if real.is_relative_to(place):
        return real.is_relative_to(place / "host")
    ours = (ROOT, Path(sys.prefix), Path(sys.base_prefix), Path("/proc"), Path("/sys"), Path("/dev"))
    return any(real.is_relative_to(one) for one in ours) or real.suffix in (".py", ".so", ".pth")


def tree(place: Path) -> dict[str, bytes]:
    outside = (path for path in place.rglob("*") if path.is_file() and not path.is_relative_to(place / "host"))
    return {str(path): path.read_bytes() for path in outside}


def test_no_name_leads_outside(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    monkeypatch.setenv("UNDERDRAWING_DOWNLOAD", "never")
    for variable in ("UNDERDRAWING_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.setenv(variable, str(place / "host" / "weights"))
    client, names, before = Client(WebHost(place / "host")), hostile_names(place), tree(place)
    assert len(names) >= 60
    statuses: dict[int, int] = {}
    for number, name in enumerate(names):
        for path, body in bodies(name, every=number % 45 == 0):
            with record_openings() as opened:
                answer = client.ask("POST", path, body, wait="30")
            statuses[answer.status] = statuses.get(answer.status, 0) + 1
            assert answer.status < 500, (path, body, answer)
            outside = [one for one in set(opened) if not is_own(one, place)]
            assert not outside, (path, name)
            for kind in FILES:
                (place / "host" / kind / "new.safetensors").unlink(missing_ok=True)
    assert tree(place) == before
    assert statuses[422] > len(names)
