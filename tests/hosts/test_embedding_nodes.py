"""Embedding nodes against a stub CLIP: the conditioning is A1111's, and no file and no word is lost in silence."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.support.lora_host import Patcher, stubs

from underdrawing.adapters.embeddings.load import load_embedding, save_embedding
from underdrawing.adapters.prompts.chunks import Special, split_a1111
from underdrawing.adapters.prompts.encoding import encode_a1111
from underdrawing.adapters.prompts.prompt import parse_emphasis
from underdrawing.comfy_nodes import embeddings, operations
from underdrawing.core.errors import BadParameter, UnknownName, WriteFailed

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from torch import Tensor

torch.set_num_threads(1)
WIDTHS = {"clip_l": 768, "clip_h": 1024, "clip_g": 1280}


class Tokenizer:
    """The host's tokenizer of one encoder around one that splits at blanks and commas."""

    start_token, end_token = 49406, 49407

    def __init__(self, name: str) -> None:
        self.pad_with_end = name == "clip_l"

    def tokenizer(self, text: str) -> dict[str, list[int]]:
        words = text.lower().replace(",", " , ").split()
        ids = [267 if word == "," else 300 + sum(map(ord, word)) % 4000 for word in words]
        return {"input_ids": [self.start_token, *ids, self.end_token]}


class StubClip:
    def __init__(self, *names: str) -> None:
        self.tokenizer = type("Tokenizers", (), {})()
        vars(self.tokenizer).update({"clip_name": "x"} | {name: Tokenizer(name) for name in names})
        stem = "transformer.text_model.embeddings.token_embedding.weight"
        self.patcher = Patcher({f"{name}.{stem}": torch.empty(1, WIDTHS[name]) for name in names})
        self.asked: dict[str, list[list[tuple[Any, float]]]] = {}

    def encode_from_tokens_scheduled(self, tokens: dict[str, list[list[tuple[Any, float]]]]) -> list[list[Any]]:
        self.asked = tokens
        shares: list[Tensor] = []
        for key in ("l", "g", "h"):
            windows = tokens.get(key, [])
            assert all(weight == 1 for window in windows for _, weight in window)
            if windows:
                plain = [[token for token, _ in window] for window in windows]
                shares.append(torch.cat([encoded(window, WIDTHS[f"clip_{key}"]) for window in plain])[None])
        return [[torch.cat(shares, -1), {"pooled_output": "first", "hooks": "kept"}]]


def encoded(window: Sequence[Any], width: int) -> Tensor:
    """Something that depends on every token of the window."""
    rows = [t if isinstance(t, torch.Tensor) else torch.sin(torch.arange(width) + float(t)) for t in window]
    stacked = torch.stack(rows)
    return stacked + stacked.mean(0) * 0.5 + 0.1


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The embeddings folder of a stub host."""
    for name, module in stubs(tmp_path).items():
        monkeypatch.setitem(sys.modules, name, module)
    (tmp_path / "embeddings").mkdir()
    return tmp_path / "embeddings"


def wanted(text: str, name: str, vectors: dict[str, Tensor] | None = None, emphasis: Any = "original") -> Tensor:
    """By the library, from chunks to conditioning."""
    special = Special(pad=49407 if name == "clip_l" else 0)
    own, width = vectors or {}, WIDTHS[name]
    tokenizer = Tokenizer(name)
    counts = {word: len(rows) for word, rows in own.items()}
    chunks = split_a1111(
        parse_emphasis(text), lambda t: tokenizer.tokenizer(t)["input_ids"][1:-1], special, embeddings=counts
    )

    def encoder(ids: Tensor, rows: list[list[tuple[int, Tensor]]]) -> Tensor:
        made: list[Tensor] = []
        for window, replaced in zip(ids.tolist(), rows, strict=True):
            tokens: list[Any] = list(window)
            for place, row in replaced:
                tokens[place] = row
            made.append(encoded(tokens, width))
        return torch.stack(made)

    return encode_a1111([chunks], encoder, own, special=special, emphasis=emphasis)


def run(clip: StubClip, text: str, **options: Any) -> Tensor:
    answer: Any = embeddings.UnderdrawingEncodeA1111().encode(clip, text, **options)
    ((hidden, extras),) = (answer["result"] if isinstance(answer, dict) else answer)[0]
    assert extras == {"pooled_output": "first", "hooks": "kept"}
    return hidden


LONG = ", ".join(f"word{number} (strong:1.3)" for number in range(40)) + " BREAK ((end)) [soft]"


@pytest.mark.parametrize("text", ["", "a (red:1.4) cat", r"\(literal\) [low]", LONG])
@pytest.mark.parametrize("emphasis", ["original", "no-norm", "ignore"])
def test_conditioning_is_a1111_s(folder: Path, text: str, emphasis: str) -> None:
    hidden = run(StubClip("clip_l"), text, emphasis=emphasis)
    assert torch.equal(hidden, wanted(text, "clip_l", emphasis=emphasis))
    assert hidden.shape[1] == (77 if text is not LONG else 77 * 3)


def test_a_full_chunk_ends_at_its_last_comma(folder: Path) -> None:
    text = " ".join(["word"] * 70) + ", " + " ".join(["tail"] * 10)
    far, near = run(StubClip("clip_l"), text), run(StubClip("clip_l"), text, backtrack=3)
    assert torch.equal(far, wanted(text, "clip_l"))
    assert not torch.equal(far, near)


def test_sdxl_weighs_each_encoder_by_itself(folder: Path) -> None:
    clip = StubClip("clip_l", "clip_g")
    hidden = run(clip, LONG)
    assert torch.equal(hidden, torch.cat([wanted(LONG, name) for name in ("clip_l", "clip_g")], -1))
    assert clip.asked["l"][-1][-1][0] == 49407
    assert clip.asked["g"][-1][-1][0] == 0


@pytest.mark.parametrize("name", ["clip_h", "clip_g"])
def test_models_with_one_other_encoder(folder: Path, name: str) -> None:
    assert torch.equal(run(StubClip(name), "a (cat:1.2)"), wanted("a (cat:1.2)", name))


def test_embeddings_of_every_kind_take_their_place(folder: Path) -> None:
    torch.manual_seed(0)
    rows = {name: torch.randn(2, 768) for name in ("plain", "drawn", "old")}
    save_file({"emb_params": rows["plain"]}, folder / "plain.safetensors")
    save_embedding(folder / "drawn.png", {"drawn": {"text_encoder": rows["drawn"]}})
    (folder / "sub").mkdir()
    torch.save({"<s1>": rows["old"][0], "<s2>": rows["old"][1]}, folder / "sub" / "two.pt")
    torch.save({"string_to_param": {"*": rows["old"]}, "name": "x"}, folder / "sub" / "old.pt")
    text = "a (embedding:plain:1.2), embedding:drawn and embedding:sub/old, plain"
    bare = text.replace("embedding:", "").replace("sub/", "")
    hidden = run(StubClip("clip_l"), text)
    assert torch.equal(hidden, wanted(bare, "clip_l", rows))
    assert torch.equal(run(StubClip("clip_l"), "a plain old plain"), wanted("a plain old plain", "clip_l", rows))
    off = run(StubClip("clip_l"), "a plain old plain", bare_names=False)
    assert torch.equal(off, wanted("a plain old plain", "clip_l"))
    with pytest.raises(BadParameter, match="holds 2 tokens"):
        run(StubClip("clip_l"), "embedding:two")


def test_sdxl_embeddings_reach_both_encoders(folder: Path) -> None:
    pair = {"clip_l": torch.randn(3, 768), "clip_g": torch.randn(3, 1280)}
    save_file(pair, folder / "both.safetensors")
    hidden = run(StubClip("clip_l", "clip_g"), "a (embedding:both:0.8) b")
    one, two = (wanted("a (both:0.8) b", name, {"both": pair[name]}) for name in ("clip_l", "clip_g"))
    assert torch.equal(hidden, torch.cat([one, two], -1))


def test_tokens_that_came_with_a_lora(folder: Path) -> None:
    clip, rows = StubClip("clip_l"), torch.randn(1, 768)
    clip.patcher.set_attachments("underdrawing_tokens", {"sks": {"text_encoder": rows}})
    assert torch.equal(run(clip, "a sks dog"), wanted("a sks dog", "clip_l", {"sks": rows}))


def test_what_does_not_exist_or_fit_is_an_error_when_asked_for(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    save_file({"emb_params": torch.randn(1, 1024)}, folder / "wide.safetensors")
    with pytest.raises(UnknownName, match="missing"):
        run(StubClip("clip_l"), "embedding:missing")
    with pytest.raises(BadParameter, match="1024"):
        run(StubClip("clip_l"), "embedding:wide")
    with pytest.raises(BadParameter, match="leaves its folder"):
        run(StubClip("clip_l"), "embedding:../../wide")
    with caplog.at_level(logging.WARNING, "underdrawing"):
        assert torch.equal(run(StubClip("clip_l"), "a wide road"), wanted("a wide road", "clip_l"))
    assert "wide" in caplog.text


@pytest.mark.parametrize("text", ["a AND b", "cat :1.2", "[a:b:0.5]", "[a|b]", "[a:5]"])
def test_what_needs_time_or_composition_is_refused(folder: Path, text: str) -> None:
    with pytest.raises(BadParameter, match="not read here"):
        run(StubClip("clip_l"), text)


def test_other_text_encoders_are_refused(folder: Path) -> None:
    WIDTHS["t5xxl"] = 8
    with pytest.raises(BadParameter, match="t5xxl"):
        run(StubClip("clip_l", "t5xxl"), "a cat")


def test_any_embedding_becomes_a_file_the_core_reads(folder: Path) -> None:
    rows = torch.randn(2, 768)
    save_embedding(folder / "drawn.png", {"drawn": {"text_encoder": rows}})
    node = operations.nodes()["UnderdrawingSaveEmbedding"]()
    assert node.INPUT_TYPES()["required"]["embedding"][0] == ["drawn.png"]
    words, report = node.run(embedding="drawn.png", filename="")["result"]
    assert words == "embedding:drawn"
    assert "text_encoder 2 x 768" in report
    assert torch.allclose(load_file(folder / "drawn.safetensors")["emb_params"], rows)
    with pytest.raises(WriteFailed, match="exists"):
        node.run(embedding="drawn.png", filename="")
    node.run(embedding="drawn.png", filename="drawn", overwrite=True)


def test_several_tokens_become_several_files_or_none(folder: Path) -> None:
    rows = {"<s1>": torch.randn(1, 768), "<s2>": torch.randn(2, 768)}
    torch.save(rows, folder / "list.bin")
    (folder / "both-2.safetensors").write_bytes(b"mine")
    node = operations.nodes()["UnderdrawingSaveEmbedding"]()
    with pytest.raises(WriteFailed, match="both-2"):
        node.run(embedding="list.bin", filename="both")
    assert not (folder / "both-1.safetensors").exists()
    words, report = node.run(embedding="list.bin", filename="mine")["result"]
    assert words == "embedding:mine-1 embedding:mine-2"
    assert "in list.bin it is <s2>" in report
    assert torch.equal(load_embedding(folder / "mine-2.safetensors")["mine-2"]["text_encoder"], rows["<s2>"])
    with pytest.raises(BadParameter):
        node.run(embedding="list.bin", filename="../both")
