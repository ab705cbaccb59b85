"""Pipes, devices and sockets in a file's place are refused at once, whatever asks for the file."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from underdrawing.adapters.applying.bake import bake
from underdrawing.adapters.embeddings.load import load_embedding
from underdrawing.adapters.reading.load import load_adapter
from underdrawing.adapters.tools.extract import extract
from underdrawing.core.batch.manifest import Manifest
from underdrawing.core.errors import UnderdrawingError
from underdrawing.core.files import hash_file
from underdrawing.core.images.reading import read_pictures
from underdrawing.core.images.writing import read_info
from underdrawing.core.poses.files import read_poses
from underdrawing.core.regular_files import NotAFile, open_regular_file
from underdrawing.core.tensor_files.safetensors_io import read_header, read_safetensors
from underdrawing.core.tensor_files.torch_files import read_checkpoint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")


@pytest.fixture(autouse=True)
def _alarm() -> Iterator[None]:
    """A reader that waits is interrupted instead of stopping all tests."""

    def fail(*_: object) -> None:
        raise AssertionError("it waits")

    before = signal.signal(signal.SIGALRM, fail)
    signal.alarm(60)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def make_pipe(path: Path) -> Path:
    os.mkfifo(path)
    return path


def make_socket(path: Path) -> Path:
    here = Path.cwd()
    os.chdir(path.parent)  # names of sockets are short
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(path.name)
    finally:
        os.chdir(here)
    return path


def make_device(path: Path) -> Path:
    path.symlink_to("/dev/zero")
    return path


KINDS: dict[str, Callable[[Path], Path]] = {"named pipe": make_pipe, "socket": make_socket, "device": make_device}
READERS: dict[str, Callable[[Path], Any]] = {
    "picture.png": read_pictures,
    "map.png": read_info,
    "pose.json": read_poses,
    "header.safetensors": read_header,
    "weights.safetensors": read_safetensors,
    "weights.pt": read_checkpoint,
    "lora.safetensors": load_adapter,
    "lora.pt": load_adapter,
    "embedding.pt": load_embedding,
    "embedding.png": load_embedding,
    "base.safetensors": lambda path: bake(path, [], path.with_name("out.safetensors")),
    "tuned.safetensors": lambda path: extract(path, path, path.with_name("out.safetensors")),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", READERS)
def test_every_reader_refuses_what_is_no_file(tmp_path: Path, name: str, kind: str) -> None:
    path = KINDS[kind](tmp_path / name)
    with pytest.raises(UnderdrawingError) as caught:
        READERS[name](path)
    assert str(path) in str(caught.value)
    assert "not a" in str(caught.value) or "no regular file" in str(caught.value)
    assert caught.value.fix


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mode", ["rb", "r+b", "wb", "ab"])
def test_the_kind_is_named(tmp_path: Path, kind: str, mode: Any) -> None:
    path = KINDS[kind](tmp_path / "x")
    with pytest.raises(NotAFile, match=f"is a {kind}, not a file"):
        open_regular_file(path, mode)
    with pytest.raises(NotAFile):
        hash_file(path)


@pytest.mark.parametrize("kind", KINDS)
def test_a_manifest_that_is_no_file_is_refused_and_stays(tmp_path: Path, kind: str) -> None:
    path = KINDS[kind](tmp_path / "manifest.jsonl")
    with pytest.raises(UnderdrawingError, match=f"is a {kind}, not a file"):
        Manifest(tmp_path)
    assert not path.is_file()


@pytest.mark.parametrize("kind", KINDS)
def test_a_config_that_is_no_file_is_refused(tmp_path: Path, kind: str) -> None:
    from underdrawing.core.tensor_files.safetensors_io import write_safetensors

    import_path = tmp_path / "adapter_model.safetensors"
    import torch

    write_safetensors(import_path, {"base_model.model.q.lora_A.weight": torch.ones(1, 1)})
    KINDS[kind](tmp_path / "adapter_config.json")
    with pytest.raises(UnderdrawingError, match=r"adapter_config\.json"):
        load_adapter(tmp_path)


def test_a_pipe_swapped_in_after_the_check_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    regular = tmp_path / "x"
    np.save(regular.with_suffix(".npy"), np.zeros(1))
    status = regular.with_suffix(".npy").stat()
    path = make_pipe(tmp_path / "pipe")
    with monkeypatch.context() as patched:
        patched.setattr(Path, "stat", lambda _path: status)  # pyright: ignore[reportUnknownLambdaType]
        with pytest.raises(NotAFile, match="named pipe"):
            open_regular_file(path)
