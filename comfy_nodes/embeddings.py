"""Textual Inversion nodes: any embedding file made readable for the core, and A1111's way to encode a prompt."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, cast

from ..adapters.modules.architectures import CLIPS, UNET_MODELS
from ..core.errors import BadParameter
from . import host
from .changes import files_state
from .inputs import Input, choice, number, text

if TYPE_CHECKING:
    from torch import Tensor

    from ..adapters.prompts.chunks import Special
    from ..adapters.prompts.encoding import A1111Emphasis
    from ..adapters.prompts.library import Library

    Inputs = dict[str, dict[str, Input]]
    Tokens = dict[str, dict[str, Tensor]]

MODELS = {
    tuple(sorted(encoder.clip for encoder in architecture.encoders.values())): name
    for name, architecture in UNET_MODELS.items()
}
"""Names of a CLIP's tokenizers → base model."""


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

    @classmethod
    def IS_CHANGED(cls, text: str | None = None, **_: Any) -> str | float:
        """Change with the embeddings that the prompt may name."""
        return files_state(lambda: embedding_library().list_named(text))

    def encode(
        self, clip: Any, text: str, emphasis: str = "original", backtrack: int = 20, bare_names: bool = True
    ) -> tuple[Any]:
        """Encode; what the host puts beside a conditioning, such as hooks, stays."""
        from ..adapters.prompts.chunks import join_vectors
        from ..adapters.prompts.encoding import split_for_encoders, weight_encoders
        from ..adapters.prompts.prompt_embeddings import EmbeddingFolder, plain_fragments

        tokenizers, architecture = _tokenizers(clip)
        held = EmbeddingFolder(host.HOOKS.folders("embedding"), _lora_tokens(clip))
        fragments, vectors, notes = held.resolve(plain_fragments(text), architecture, bare=bare_names)
        for note in notes:
            host.HOOKS.note(f"underdrawing: {note}")
        encoders = {name: (partial(_ids, t), _special(t), vectors[CLIPS[name]]) for name, t in tokenizers.items()}
        chunks = split_for_encoders(fragments, encoders, backtrack)
        windows = {name.removeprefix("clip_"): join_vectors(own, vectors[CLIPS[name]]) for name, own in chunks.items()}
        results = clip.encode_from_tokens_scheduled(windows)
        width, mode = _width(clip, "clip_l"), cast("A1111Emphasis", emphasis)
        rows = [chunks[name] for name in sorted(chunks, key=lambda name: name != "clip_l")]
        return ([[weight_encoders(hidden, rows, width, mode), extras] for hidden, extras in results],)


def embedding_library() -> Library:
    """Files of every kind in the embeddings folders."""
    from ..adapters.prompts.prompt_embeddings import scan_embeddings

    return scan_embeddings(host.HOOKS.folders("embedding"))


def _lora_tokens(clip: Any) -> Tokens:
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


def _width(clip: Any, name: str) -> int:
    """Width of an encoder's output, 0 where it is missing."""
    key = f"{name}.transformer.text_model.embeddings.token_embedding.weight"
    table = clip.patcher.model_state_dict()
    return int(table[key].shape[1]) if key in table else 0


def nodes() -> dict[str, type]:
    """Class name → node."""
    return {node.__name__: node for node in (UnderdrawingEncodeA1111,)}
