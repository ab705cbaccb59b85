"""CLIP's tokenizer, from the merges that ship with the package; its vocabulary follows from them."""

from __future__ import annotations

import gzip
import json
from functools import cache
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ...core.regular_files import read_regular_file

MERGES = Path(__file__).with_name("tokenizer") / "merges.txt.gz"
START, END = "<|startoftext|>", "<|endoftext|>"
LENGTH = 77
"""Tokens of a window, start and end included."""


@cache
def load_clip_tokenizer(*, pad: str = END) -> Any:
    """A CLIPTokenizer of transformers. pad: what fills a window up; "!" for OpenCLIP's text encoders.

    One object for all callers, not to be changed. Raises ModuleNotFoundError without transformers.
    """
    loader = import_module("transformers").CLIPTokenizer
    with TemporaryDirectory() as name:
        for file, content in _make_files(pad).items():
            (Path(name) / file).write_bytes(content)
        return loader.from_pretrained(name, local_files_only=True)


def describe_tokenizer(*, openclip: bool) -> dict[str, bytes]:
    """Files of a folder that transformers reads CLIP's tokenizer from, by name. openclip: for its text encoders."""
    return _make_files("!" if openclip else END)


def _make_files(pad: str) -> dict[str, bytes]:
    settings = {"bos_token": START, "eos_token": END, "unk_token": END, "pad_token": pad, "model_max_length": LENGTH}
    merges = _read_merges()
    return {
        "merges.txt": merges.encode(),
        "vocab.json": json.dumps(list_vocabulary(merges)).encode(),
        "tokenizer_config.json": json.dumps({"tokenizer_class": "CLIPTokenizer", **settings}).encode(),
    }


def list_vocabulary(merges: str) -> dict[str, int]:
    """Token → number: bytes, bytes that end a word, what each merge gives, start and end."""
    letters = list(_spell_bytes())
    pairs = ["".join(line.split()) for line in merges.splitlines() if line and not line.startswith("#version")]
    tokens = [*letters, *(f"{letter}</w>" for letter in letters), *pairs, START, END]
    return {token: number for number, token in enumerate(tokens)}


@cache
def _read_merges() -> str:
    return gzip.decompress(read_regular_file(MERGES)).decode("utf-8")


def _spell_bytes() -> str:
    """The letters that stand for the 256 bytes (GPT-2's byte-level BPE): printable ones for themselves, first."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = 256 - len(printable)
    return "".join(map(chr, [*printable, *range(256, 256 + others)]))
