"""Textual Inversion: vectors in place of a word are trained, everything else stays as it is.

R. Gal and others 2022, arXiv:2208.01618. The vectors are put over those of the word's tokens on their way into the text
encoder, so that its own table is not even touched.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from ....adapters.embeddings.load import save_embedding
from ....adapters.modules.parts import UNET
from ....adapters.prompts.chunks import split_a1111
from ....adapters.prompts.emphasis import Fragment
from ....core.errors import BadParameter
from ...conditioning.encoders import build_encoders
from ..loop.chance import make_generator
from ..trainable import ParamGroup, TensorRow, Trainable
from .start import find_start, read_table
from .templates import write_caption

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor

    from ...conditioning.encoders import Encoder
    from ...models.model import Model
    from .params import EmbeddingParams

CLIP_L_WIDTH, CLIP_L_NORM = 768, 0.4
"""The length that cloneofsimo's training pulls CLIP-L's vectors to."""
PULL = 100.0
"""Factor on the learning rate: the share of the way that vectors are pulled in a step, at most all of it."""
LONGEST = 200
"""Bytes of a word, which is the name of a file, too."""
PROBES = ("{}", "a photo of {}", "{} and b", "{}, b", "a {}.")
"""Prompts in which a word must be found."""
FORBIDDEN = frozenset("()[]{}<>:|,\\/\"'\n\t")
"""Characters that mean something in prompts or in names of files; < and > are allowed around the whole word."""


class EmbeddingTraining(Trainable):
    """Vectors for one word, for each text encoder of a model.

    token: the word.
    """

    kind = "embedding"
    parts = frozenset({UNET})

    def __init__(
        self,
        model: Model,
        token: str,
        params: EmbeddingParams,
    ) -> None:
        """Raises BadParameter for a word that prompts cannot hold, or a start that makes no sense."""
        encoders = build_encoders(model)
        check_token(token, encoders)
        self.token, self.params = token, params
        self._notes = [text] if (text := describe_known(token, encoders[0])) else []
        self.rows: dict[str, nn.Parameter] = {}
        self.norms: dict[str, float] = {}
        for encoder in encoders:
            generator = make_generator(params.seed, "embedding", encoder.part)
            start = find_start(params.init, encoder, params.vectors, generator, self._notes.append)
            device = encoder.network.get_input_embeddings().weight.device
            self.rows[encoder.part] = nn.Parameter(start.to(device))
            self.norms[encoder.part] = find_usual_norm(read_table(encoder))
        for network in (model.unet, model.vae, *model.text_encoders):
            network.requires_grad_(False)

    def groups(self) -> list[ParamGroup]:
        """One for the vectors of all text encoders."""
        tensors = {f"{self.token}.{part}": rows for part, rows in self.rows.items()}
        return [
            ParamGroup(name="vectors", tensors=tensors, rate=self.params.rate, weight_decay=self.params.weight_decay)
        ]

    def vectors(self) -> Mapping[str, Mapping[str, Tensor]]:
        """The word's."""
        return {self.token: self.rows}

    def write_caption(self, caption: str, number: int) -> str:
        """A caption that holds the word. number: chooses among the sentences for pictures without caption."""
        return write_caption(self.token, caption, self.params.template, number)

    def after_step(self, step: int) -> None:
        """Pull the vectors to their usual length, if that is asked for."""
        if self.params.norm_decay:
            for part, rows in self.rows.items():
                pull_norms(rows, self.norms[part], self.params.rate)

    def write_preview_files(self, folder: Path) -> None:
        """The embedding as it is now, under the word's name."""
        save_embedding(folder / f"{self.token}.safetensors", self._list_tokens())

    @property
    def notes(self) -> tuple[str, ...]:
        """Whether the model has the word already, and how the start was made of words."""
        return tuple(dict.fromkeys(self._notes))

    def describe(self) -> list[TensorRow]:
        """The tables of the text encoders, which stay."""
        reason = "only the new word is trained"
        return [TensorRow(name=f"{part}.token_embedding", shape=(), moved=False, reason=reason) for part in self.rows]

    def save(self, path: Path, metadata: Mapping[str, str]) -> tuple[Path, ...]:
        """Write the embedding: `emb_params`, or `clip_l` and `clip_g` for a model with two text encoders."""
        step = metadata.get("ss_steps", "")
        tokens = self._list_tokens()
        return (save_embedding(path, tokens, step=int(step) if step.isdigit() else None, metadata=metadata),)

    def _list_tokens(self) -> dict[str, dict[str, Tensor]]:
        return {self.token: {part: rows.detach().cpu() for part, rows in self.rows.items()}}


def check_output(path: Path) -> None:
    """Raise BadParameter for a name that no embedding is written to."""
    if path.suffix.lower() != ".safetensors":
        what = f"{path.suffix!r} is no ending of trained embeddings"
        raise BadParameter(what, where=str(path), fix="write .safetensors; embedding convert makes pictures of it")


def check_token(token: str, encoders: list[Encoder]) -> None:
    """Raise BadParameter for a word that prompts cannot name."""
    inner = token[1:-1] if token.startswith("<") and token.endswith(">") else token
    if not inner.strip() or inner != inner.strip() or FORBIDDEN & set(inner):
        fix = "use letters, digits, spaces, dots, - and _, such as my-cat; all of it may stand in < >"
        raise BadParameter(f"{token!r} is no word that prompts can hold", where="token", fix=fix)
    if not token.isprintable() or len(token.encode("utf-8", "replace")) > LONGEST:
        what = f"{token[:40]!r} has signs that are not seen, or more than {LONGEST} bytes: no name of a file"
        raise BadParameter(what, where="token", fix="choose a short word of letters and digits")
    lost = [
        text for text in (probe.format(inner) for probe in PROBES) if any(not holds(text, inner, e) for e in encoders)
    ]
    if lost:
        what = f"{token!r} is not found again in {lost[0]!r}: signs beside one another become one token"
        raise BadParameter(what, where="token", fix="let it begin and end with a letter or digit, such as my-cat")


def holds(text: str, word: str, encoder: Encoder) -> bool:
    """Whether a text encoder finds a word in a text by its tokens."""
    chunks = split_a1111([Fragment(text, 1.0)], encoder.tokenize, encoder.special, embeddings={word: 1})
    return any(chunk.substitutions for chunk in chunks)


def describe_known(token: str, encoder: Encoder) -> str:
    """Note on a word whose parts are words of the model; empty for another."""
    parts = token.strip("<>").split()
    ids = [list(encoder.tokenize(part)) for part in parts]
    if any(len(one) != 1 for one in ids):
        return ""
    listed = ", ".join(f"{part} {one[0]}" for part, one in zip(parts, ids, strict=True))
    what = "is a word" if len(parts) == 1 else "is made of words"
    return f"{token!r} {what} that the model has already (token {listed}): its old meaning gives way wherever it stands"


def find_usual_norm(table: Tensor) -> float:
    """Length of a text encoder's vectors: cloneofsimo's for CLIP-L, the median of the table for others."""
    return CLIP_L_NORM if table.shape[1] == CLIP_L_WIDTH else float(table.norm(dim=1).median())


@torch.no_grad()
def pull_norms(rows: Tensor, usual: float, rate: float) -> None:
    """Change the lengths of vectors [N, D] in place, towards the usual one by min(1, 100 * rate) of the way.

    Vectors of length 0 stay. As clip_ti_decay of github.com/cloneofsimo/lora.
    """
    share = min(1.0, PULL * rate)
    norms = rows.norm(dim=-1, keepdim=True)
    wanted = norms + share * (usual - norms)
    rows.copy_(torch.where(norms > 0, rows / norms.clamp(min=1e-12) * wanted, rows))
