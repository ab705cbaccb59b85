"""Headers of safetensors files cost no more than their tensors, and files that change are noticed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
from safetensors.torch import save_file
from tests.support import header_bombs

from underdrawing.core.errors import BadWeights
from underdrawing.core.tensor_files import safetensors_io
from underdrawing.core.tensor_files.safetensors_io import read_header, read_safetensors, write_safetensors

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[2]
BOMBS, FLAWED = header_bombs.bombs(), header_bombs.flawed(10_000)
CHILD = """
    import os, resource, sys
    from pathlib import Path
    from underdrawing.core.tensor_files.safetensors_io import read_header
    size = next(int(line.split()[1]) for line in Path("/proc/self/status").read_text().splitlines() if "VmSize" in line)
    for path in sorted(Path(sys.argv[1]).iterdir()):
        sys.stdout.flush()
        if os.fork() == 0:
            resource.setrlimit(resource.RLIMIT_AS, (size * 1024 + 64 * 2**20,) * 2)
            try:
                read_header(path)
            except BaseException as error:
                print(path.name, type(error).__name__, error)
            sys.stdout.flush()
            os._exit(0)
        os.wait()
"""


def refused_calls(path: Path) -> int:
    """Calls of functions until a header is refused."""
    calls = 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        read_header(path)
    except BadWeights:
        return calls
    finally:
        sys.setprofile(None)
    raise AssertionError("it was read")


@pytest.fixture(scope="module")
def bombs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the bombs that were made."""
    return tmp_path_factory.mktemp("bombs")


def made(path: Path, make: Callable[[], bytes]) -> Path:
    """The same file, made once."""
    if not path.exists():
        path.write_bytes(make())
    return path


@pytest.mark.parametrize("word", BOMBS)
def test_a_bomb_is_refused_by_a_few_calls(bombs: Path, word: str) -> None:
    assert refused_calls(made(bombs / word, BOMBS[word])) < 1000, (
        "opening the file and the message take some 300, whatever the header holds"
    )


@pytest.mark.parametrize("word", FLAWED)
def test_a_flaw_of_one_tensor_costs_no_call_for_the_others(tmp_path: Path, word: str) -> None:
    (tmp_path / "x").write_bytes(FLAWED[word]())
    assert refused_calls(tmp_path / "x") < 1000, (
        "some 300 to open it and some 10 for each block of 1024 tensors; the parse is one call"
    )


@pytest.mark.parametrize(
    "word", ["twice", "twice_in_lines", "first_is_empty", "fields_twice", "empty_of_unknown_dtype", "hole"]
)
def test_the_tensor_with_the_flaw_is_named(tmp_path: Path, word: str) -> None:
    (tmp_path / "x").write_bytes(FLAWED[word]())
    with pytest.raises(BadWeights, match=f"key '{header_bombs.key(header_bombs.FLAWED)}'"):
        read_header(tmp_path / "x")


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the memory limit is set by means of Linux")
def test_every_header_is_refused_within_64_megabytes(bombs: Path) -> None:
    full = header_bombs.flawed()
    files = BOMBS | {word: full[word] for word in ("cut", "dtypes", "twice_in_lines", "fields_twice")}
    for word, make in files.items():
        made(bombs / word, make)
    command = [sys.executable, "-c", textwrap.dedent(CHILD), str(bombs)]
    surroundings = os.environ | {"PYTHONPATH": str(ROOT / ".dev")}
    done = subprocess.run(command, env=surroundings, capture_output=True, text=True, check=True)
    found = dict(line.split(" ", 1) for line in done.stdout.splitlines())
    assert found.keys() == files.keys()
    assert not [word for word, says in found.items() if not says.startswith("BadWeights") or "memory" in says]


def test_a_large_file_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(header_bombs.whole(header_bombs.large(), 4 * header_bombs.TENSORS))
    tensors = read_safetensors(path)
    assert len(tensors) == header_bombs.TENSORS
    assert all(tensor.shape == (1,) for tensor in tensors.values())


@pytest.mark.parametrize("limit", [0, 2**28])
def test_copied_and_mapped_tensors_are_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int) -> None:
    monkeypatch.setattr(safetensors_io, "MAX_COPIED", limit)
    path = tmp_path / "x.safetensors"
    made = {
        f"{dtype}": torch.ones(3, 2).to(dtype) for dtype in (torch.float16, torch.bool, torch.int64, torch.bfloat16)
    }
    made |= {"scalar": torch.tensor(2.5), "empty": torch.empty(0, 4), "odd": torch.ones(3, dtype=torch.uint8)}
    save_file(made, path)
    found = read_safetensors(path)
    assert found.keys() == made.keys()
    assert all(torch.equal(found[name], value) and found[name].dtype == value.dtype for name, value in made.items())
    found["scalar"] += 1
    assert read_safetensors(path)["scalar"] == 2.5


@pytest.mark.parametrize("value", ["null", "[]", "1", '"x"', "{}"])
def test_what_is_no_table_and_twice_is_named(tmp_path: Path, value: str) -> None:
    (tmp_path / "x").write_bytes(header_bombs.whole('{"a\\n":' + value + ', "a\\n":' + value + "}"))
    with pytest.raises(BadWeights, match="is there twice"):
        read_header(tmp_path / "x")


@pytest.mark.parametrize("separator", [",", ", "])
def test_bytes_that_are_no_text_are_refused_in_any_layout(tmp_path: Path, separator: str) -> None:
    good, bad = (
        f'"a":{header_bombs.entry(0, 4)}',
        f'"b":{header_bombs.entry(4, 8)}'.encode().replace(b"shape", b"sh\xffpe"),
    )
    (tmp_path / "x").write_bytes(header_bombs.whole(b"{" + (good + separator).encode() + bad + b"}", 8))
    with pytest.raises(BadWeights) as caught:
        read_header(tmp_path / "x")
    assert "not valid JSON" in str(caught.value)
    assert "key 'a'" not in str(caught.value)


def test_tensors_are_copied_only_where_they_are_not_aligned_among_themselves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the header ends does not matter: what stands behind it is read to a place of its own."""
    (tmp_path / "x").write_bytes(header_bombs.whole(header_bombs.large(tensors=100) + " ", 400))
    shared: list[object] = []
    view = torch.frombuffer
    monkeypatch.setattr(torch, "frombuffer", lambda part, **more: (shared.append(part), view(part, **more))[1])  # type: ignore[reportUnknownLambdaType]
    assert read_header(tmp_path / "x").data % 4
    assert len(read_safetensors(tmp_path / "x")) == len(shared) == 100
    assert len(set(map(id, shared))) == 1


def test_numbers_that_are_not_aligned(tmp_path: Path) -> None:
    entries = f'"a":{header_bombs.entry(0, 1, "[1]", "U8")},"b":{header_bombs.entry(1, 9, "[2]")}'
    (tmp_path / "x").write_bytes(header_bombs.whole("{" + entries + "}", 9))
    assert torch.equal(read_safetensors(tmp_path / "x")["b"], torch.zeros(2))


def test_a_small_file_may_be_cut_while_its_tensors_are_used(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    write_safetensors(path, {"a": torch.arange(100_000.0)})
    tensors = read_safetensors(path)
    os.truncate(path, 100)
    assert tensors["a"][-1] == 99_999


@pytest.mark.parametrize("limit", [0, 2**28])
@pytest.mark.parametrize("size", [500, 5000])
def test_a_file_that_changes_after_its_header_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int, size: int
) -> None:
    monkeypatch.setattr(safetensors_io, "MAX_COPIED", limit)
    path = tmp_path / "x.safetensors"
    write_safetensors(path, {"a": torch.arange(1000.0)})
    header = read_header(path)
    os.truncate(path, size)
    with pytest.raises(BadWeights, match=r"is cut off|changed while it was read|could not be loaded"):
        read_safetensors(path, header)


def test_a_dtype_that_torch_lacks_is_named(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(header_bombs.whole("{" + f'"a":{header_bombs.entry(0, 1, "[2]", "F4")}' + "}", 1))
    with pytest.raises(BadWeights, match="'a': is F4, which this torch lacks"):
        read_safetensors(tmp_path / "x")


@pytest.mark.parametrize("layout", [{}, {"indent": 2}, {"separators": (",", ":")}])
def test_any_layout_of_the_json_is_read(tmp_path: Path, layout: dict[str, Any]) -> None:
    fields: dict[str, Any] = {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}
    table = {
        "__metadata__": {"ü": '{"data_offsets": "x"}'},
        "naïve": fields,
        "dtype": fields | {"data_offsets": [1, 2]},
    }
    for ascii_only in (True, False):
        raw = json.dumps(table, ensure_ascii=ascii_only, **layout)
        (tmp_path / "x").write_bytes(header_bombs.whole(raw, 2))
        header = read_header(tmp_path / "x")
        assert list(header.tensors) == ["naïve", "dtype"]
        assert header.metadata == {"ü": '{"data_offsets": "x"}'}
