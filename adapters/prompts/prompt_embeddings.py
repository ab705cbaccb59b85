"""Embeddings that a prompt names, for hosts that encode it: files in folders, or tokens that came with a LoRA."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from ...core.errors import BadParameter, UnderdrawingError, UnknownName
from ..modules.architectures import CLIPS
from .library import EXTENSIONS, Library

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from torch import Tensor

    from .emphasis import Fragment

    Encoders = dict[str, Tensor]
    Tokens = dict[str, Encoders]

PICTURES = (".png", ".webp", ".avif")
_NAMED = re.compile(r"(?<!\w)embedding:\s*(?P<name>[^\s,<\[]+)")


class PromptEmbeddings(NamedTuple):
    """fragments: with bare names only. vectors: text encoder → name → vectors of what may be meant. notes: left out."""

    fragments: list[Fragment]
    vectors: dict[str, Encoders]
    notes: list[str]


def plain_fragments(text: str) -> list[Fragment]:
    """Weighted texts of a prompt that is one text for all steps. Raises BadParameter for AND and for schedules."""
    from .prompt import list_texts, parse_emphasis, split_subprompts

    parts = split_subprompts(text)
    if len(parts) > 1 or parts[0][1] != 1:
        fix = "encode the parts with nodes of their own and combine the conditionings"
        raise BadParameter("AND and a weight after the last colon are not read here", where="text", fix=fix)
    changes = list_texts(parts[0][0], 100)
    if len(changes) > 1:
        fix = "encode the texts with nodes of their own and set their time steps"
        raise BadParameter("a prompt that changes over the steps is not read here", where="text", fix=fix)
    return parse_emphasis(changes[0][1])


def scan_embeddings(folders: Sequence[Path]) -> Library:
    """Embedding files of every kind, pictures too."""
    return Library.scan(folders, extensions=(*EXTENSIONS, *PICTURES))


class EmbeddingFolder:
    """What names in a prompt can mean. learned: tokens that came with LoRA files. hint: the next step where there are
    no folders."""

    def __init__(
        self,
        folders: Sequence[Path],
        learned: Tokens,
        hint: str = "name the folder of your embeddings",
        spare: Sequence[Path] = (),
    ) -> None:
        """spare: folders whose files count where the others hold none of that name."""
        self._folders, self._learned, self._hint = folders, learned, hint
        self._held = Library.scan(folders, extensions=EXTENSIONS, spare=spare)

    def resolve(self, fragments: list[Fragment], model: str | Mapping[str, int], *, bare: bool) -> PromptEmbeddings:
        """Vectors of the names in the fragments. bare: whether a file's name alone means its embedding, as in A1111.

        model: an id of ARCHITECTURES, or text encoder → width of a model that is none of these.

        An embedding that is asked for by `embedding:` must exist and fit; one that only shares its name with a word is
        left out with a note. Raises BadParameter, UnknownName, BadWeights.
        """
        called = {match["name"] for fragment in fragments for match in _NAMED.finditer(fragment.text)}
        plain = [fragment._replace(text=_NAMED.sub(r"\g<name>", fragment.text)) for fragment in fragments]
        whole = "\n".join(fragment.text for fragment in plain).casefold()
        stems = [entry.stem for entry in self._held.entries] if bare else []
        words = [word for word in (*self._learned, *stems) if word.casefold() in whole]
        result = PromptEmbeddings(plain, {part: {} for part in CLIPS.values()}, [])
        for name in dict.fromkeys([*called, *words]):
            try:
                encoders = self._learned[name] if name in self._learned else self._load(name)
                if why := _explain_misfit(encoders, model):
                    raise BadParameter(f"the embedding {why}", where=name, fix="use one made for this base model")
            except UnderdrawingError as error:
                if name in called:
                    raise
                result.notes.append(f"a word that is also an embedding's name stays a word: {error}")
                continue
            for part, vectors in encoders.items():
                result.vectors[part][name] = vectors
        return result

    def find_file(self, name: str) -> Path | None:
        """File of an embedding that was found; None for a token that came with a LoRA."""
        return None if name in self._learned else self._find_path(name)

    def _find_path(self, name: str) -> Path:
        try:
            return self._held.find(name)
        except UnknownName as error:
            try:
                return Library.scan(self._folders, extensions=PICTURES).find(name)
            except UnknownName:
                fix = error.fix if self._folders else self._hint
                raise UnknownName(f"no embedding is called {name!r}", where="embedding", fix=fix) from None

    def _load(self, name: str) -> Encoders:
        """The one token of a file; pictures are looked at when no other file has the name."""
        from ..embeddings.load import load_embedding

        path = self._find_path(name)
        tokens = load_embedding(path)
        if len(tokens) > 1:
            what = f"holds {len(tokens)} tokens, so its name means none of them"
            raise BadParameter(what, where=path.name, fix="convert it into one file for each token")
        return next(iter(tokens.values()))


def _explain_misfit(encoders: Encoders, model: str | Mapping[str, int]) -> str | None:
    from ..embeddings.load import explain_misfit, explain_width_misfit

    if isinstance(model, str):
        return explain_misfit(encoders, model)
    return explain_width_misfit(encoders, model, "this model")
