"""Embedding files of every layout, the hosts' ways to call them, and files that mean harm."""

from __future__ import annotations

import base64
import io
import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from safetensors.torch import save_file
from tests.support.adapter_models import CLIP, lora
from tests.support.official import sample
from torch import Tensor, nn

from underdrawing.adapters import load_embedding
from underdrawing.adapters.embeddings.images import MOST_JSON
from underdrawing.adapters.embeddings.load import (
    explain_misfit,
    inspect_embedding,
    read_embedding,
    save_embedding,
    select_rows,
)
from underdrawing.adapters.prompts.chunks import split_a1111, split_comfyui
from underdrawing.adapters.prompts.emphasis import parse_emphasis
from underdrawing.adapters.prompts.encoding import encode_a1111
from underdrawing.core.errors import BadParameter, BadWeights, UnderdrawingError, UnknownName, UnsafeFile


def numbers(count: int, width: int = 768, seed: int = 0) -> Tensor:
    return torch.randn(count, width, generator=torch.Generator().manual_seed(seed))


def a1111(tensor: Tensor, **more: Any) -> dict[str, Any]:
    return {"string_to_token": {"*": 265}, "string_to_param": {"*": tensor}, "name": "inside", "step": 7, **more}


@pytest.mark.parametrize(
    ("file", "tokens", "bases"),
    [
        ("a1111.pt", {"a1111": {"text_encoder": [8, 768]}}, ["sd15"]),
        ("a1111_paramdict.pt", {"a1111_paramdict": {"text_encoder": [8, 768]}}, ["sd15"]),
        ("bundled_sd1.safetensors", {"mytok": {"text_encoder": [3, 768]}}, ["sd15"]),
        ("diffusers_1vec.bin", {"<cat-toy>": {"text_encoder": [1, 768]}}, ["sd15"]),
        ("emb_params.safetensors", {"emb_params": {"text_encoder": [8, 768]}}, ["sd15"]),
        ("embed.png", {"easyneg_like": {"text_encoder": [8, 768]}}, ["sd15"]),
        ("learned_embeds.safetensors", {"<cat-toy>": {"text_encoder": [1, 768]}}, ["sd15"]),
        ("multi_token.safetensors", {t: {"text_encoder": [1, 768]} for t in ("<s1>", "<s2>")}, ["sd15"]),
        ("sd2.safetensors", {"sd2": {"text_encoder": [2, 1024]}}, ["sd21"]),
        ("sdxl.safetensors", {"sdxl": {"text_encoder": [4, 768], "text_encoder_2": [4, 1280]}}, ["sdxl"]),
    ],
)
def test_official_files(file: str, tokens: dict[str, Any], bases: list[str]) -> None:
    found = load_embedding(sample("embeddings") / file)
    assert {t: {e: list(v.shape) for e, v in parts.items()} for t, parts in found.items()} == tokens
    assert all(v.dtype == torch.float32 for parts in found.values() for v in parts.values())
    report = inspect_embedding(sample("embeddings") / file)
    assert report["tokens"] == tokens
    assert report["base_models"] == bases
    assert report["finite"]
    assert not [note for note in report["notes"] if "LoRA" not in note]
    json.dumps(report)


def test_the_same_vectors_in_four_layouts() -> None:
    folder = sample("embeddings")
    names = ("a1111.pt", "a1111_paramdict.pt", "emb_params.safetensors", "embed.png")
    first, *others = (next(iter(load_embedding(folder / name).values()))["text_encoder"] for name in names)
    assert all(torch.equal(first, other) for other in others)


def test_pixels_alone_hold_the_same(tmp_path: Path) -> None:
    with Image.open(sample("embeddings") / "embed.png") as image:
        image.convert("RGB").save(tmp_path / "bare.png")
        image.convert("RGB").save(tmp_path / "bare.webp", lossless=True)
        image.convert("RGB").save(tmp_path / "lossy.webp", quality=80)
    (_, expected), *_ = load_embedding(sample("embeddings") / "a1111.pt").items()
    for name in ("bare.png", "bare.webp"):
        assert inspect_embedding(tmp_path / name)["format"] == "A1111, pixels"
        assert torch.equal(load_embedding(tmp_path / name)["easyneg_like"]["text_encoder"], expected["text_encoder"])
    with pytest.raises(BadWeights, match="original picture"):
        load_embedding(tmp_path / "lossy.webp")


def test_cloneofsimo_tokens_from_both_files() -> None:
    beside = load_embedding(sample("cloneofsimo/attn.ti.pt"))
    within = load_embedding(sample("cloneofsimo/attn.safetensors"))
    assert list(beside) == list(within) == ["<s1>", "<s2>"]
    assert all(torch.allclose(beside[t]["text_encoder"], within[t]["text_encoder"], atol=1e-3) for t in beside)
    assert "no text encoder of SD1" in inspect_embedding(sample("cloneofsimo/attn.ti.pt"))["notes"][0]


@pytest.mark.parametrize(
    ("file", "kind"),
    [
        ("kohya/lora_attn.safetensors", "LoRA-family"),
        ("lycoris/net_loha.safetensors", "LoRA-family"),
        ("peft/pm_lora/adapter_model.safetensors", "LoRA-family"),
        ("cloneofsimo/attn.pt", "list of tensors"),
    ],
)
def test_loras_are_refused_by_name(file: str, kind: str) -> None:
    with pytest.raises(BadWeights, match=kind):
        load_embedding(sample(file))


@pytest.mark.parametrize("zipped", [True, False])
def test_a1111_files_old_and_new(tmp_path: Path, zipped: bool) -> None:
    tensor, path = numbers(3), tmp_path / "My Style.pt"
    torch.save(a1111(tensor, sd_checkpoint_name="x" * 999), path, _use_new_zipfile_serialization=zipped)
    assert torch.equal(load_embedding(path)["My Style"]["text_encoder"], tensor)
    report = inspect_embedding(path)
    assert (report["name"], report["step"], len(report["sd_checkpoint_name"])) == ("inside", 7, 200)
    torch.save(a1111(nn.ParameterDict({"*": nn.Parameter(tensor)})["*"]), path)
    assert torch.equal(load_embedding(path)["My Style"]["text_encoder"], tensor)


def test_where_vectors_belong(tmp_path: Path) -> None:
    path = tmp_path / "name.safetensors"
    for width, part in ((768, "text_encoder"), (1024, "text_encoder"), (1280, "text_encoder_2"), (640, "text_encoder")):
        save_file({"emb_params": numbers(2, width)}, path)
        assert {t: list(e) for t, e in load_embedding(path).items()} == {"name": [part]}
    assert inspect_embedding(path)["base_models"] == []
    save_file({"clip_g": numbers(2, 1280)}, path)
    assert inspect_embedding(path)["base_models"] == ["sdxl_refiner"]
    assert "text_encoder of sdxl" in inspect_embedding(path)["verdicts"]["sdxl"]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_every_float_becomes_fp32(tmp_path: Path, dtype: torch.dtype) -> None:
    path, tensor = tmp_path / "x.safetensors", numbers(2).to(dtype)
    save_file({"emb_params": tensor}, path)
    assert torch.equal(load_embedding(path)["x"]["text_encoder"], tensor.float())


def test_lists_are_joined_by_width_as_in_comfyui(tmp_path: Path) -> None:
    one, two, wide = numbers(1), numbers(2, seed=1), numbers(3, 1280)
    torch.save([{"a": one[0]}, {"b": two, "c": wide}], tmp_path / "l.pt")
    found = load_embedding(tmp_path / "l.pt")
    assert torch.equal(found["l"]["text_encoder"], torch.cat([one, two]))
    assert torch.equal(found["l"]["text_encoder_2"], wide)


def test_bundled_pairs_of_sdxl(tmp_path: Path) -> None:
    tensors = {"bundle_emb.t.clip_l": numbers(2), "bundle_emb.t.clip_g": numbers(2, 1280)}
    save_file({**tensors, **lora(CLIP.modules(), "lora_te_")}, tmp_path / "x.safetensors")
    found = load_embedding(tmp_path / "x.safetensors")
    assert {t: set(e) for t, e in found.items()} == {"t": {"text_encoder", "text_encoder_2"}}
    assert read_embedding(tmp_path / "x.safetensors").explain_misfit("sdxl") is None


@pytest.mark.parametrize("suffix", [".safetensors", ".png", ".webp"])
@pytest.mark.parametrize("pair", [False, True])
def test_what_is_written_reads_back_bit_for_bit(tmp_path: Path, suffix: str, pair: bool) -> None:
    encoders = {"text_encoder": numbers(5) * 0.03}
    if pair:
        encoders["text_encoder_2"] = numbers(5, 1280)
    path = save_embedding(tmp_path / f"tok{suffix}", {"tok": encoders}, step=12)
    found = read_embedding(path)
    assert list(found.tokens) == ["tok"]
    assert found.tokens["tok"].keys() == encoders.keys()
    assert all(torch.equal(found.tokens["tok"][part], rows) for part, rows in encoders.items())
    assert found.metadata["step"] == 12
    assert not list(tmp_path.glob("*.part"))


def test_pixels_written_here_are_the_same_as_the_text(tmp_path: Path) -> None:
    path = save_embedding(tmp_path / "t.png", {"t": {"text_encoder": numbers(30)}})
    with Image.open(path) as image:
        assert json.loads(base64.b64decode(image.info["sd-ti-embedding"]))["string_to_param"]["*"]["TORCHTENSOR"]
        Image.fromarray(np.asarray(image)).save(tmp_path / "bare.png")
    again = load_embedding(tmp_path / "bare.png")
    assert torch.equal(again["t"]["text_encoder"], numbers(30))


def test_layouts_that_cannot_hold_it_are_refused(tmp_path: Path) -> None:
    one, two = {"text_encoder": numbers(1)}, {"text_encoder": numbers(1), "text_encoder_2": numbers(1, 1280)}
    assert set(load_embedding(save_embedding(tmp_path / "a.safetensors", {"<a>": one, "<b>": one}))) == {"<a>", "<b>"}
    for name, tokens, layout in (
        ("x.pt", {"a": one}, "auto"),
        ("x.gif", {"a": one}, "auto"),
        ("x.png", {"a": one, "b": one}, "auto"),
        ("x.png", {"a": one}, "kohya"),
        ("x.safetensors", {"a": one, "b": one}, "kohya"),
        ("x.safetensors", {"a": two}, "diffusers"),
        ("x.safetensors", {}, "auto"),
    ):
        with pytest.raises(BadParameter):
            save_embedding(tmp_path / name, tokens, layout)  # type: ignore[arg-type]
    assert [path.name for path in tmp_path.iterdir()] == ["a.safetensors"]


def test_verdicts_and_rows() -> None:
    sd1, sd2 = {"text_encoder": numbers(2)}, {"text_encoder": numbers(2, 1024)}
    pair = {"text_encoder": numbers(2), "text_encoder_2": numbers(2, 1280)}
    uneven = {**pair, "text_encoder": numbers(3)}
    assert explain_misfit(sd1, "sd15") is None
    assert explain_misfit(pair, "sdxl") is None
    for encoders, base, words in (
        (sd2, "sd15", "1024 wide"),
        (sd1, "sdxl", "no vectors for the text_encoder_2"),
        (pair, "sd15", "does not have"),
        (uneven, "sdxl", "[2, 3]"),
    ):
        assert words in (explain_misfit(encoders, base) or "")
    with pytest.raises(UnknownName):
        explain_misfit(sd1, "sd3")
    found, left_out = select_rows({"a": sd1, "b": sd2, "c": pair}, "sdxl", "text_encoder_2")
    assert list(found) == ["c"]
    assert set(left_out) == {"a", "b"}


def tokenize(text: str) -> list[int]:
    """A tokenizer in which every letter is a token, whatever its case; the comma is CLIP's."""
    return [267 if mark == "," else 1000 + ord(mark.lower()) for mark in text if not mark.isspace()]


def placed(chunks: Any) -> list[tuple[str, int]]:
    return [(s.name, s.index) for chunk in chunks for s in chunk.substitutions]


def test_a1111_calls_by_tokens_longest_first_in_any_case() -> None:
    counts = {"Easy": 1, "EasyNegative": 2}
    chunks = split_a1111(parse_emphasis("a easynegative, (EASY:1.3)"), tokenize, embeddings=counts)
    assert placed(chunks) == [("EasyNegative", 0), ("EasyNegative", 1), ("Easy", 0)]
    weights = [chunks[0].weights[s.position] for s in chunks[0].substitutions]
    assert weights == [1.0, 1.0, 1.3]


@pytest.mark.parametrize(
    ("prompt", "names"),
    [
        ("embedding:bad", ["bad"]),
        ("a embedding:bad b", ["bad"]),
        ("a\nembedding:bad,", ["bad"]),
        ("embedding:odd, x", ["odd,"]),
        ("(embedding:bad:1.2)", ["bad"]),
        ("xembedding:bad", []),
        ("embedding:Bad", []),
        ("bad", []),
    ],
)
def test_comfyui_calls_by_prefix(prompt: str, names: list[str]) -> None:
    counts = {"bad": 1, "odd,": 1}
    assert [
        name for name, _ in placed(split_comfyui(parse_emphasis(prompt, "comfyui"), tokenize, embeddings=counts))
    ] == names


def test_vectors_reach_the_encoder_and_no_tokenizer_is_touched(tmp_path: Path) -> None:
    save_embedding(tmp_path / "bad.safetensors", {"bad": {"text_encoder": numbers(2)}})
    vectors, _ = select_rows(load_embedding(tmp_path / "bad.safetensors"), "sd15")
    chunks = split_a1111(parse_emphasis("a bad"), tokenize, embeddings={n: len(v) for n, v in vectors.items()})
    seen: list[Any] = []

    def encoder(ids: Tensor, places: Any) -> Tensor:
        seen.extend(places)
        return torch.ones(*ids.shape, 768)

    encode_a1111([chunks], encoder, vectors)
    assert [place for place, _ in seen[0]] == [2, 3]
    assert all(torch.equal(row, numbers(2)[i]) for i, (_, row) in enumerate(seen[0]))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (a1111(torch.full((2, 768), float("nan"))), "NaN"),
        (a1111(torch.full((2, 768), float("inf"))), "infinite"),
        (a1111(torch.full((1, 768), 1e300, dtype=torch.float64)), "infinite"),
        (a1111(torch.ones(2, 3, 768)), r"key '\*'.*shape"),
        (a1111(torch.ones(())), "shape"),
        (a1111(torch.ones(0, 768)), "shape"),
        (a1111(torch.ones(2, 768, dtype=torch.int64)), "int64"),
        (a1111(torch.zeros(1).expand(10**7, 768)), "repeats"),
        (a1111(torch.zeros(1).expand(4, 9000)), "shape"),
        ({"string_to_param": {}}, "string_to_param"),
        ({"string_to_param": {"*": 3}}, "no tensor"),
        ({"string_to_param": 3}, "string_to_param"),
        ({"<a>": torch.ones(2, 768, dtype=torch.bool)}, "'<a>'.*bool"),
        ({"x" * 600: torch.ones(768)}, "no name"),
        ({"  ": torch.ones(768)}, "no name"),
        ({f"<{i}>": torch.ones(4) for i in range(1001)}, "1001 tensors"),
        ({"clip_l": torch.ones(2, 2, 2)}, "'clip_l'"),
        ({"layer.weight": torch.ones(4, 4), "layer.bias": torch.ones(4)}, "model's weights"),
        ({"model.diffusion_model.out.2.weight": torch.ones(4, 4)}, "full checkpoint"),
        ({"state_dict": {"model.diffusion_model.out.2.weight": torch.ones(4, 4)}}, "full checkpoint"),
        ({320: [{"linear.0.weight": torch.ones(2, 2)}]}, "hypernetwork"),
        ({"note": "text"}, "no embedding"),
        ({}, "no embedding"),
        ([], "no embedding"),
        ([1, 2], "not an embedding"),
        ([{"a": torch.ones(1, 3)}, {"b": torch.ones(1, 4)}], "widths"),
        (5, "no embedding"),
    ],
)
def test_what_is_no_embedding_is_refused(tmp_path: Path, content: Any, words: str) -> None:
    torch.save(content, tmp_path / "x.pt")
    with pytest.raises(BadWeights, match=words):
        load_embedding(tmp_path / "x.pt")


def test_inspect_reports_what_is_not_finite(tmp_path: Path) -> None:
    torch.save(a1111(torch.full((2, 768), float("nan"))), tmp_path / "x.pt")
    assert inspect_embedding(tmp_path / "x.pt")["finite"] is False


def test_pickles_with_code_are_refused(tmp_path: Path) -> None:
    import pickle

    class Evil:
        def __reduce__(self) -> Any:
            return (Path.touch, (tmp_path / "ran",))

    torch.save({"string_to_param": {"*": Evil()}}, tmp_path / "x.pt", pickle_module=pickle)
    with pytest.raises(UnsafeFile):
        load_embedding(tmp_path / "x.pt")
    assert not (tmp_path / "ran").exists()


def chunk_picture(path: Path, data: bytes, *, packed: bool = False, encode: bool = True) -> Path:
    info = PngInfo()
    info.add_text("sd-ti-embedding", (base64.b64encode(data) if encode else data).decode(), zip=packed)
    Image.new("RGB", (8, 8)).save(path, pnginfo=info)
    return path


def tensor_json(value: Any) -> bytes:
    return json.dumps({"string_to_param": {"*": {"TORCHTENSOR": value}}, "name": "n"}).encode()


def test_packed_text_is_read(tmp_path: Path) -> None:
    found = load_embedding(chunk_picture(tmp_path / "x.png", tensor_json([[1.5] * 768]), packed=True))
    assert found["n"]["text_encoder"].shape == (1, 768)


@pytest.mark.parametrize(
    ("data", "encode"),
    [
        (b"\xff\xff", True),
        (b"!", False),
        (b"[1]", True),
        (b"[" * 100_000, True),
        (b'{"a":' * 5000 + b"1" + b"}" * 5000, True),
        (tensor_json([[1, 2], [3]]), True),
        (tensor_json([["a"]]), True),
        (tensor_json({"x": 1}), True),
        (tensor_json([10**400]), True),
        (tensor_json([[float("nan")] * 768]), True),
        (b'{"string_to_param":{"*":{"TORCHTENSOR":[' + b"9" * 6000 + b"]}}}", True),
        (b'{"string_to_param":{"*":{"TORCHTENSOR":[' + b"0," * (MOST_JSON // 2) + b"0]}}}", True),
    ],
)
def test_texts_that_are_no_embedding(tmp_path: Path, data: bytes, encode: bool) -> None:
    with pytest.raises(BadWeights):
        load_embedding(chunk_picture(tmp_path / "x.png", data, encode=encode))


def test_bombs_are_not_unpacked(tmp_path: Path) -> None:
    from underdrawing.adapters.embeddings import images

    bomb = b'{"name":"' + b" " * (64 << 20) + b'"}'
    with pytest.raises(BadWeights, match="more than"):
        load_embedding(chunk_picture(tmp_path / "z.png", bomb, packed=True, encode=False))
    Image.fromarray(images._paint(bomb, np.ones((1, 4), np.float32))).save(tmp_path / "p.png")
    with pytest.raises(BadWeights, match="unpacks to more than"):
        load_embedding(tmp_path / "p.png")
    assert len(zlib.compress(bomb)) < 100_000


def test_damaged_pictures_never_raise_anything_else(tmp_path: Path) -> None:
    whole = save_embedding(tmp_path / "w.webp", {"t": {"text_encoder": numbers(2)}}).read_bytes()
    target, chance = tmp_path / "d.webp", np.random.default_rng(0)
    for _ in range(30):
        data = bytearray(whole[: int(chance.integers(20, len(whole)))])
        data[int(chance.integers(12, len(data)))] ^= int(chance.integers(1, 256))
        target.write_bytes(data)
        with pytest.raises(BadWeights):
            load_embedding(target)


def test_plain_pictures_and_other_files(tmp_path: Path) -> None:
    Image.new("RGB", (64, 64), (9, 99, 200)).save(tmp_path / "plain.png")
    Image.new("RGB", (64, 64)).save(tmp_path / "black.png")
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64), "red").save(buffer, "JPEG")
    (tmp_path / "photo.safetensors").write_bytes(buffer.getvalue())
    (tmp_path / "text.png").write_text("hello")
    (tmp_path / "empty.safetensors").write_bytes(b"")
    (tmp_path / "empty.pt").write_bytes(b"")
    for name in sorted(path.name for path in tmp_path.iterdir()):
        with pytest.raises(UnderdrawingError):
            load_embedding(tmp_path / name)
    for missing in (tmp_path / "gone.pt", tmp_path):
        with pytest.raises(BadWeights, match="not a file"):
            load_embedding(missing)
