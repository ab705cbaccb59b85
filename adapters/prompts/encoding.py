"""Windows of tokens -> conditioning tensors, weighted as A1111 or as ComfyUI does it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Sized
from typing import TYPE_CHECKING, Literal, TypeAlias

from ...core.errors import BadParameter
from .chunks import CLIP_L, Chunk, Special, Tokenize, make_empty_chunk, pad_to_longest, split_a1111

if TYPE_CHECKING:
    from torch import Tensor

    from .emphasis import Fragment

A1111Emphasis = Literal["original", "no-norm", "ignore"]
Rows: TypeAlias = "list[list[tuple[int, Tensor]]]"
Encoder: TypeAlias = "Callable[[Tensor, Rows], Tensor]"
"""(ids [B, 77] int64, per prompt the (position, vector [D_in]) to put over the token embeddings) -> hidden [B, 77,
D].
"""


def weight_a1111(hidden: Tensor, weights: Tensor, emphasis: A1111Emphasis = "original") -> Tensor:
    """Scale every token's hidden state by its weight. hidden [B, T, D], weights [B, T].

    original: then rescale so that the mean over the whole tensor, batch and padding included, is what it was. no-norm:
    without that. ignore: no weights. A mean of 0 after weighting is left alone.
    """
    if emphasis == "ignore":
        return hidden
    weighted = hidden * weights.to(hidden)[..., None]
    after = weighted.mean()
    return weighted if emphasis == "no-norm" or after == 0 else weighted * (hidden.mean() / after)


def weight_comfyui(hidden: Tensor, empty: Tensor, weights: Tensor) -> Tensor:
    """Move every token's hidden state from, or towards, that of the empty prompt: empty + w * (hidden - empty).

    hidden [B, T, D], empty [T, D], weights [B, T]. Tokens of weight 1 stay bit for bit.
    """
    import torch

    factor = weights.to(hidden)[..., None]
    return torch.where(factor == 1, hidden, (hidden - empty) * factor + empty)


def split_for_encoders(
    fragments: Sequence[Fragment],
    encoders: Mapping[str, tuple[Tokenize, Special, Mapping[str, Sized]]],
    backtrack: int = 20,
) -> dict[str, list[Chunk]]:
    """A1111's windows of one prompt for every text encoder, as many for each.

    encoders: name → how it makes token ids, its special tokens, and the vectors of the names that are embeddings.
    """
    chunks: dict[str, list[Chunk]] = {}
    for name, (tokenize, special, vectors) in encoders.items():
        counts = {word: len(own) for word, own in vectors.items()}
        chunks[name] = split_a1111(fragments, tokenize, special, embeddings=counts, backtrack=backtrack)
    longest = max(chunks.values(), key=len)
    return {name: pad_to_longest([own, longest], encoders[name][1])[0] for name, own in chunks.items()}


def weight_encoders(
    hidden: Tensor, encoders: Sequence[Sequence[Chunk]], width: int, emphasis: A1111Emphasis = "original"
) -> Tensor:
    """Conditioning [1, 77 n, D] with every encoder's share of D weighted by itself, window by window.

    encoders: windows of each text encoder, CLIP-L first. width: of the first one's share.
    """
    import torch

    shares = [hidden] if len(encoders) == 1 else [hidden[..., :width], hidden[..., width:]]
    results: list[Tensor] = []
    for chunks, share in zip(encoders, shares, strict=True):
        windows = zip(share.contiguous().split(77, dim=1), chunks, strict=True)
        results.append(torch.cat([weight_a1111(w, torch.tensor([c.weights]), emphasis) for w, c in windows], dim=1))
    return torch.cat(results, dim=-1)


def encode_a1111(
    prompts: Sequence[Sequence[Chunk]],
    encoder: Encoder,
    vectors: Mapping[str, Tensor] | None = None,
    *,
    special: Special = CLIP_L,
    emphasis: A1111Emphasis = "original",
) -> Tensor:
    """Conditioning of a batch of prompts: [B, 77 * windows, D]; shorter prompts get empty windows.

    Window i of all prompts goes through the encoder together, and the mean of "original" is taken over that batch: the
    prompts of one batch change one another slightly, as they do in A1111. The pooled output of SDXL is that of the
    first
    window; the encoder's owner takes it there. Raises BadParameter for an embedding without vectors.
    """
    import torch

    filled = pad_to_longest(prompts, special)
    windows = [list(window) for window in zip(*filled, strict=True)]
    return torch.cat([weight_a1111(_run(w, encoder, vectors or {}), _weights(w), emphasis) for w in windows], dim=1)


def encode_comfyui(
    chunks: Sequence[Chunk],
    encoder: Encoder,
    vectors: Mapping[str, Tensor] | None = None,
    *,
    special: Special = CLIP_L,
) -> Tensor:
    """Conditioning of one prompt: [1, 77 * windows, D]. All windows go through the encoder in one batch, with an
    empty one
    behind them when a weight differs from 1. Raises BadParameter for an embedding without vectors.
    """
    weights = _weights(chunks)
    weighted = bool((weights != 1).any())
    hidden = _run([*chunks, make_empty_chunk(special)] if weighted else chunks, encoder, vectors or {})
    own = weight_comfyui(hidden[:-1], hidden[-1], weights) if weighted else hidden
    return own.reshape(1, -1, own.shape[-1])


def _weights(chunks: Sequence[Chunk]) -> Tensor:
    import torch

    return torch.tensor([chunk.weights for chunk in chunks])


def _run(chunks: Sequence[Chunk], encoder: Encoder, vectors: Mapping[str, Tensor]) -> Tensor:
    import torch

    ids = torch.tensor([chunk.ids for chunk in chunks], dtype=torch.int64)
    return encoder(ids, read_rows(chunks, vectors))


def read_rows(chunks: Sequence[Chunk], vectors: Mapping[str, Tensor]) -> Rows:
    """Vectors of embeddings with their places, window by window. Raises BadParameter for one without vectors."""
    return [[(s.position, _row(vectors, s.name, s.index)) for s in chunk.substitutions] for chunk in chunks]


def _row(vectors: Mapping[str, Tensor], name: str, index: int) -> Tensor:
    if name not in vectors or vectors[name].ndim != 2 or index >= len(vectors[name]):
        raise BadParameter(
            f"no vector {index} was given for the embedding", where=name, fix="pass the tensor [n, D] that was counted"
        )
    return vectors[name][index]
