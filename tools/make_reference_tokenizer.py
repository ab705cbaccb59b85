"""Cut CLIP's byte pair encoding down to the words that captions of the reference world use.

    python tools/make_reference_tokenizer.py bpe_simple_vocab_16e6.txt.gz pipeline/reference/tokenizer

The file is part of openai/CLIP (MIT) and of the package open_clip_torch. A word is split as CLIP splits it, because all
merges that lead to it are there; the ids are the reference model's own. Other words fall into letters.
"""

from __future__ import annotations

import argparse
import gzip
import json
from itertools import pairwise
from pathlib import Path

from underdrawing.pipeline.reference.world import captions, spec

CLIP_MERGES = 49152 - 256 - 2
"""Merges that CLIP uses of the file."""
MORE = (
    "a an the of and with without in on at by to , two three one no small big little bright dark empty scene picture "
    "photo photograph drawing painting style sky sun moon day night sunset man woman child boy girl tall round standing"
)
START, END = "<|startoftext|>", "<|endoftext|>"


def list_words() -> set[str]:
    """Every word that captions are made of, and some that people write."""
    lists = (spec.KINDS, spec.GROUNDS, spec.TIMES, spec.POSES, spec.PLACES, spec.COLOURS, spec.TREE_COLOURS)
    texts = [*(text for texts in lists for text in texts), *captions.ENDINGS.values(), "hills shiny person", MORE]
    return set(" ".join(texts).split())


def list_byte_characters() -> list[str]:
    """CLIP's printable character for each byte, in the order of its vocabulary."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest = [byte for byte in range(256) if byte not in printable]
    return [*map(chr, printable), *(chr(256 + index) for index in range(len(rest)))]


def find_merges(word: str, rank: dict[tuple[str, str], int]) -> set[tuple[str, str]]:
    """Merges that build a word from its letters."""
    parts, used = [*word[:-1], word[-1] + "</w>"], set[tuple[str, str]]()
    while len(parts) > 1:
        pair = min(pairwise(parts), key=lambda pair: rank.get(pair, len(rank)))
        if pair not in rank:
            break
        used.add(pair)
        joined: list[str] = []
        while parts:
            taken = 2 if tuple(parts[:2]) == pair else 1
            joined.append("".join(parts[:taken]))
            parts = parts[taken:]
        parts = joined
    return used


def main() -> None:
    """Write vocab.json, merges.txt and tokenizer_config.json."""
    parser = argparse.ArgumentParser(description="Cut CLIP's byte pair encoding down")
    parser.add_argument("bpe", type=Path)
    parser.add_argument("folder", type=Path)
    arguments = parser.parse_args()
    lines = gzip.decompress(arguments.bpe.read_bytes()).decode("utf-8").split("\n")[1 : CLIP_MERGES + 1]
    rank = {(first, second): number for number, (first, second) in enumerate(line.split() for line in lines)}
    merges = sorted({pair for word in list_words() for pair in find_merges(word, rank)}, key=lambda pair: rank[pair])
    letters = list_byte_characters()
    tokens = [*letters, *(c + "</w>" for c in letters), *("".join(pair) for pair in merges), START, END]
    config = {"tokenizer_class": "CLIPTokenizer", "model_max_length": 77, "bos_token": START, "eos_token": END}
    config |= {"pad_token": END, "unk_token": END}
    arguments.folder.mkdir(parents=True, exist_ok=True)
    vocabulary = json.dumps({token: index for index, token in enumerate(tokens)}, ensure_ascii=False)
    (arguments.folder / "vocab.json").write_text(vocabulary + "\n", encoding="utf-8")
    text = "#version: 0.2\n" + "".join(f"{first} {second}\n" for first, second in merges)
    (arguments.folder / "merges.txt").write_text(text, encoding="utf-8")
    (arguments.folder / "tokenizer_config.json").write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
