"""Textual Inversion embeddings: read from every layout in use, checked, given to the prompt encoder, and written.

No tokenizer is ever touched: `select_rows` gives the vectors of one text encoder by name; `chunks.split_a1111` finds
names as A1111 does (by their tokens, longest first), `chunks.split_comfyui` as `embedding:NAME`, and `encoding` puts
the vectors over the token embeddings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch

from ...core.errors import BadParameter, BadWeights, UnknownName
from ...core.images.headers import detect_format
from ...core.regular_files import open_regular_file
from ...core.tensor_files.safetensors_io import read_header, read_safetensors, write_safetensors
from ...core.tensor_files.torch_files import PICKLED
from ..modules.architectures import SDXL_PAIR, UNET_MODELS
from ..modules.parts import TEXT_ENCODER, TEXT_ENCODER_2
from .formats import read_notes, read_tokens
from .images import SUFFIXES, read_image, write_image
from .source import Source, Tokens

if TYPE_CHECKING:
    import os

    from torch import Tensor

Layout = Literal["auto", "kohya", "diffusers", "sdxl"]
_PARTS = {part: key for key, part in SDXL_PAIR.items()}


@dataclass(frozen=True, eq=False)
class Embedding:
    """An embedding file, understood.

    tokens: token → text encoder → fp32 [n, d]. format: its layout. metadata: name, step, sd_checkpoint (a hash) and
    sd_checkpoint_name as far as the file has them. notes: what a user should know.
    """

    path: Path
    format: str
    tokens: Tokens
    metadata: dict[str, str | int] = field(default_factory=dict[str, "str | int"])
    notes: tuple[str, ...] = ()

    @property
    def broken(self) -> dict[str, str]:
        """Token → text encoder whose vectors hold NaN or infinite numbers."""
        parts = ((token, part, rows) for token, encoders in self.tokens.items() for part, rows in encoders.items())
        return {token: part for token, part, rows in parts if not bool(torch.isfinite(rows).all())}

    def explain_misfit(self, architecture: str) -> str | None:
        """Why not every token fits a base model; None when all do."""
        verdicts = (explain_misfit(encoders, architecture) for encoders in self.tokens.values())
        return next((verdict for verdict in verdicts if verdict), None)

    def report(self) -> dict[str, Any]:
        """What `embedding inspect` shows; JSON-serialisable."""
        shapes = {t: {part: list(rows.shape) for part, rows in e.items()} for t, e in self.tokens.items()}
        return {
            "file": self.path.name,
            "format": self.format,
            "tokens": shapes,
            "vectors": {token: max(shape[0] for shape in parts.values()) for token, parts in shapes.items()},
            **{key: self.metadata.get(key) for key in ("name", "step", "sd_checkpoint", "sd_checkpoint_name")},
            "finite": not self.broken,
            "base_models": [name for name in UNET_MODELS if self.explain_misfit(name) is None],
            "verdicts": {name: self.explain_misfit(name) or "fits" for name in UNET_MODELS},
            "notes": list(self.notes),
        }


def load_embedding(path: str | os.PathLike[str]) -> Tokens:
    """Tokens of an embedding file of any layout: token → "text_encoder" / "text_encoder_2" → fp32 [n, d].

    Files are A1111 .pt, learned_embeds .bin and .safetensors, kohya, SDXL pairs, several tokens, lists, LoRA files with
    tokens, PNG text and lossless pixels. Raises BadWeights (naming the key) for anything damaged, not finite or of
    another kind, UnsafeFile for a pickle that holds more than tensors in plain containers.
    """
    embedding = read_embedding(path)
    for token, part in embedding.broken.items():
        where = f"{embedding.path}, key {token[:80]!r}"
        raise BadWeights(f"holds NaN or infinite numbers for the {part}", where=where, fix="train or fetch it again")
    return embedding.tokens


def inspect_embedding(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The report of a file, also of one with numbers that are not finite. Raises as load_embedding otherwise."""
    return read_embedding(path).report()


def read_embedding(path: str | os.PathLike[str]) -> Embedding:
    """A file with everything known about it; NaN is not refused here, see `Embedding.broken`."""
    source, form = _open(Path(path))
    found = read_tokens(source)
    layout = f"{found.format}, {form}" if form else found.format
    return Embedding(source.path, layout, found.tokens, dict(read_notes(source)), found.notes)


def _open(path: Path) -> tuple[Source, str]:
    """Content of a file and, for pictures, where it was found."""
    if not path.is_file():
        raise BadWeights("is not a file", where=str(path), fix="check the name")
    if path.suffix.lower() in SUFFIXES or _is_picture(path):
        content, form = read_image(path)
        return Source(path, content, own_names=True), form
    if path.suffix.lower() in PICKLED:
        from ...core.tensor_files.torch_files import read_checkpoint

        return Source(path, read_checkpoint(path)), ""
    header = read_header(path)
    return Source(path, read_safetensors(path, header), header.metadata), ""


def _is_picture(path: Path) -> bool:
    with open_regular_file(path) as file:
        return bool(detect_format(file.read(32)))


def explain_misfit(encoders: Mapping[str, Tensor], architecture: str) -> str | None:
    """Why an embedding does not fit a base model, an id of UNET_MODELS; None when it does."""
    if architecture not in UNET_MODELS:
        raise UnknownName(f"{architecture!r} is no base model", fix=f"use one of {', '.join(UNET_MODELS)}")
    needed = {part: encoder.width for part, encoder in UNET_MODELS[architecture].encoders.items()}
    return explain_width_misfit(encoders, needed, architecture)


def explain_width_misfit(encoders: Mapping[str, Tensor], needed: Mapping[str, int], name: str) -> str | None:
    """Why an embedding does not fit text encoders (part → width) of a model of that name; None when it does."""
    for part, wide in needed.items():
        if part not in encoders:
            return f"has no vectors for the {part} of {name}"
        if (width := encoders[part].shape[1]) != wide:
            return f"is {width} wide, the {part} of {name} is {wide} wide"
    if extra := sorted(set(encoders) - set(needed)):
        return f"has vectors for the {', '.join(extra)}, which {name} does not have"
    counts = {rows.shape[0] for rows in encoders.values()}
    return f"has different numbers of vectors for its text encoders: {sorted(counts)}" if len(counts) > 1 else None


def select_rows(
    embeddings: Mapping[str, Mapping[str, Tensor]], architecture: str, encoder: str = TEXT_ENCODER
) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Vectors of one text encoder by name, and the embeddings left out with the reason.

    `chunks` needs the numbers of vectors, `encoding` the vectors. Raises UnknownName.
    """
    verdicts = {name: explain_misfit(encoders, architecture) for name, encoders in embeddings.items()}
    fitting = {name: embeddings[name][encoder] for name, verdict in verdicts.items() if verdict is None}
    return fitting, {name: verdict for name, verdict in verdicts.items() if verdict is not None}


def save_embedding(
    path: str | os.PathLike[str],
    tokens: Mapping[str, Mapping[str, Tensor]],
    layout: Layout = "auto",
    *,
    step: int | None = None,
    metadata: Mapping[str, str] | None = None,
) -> Path:
    """Write tokens as .safetensors, or as a picture for A1111 (.png: text and pixels; .webp: pixels).

    layout: kohya (`emb_params`), diffusers (`{token: …}`) or sdxl (`clip_l`, `clip_g`).
    auto: sdxl where the second text encoder has vectors, kohya for one token, diffusers for several. metadata: more of
    a .safetensors file's.
    Raises BadParameter for what a layout cannot hold, and for pickles, which are not written; WriteFailed.
    """
    target = Path(path)
    suffix = target.suffix.lower()
    if not tokens:
        raise BadParameter("there is no token to write", where=str(target))
    if suffix in (".png", ".webp"):
        return _save_picture(target, tokens, layout, step)
    if suffix != ".safetensors":
        fix = "write .safetensors, which every host reads, or .png for A1111"
        what = "pickles can run code and are not written" if suffix in PICKLED else f"{suffix!r} is no embedding file"
        raise BadParameter(what, where=str(target), fix=fix)
    chosen = _choose_layout(tokens) if layout == "auto" else layout
    steps = {"ss_steps": str(step)} if step is not None else {}
    return write_safetensors(target, _TABLES[chosen](tokens, str(target)), {**(metadata or {}), **steps})


def _choose_layout(tokens: Mapping[str, Mapping[str, Tensor]]) -> str:
    if len(tokens) > 1:
        return "diffusers"
    return "sdxl" if any(TEXT_ENCODER_2 in encoders for encoders in tokens.values()) else "kohya"


def _take_only_token(tokens: Mapping[str, Mapping[str, Tensor]], where: str) -> tuple[str, Mapping[str, Tensor]]:
    if len(tokens) != 1:
        fix = "pick one with --token, or use the layout diffusers"
        raise BadParameter(f"the layout holds one token, and there are {len(tokens)}", where=where, fix=fix)
    return next(iter(tokens.items()))


def _kohya(tokens: Mapping[str, Mapping[str, Tensor]], where: str) -> dict[str, Tensor]:
    return {"emb_params": _take_only_encoder(*_take_only_token(tokens, where), where)}


def _diffusers(tokens: Mapping[str, Mapping[str, Tensor]], where: str) -> dict[str, Tensor]:
    return {token: _take_only_encoder(token, encoders, where) for token, encoders in tokens.items()}


def _sdxl(tokens: Mapping[str, Mapping[str, Tensor]], where: str) -> dict[str, Tensor]:
    return {_PARTS[part]: rows for part, rows in _take_only_token(tokens, where)[1].items()}


_TABLES = {"kohya": _kohya, "diffusers": _diffusers, "sdxl": _sdxl}


def _take_only_encoder(token: str, encoders: Mapping[str, Tensor], where: str) -> Tensor:
    if len(encoders) != 1:
        what = f"{token[:80]!r} has vectors for {len(encoders)} text encoders, and the layout holds one"
        raise BadParameter(what, where=where, fix="use the layout sdxl")
    return next(iter(encoders.values()))


def _save_picture(path: Path, tokens: Mapping[str, Mapping[str, Tensor]], layout: str, step: int | None) -> Path:
    """A1111's picture: the content of its .pt file, or of an SDXL file, as JSON."""
    if layout not in ("auto", "sdxl"):
        raise BadParameter(f"pictures have no layout {layout!r}", where=str(path), fix="leave the layout out")
    token, encoders = _take_only_token(tokens, str(path))
    table: dict[str, Any] = {"name": token, "step": step, "sd_checkpoint": None, "sd_checkpoint_name": None}
    if set(encoders) == {TEXT_ENCODER} and layout == "auto":
        table |= {"string_to_token": {"*": 265}, "string_to_param": {"*": encoders[TEXT_ENCODER]}}
    else:
        table |= {_PARTS[part]: vectors for part, vectors in encoders.items()}
    return write_image(path, table, next(iter(encoders.values())).to(torch.float32).cpu().numpy())


__all__ = [
    "Embedding",
    "Layout",
    "explain_misfit",
    "explain_width_misfit",
    "inspect_embedding",
    "load_embedding",
    "read_embedding",
    "save_embedding",
    "select_rows",
]
