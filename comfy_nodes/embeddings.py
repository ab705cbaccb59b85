"""Textual Inversion nodes: any embedding file made readable for the core, and A1111's way to encode a prompt."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from ..adapters.modules.architectures import ARCHITECTURES, CLIPS
from ..core.errors import BadParameter, UnderdrawingError, UnknownName
from . import host
from .inputs import Input, choice, number, text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from torch import Tensor

    from ..adapters.prompts.chunks import Chunk, Special
    from ..adapters.prompts.emphasis import Fragment
    from ..adapters.prompts.library import Library

    Inputs = dict[str, dict[str, Input]]
    Tokens = dict[str, dict[str, Tensor]]

PICTURES = (".png", ".webp", ".avif")
MODELS = {
    tuple(sorted(encoder.clip for encoder in architecture.encoders.values())): name
    for name, architecture in ARCHITECTURES.items()
}
"""Names of a CLIP's tokenizers → base model."""
_NAMED = re.compile(r"(?<!\w)embedding:\s*(?P<name>[^\s,<\[]+)")


class UnderdrawingEncodeA1111:
    """Encodes a prompt as A1111 does: its emphasis and escapes, BREAK, chunks of 75 tokens, the mean restored.

    Takes embeddings of every kind, called embedding:name or, as in A1111, by their bare names, and tokens that came
    with a LoRA. SD1, SD2 and SDXL. AND and prompts that change over the steps are refused: use nodes for these.
    """

    TITLE = "Encode prompt as A1111 (Underdrawing)"
    DESCRIPTION = " ".join((__doc__ or "").split())
    CATEGORY = "Underdrawing/Embeddings"
    RETURN_TYPES = ("CONDITIONING",)
    FUNCTION = "encode"
    SEARCH_ALIASES = ("clip text encode", "a1111", "webui", "BREAK")

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Text encoders and prompt; emphasis, backtracking and bare names."""
        prompt = text("", "The prompt, as one would write it in A1111", multiline=True)
        prompt[1]["dynamicPrompts"] = True
        bare = "A file's name alone is its embedding, as in A1111; off: only after embedding:"
        return {
            "required": {"clip": ("CLIP", {"tooltip": "Text encoders of SD1, SD2 or SDXL"}), "text": prompt},
            "optional": {
                "emphasis": choice(["original", "no-norm", "ignore"], "A1111's setting of that name"),
                "backtrack": number(20, 0, 74, "How far back a full chunk may end, at a comma; A1111's setting"),
                "bare_names": ("BOOLEAN", {"default": True, "tooltip": bare}),
            },
        }

    def encode(
        self, clip: Any, text: str, emphasis: str = "original", backtrack: int = 20, bare_names: bool = True
    ) -> tuple[Any]:
        """Encode; what the host puts beside a conditioning, such as hooks, stays."""
        tokenizers, architecture = _tokenizers(clip)
        fragments, vectors = _embeddings(_fragments(text), _learned(clip), architecture, bare=bare_names)
        chunks = {name: _chunks(t, fragments, vectors[CLIPS[name]], backtrack) for name, t in tokenizers.items()}
        chunks = _as_many(chunks, tokenizers)
        asked = {name.removeprefix("clip_"): _windows(own, vectors[CLIPS[name]]) for name, own in chunks.items()}
        told = clip.encode_from_tokens_scheduled(asked)
        return ([[_weighted(hidden, chunks, _width(clip, "clip_l"), emphasis), extras] for hidden, extras in told],)


def library(extensions: Sequence[str] = ()) -> Library:
    """What the embeddings folders hold: files with these endings, else of every kind."""
    from ..adapters.prompts.library import EXTENSIONS, Library

    return Library.scan(host.HOOKS.folders("embedding"), extensions=extensions or (*EXTENSIONS, *PICTURES))


def _fragments(text: str) -> list[Fragment]:
    from ..adapters.prompts.prompt import compose, parse_emphasis, schedule

    parts = compose(text)
    if len(parts) > 1 or parts[0][1] != 1:
        fix = "encode the parts with nodes of their own and combine the conditionings"
        raise BadParameter("AND and a weight after the last colon are not read here", where="text", fix=fix)
    changes = schedule(parts[0][0], 100)
    if len(changes) > 1:
        fix = "encode the texts with nodes of their own and set their time steps"
        raise BadParameter("a prompt that changes over the steps is not read here", where="text", fix=fix)
    return parse_emphasis(changes[0][1])


def _embeddings(
    fragments: list[Fragment], learned: Tokens, architecture: str, *, bare: bool
) -> tuple[list[Fragment], dict[str, dict[str, Tensor]]]:
    """Fragments with bare names only; text encoder → name → vectors of what they may mean.

    An embedding that is asked for by `embedding:` must exist and fit; one that only shares its name with a word is left
    out with a line in the log.
    """
    from ..adapters.embeddings.load import fits
    from ..adapters.prompts.library import EXTENSIONS

    held = library(EXTENSIONS)
    asked = {match["name"] for fragment in fragments for match in _NAMED.finditer(fragment.text)}
    bared = [fragment._replace(text=_NAMED.sub(r"\g<name>", fragment.text)) for fragment in fragments]
    whole = "\n".join(fragment.text for fragment in bared).casefold()
    stems = [entry.stem for entry in held.entries] if bare else []
    found: dict[str, dict[str, Tensor]] = {part: {} for part in CLIPS.values()}
    for name in dict.fromkeys([*asked, *(word for word in (*learned, *stems) if word.casefold() in whole)]):
        try:
            encoders = learned[name] if name in learned else _named(name, held)
            if why := fits(encoders, architecture):
                raise BadParameter(f"the embedding {why}", where=name, fix="use one made for this base model")
        except UnderdrawingError as error:
            if name in asked:
                raise
            host.log.warning("underdrawing: a word that is also an embedding's name stays a word: %s", error)
            continue
        for part, vectors in encoders.items():
            found[part][name] = vectors
    return bared, found


def _named(name: str, held: Library) -> dict[str, Tensor]:
    """The one token of a file; pictures are looked at when no other file has the name."""
    from ..adapters.embeddings.load import load_embedding

    try:
        path = held.find(name)
    except UnknownName as error:
        try:
            path = library(PICTURES).find(name)
        except UnknownName:
            raise error from None
    tokens = load_embedding(path)
    if len(tokens) > 1:
        what = f"holds {len(tokens)} tokens, so its name means none of them"
        raise BadParameter(what, where=path.name, fix="make one file of each with the node that saves embeddings")
    return next(iter(tokens.values()))


def _learned(clip: Any) -> Tokens:
    """Tokens that our LoRA nodes left on the CLIP."""
    from .adapting import TOKENS

    return clip.patcher.get_attachment(TOKENS) or {}


def _tokenizers(clip: Any) -> tuple[dict[str, Any], str]:
    """Tokenizers by encoder, and the base model. Raises BadParameter for text encoders that A1111 does not have."""
    found = {name: part for name, part in vars(clip.tokenizer).items() if hasattr(part, "tokenizer")}
    architecture = MODELS.get(tuple(sorted(found)))
    if architecture is None:
        what = f"a CLIP with {', '.join(sorted(found)) or 'no known tokenizer'} is none of SD1, SD2 or SDXL"
        raise BadParameter(what, where="clip", fix="use the text encode node that belongs to this model")
    return found, architecture


def _special(tokenizer: Any) -> Special:
    from ..adapters.prompts.chunks import Special

    end, comma = int(tokenizer.end_token), _ids(tokenizer, ",")
    pad = end if tokenizer.pad_with_end else 0
    return Special(start=int(tokenizer.start_token), end=end, pad=pad, comma=comma[0] if comma else None)


def _ids(tokenizer: Any, text: str) -> list[int]:
    """Ids without start and end."""
    return tokenizer.tokenizer(text)["input_ids"][1:-1]


def _chunks(
    tokenizer: Any, fragments: Sequence[Fragment], vectors: Mapping[str, Tensor], backtrack: int
) -> list[Chunk]:
    from ..adapters.prompts.chunks import a1111_chunks

    counts = {name: len(own) for name, own in vectors.items()}
    words = partial(_ids, tokenizer)
    return a1111_chunks(fragments, words, _special(tokenizer), embeddings=counts, backtrack=backtrack)


def _as_many(chunks: dict[str, list[Chunk]], tokenizers: Mapping[str, Any]) -> dict[str, list[Chunk]]:
    """As many windows for every encoder."""
    from ..adapters.prompts.chunks import equal_length

    most = max(chunks.values(), key=len)
    return {name: equal_length([own, most], _special(tokenizers[name]))[0] for name, own in chunks.items()}


def _windows(chunks: Iterable[Chunk], vectors: Mapping[str, Tensor]) -> list[list[tuple[Any, float]]]:
    """The host's form: windows of (id or vector, weight), the weight 1 because A1111 weighs what comes out."""
    made: list[list[tuple[Any, float]]] = []
    for chunk in chunks:
        row: list[Any] = list(chunk.ids)
        for own in chunk.substitutions:
            row[own.position] = vectors[own.name][own.index]
        made.append([(token, 1.0) for token in row])
    return made


def _width(clip: Any, name: str) -> int:
    """Width of an encoder's output, 0 where it is missing."""
    key = f"{name}.transformer.text_model.embeddings.token_embedding.weight"
    table = clip.patcher.model_state_dict()
    return int(table[key].shape[1]) if key in table else 0


def _weighted(hidden: Tensor, chunks: Mapping[str, Sequence[Chunk]], first: int, emphasis: str) -> Tensor:
    """hidden [1, 77 n, D] with every encoder's share weighted by itself, window by window; CLIP-L stands first."""
    import torch

    from ..adapters.prompts.encoding import A1111Emphasis, weight_a1111

    parts = [hidden] if len(chunks) == 1 else [hidden[..., :first], hidden[..., first:]]
    names = sorted(chunks, key=lambda name: name != "clip_l")
    mode = cast("A1111Emphasis", emphasis)
    done: list[Tensor] = []
    for name, part in zip(names, parts, strict=True):
        windows = zip(part.contiguous().split(77, dim=1), chunks[name], strict=True)
        done.append(torch.cat([weight_a1111(w, torch.tensor([c.weights]), mode) for w, c in windows], dim=1))
    return torch.cat(done, dim=-1)


def nodes() -> dict[str, type]:
    """Class name → node."""
    return {node.__name__: node for node in (UnderdrawingEncodeA1111,)}
