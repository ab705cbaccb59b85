"""Pivotal tuning: a LoRA is trained around a word that was learnt before, and the word travels in its file.

D. Roich and others 2021, arXiv:2106.05744; for LoRAs, github.com/cloneofsimo/lora.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import torch
from msgspec.structs import replace

from ....adapters.embeddings.load import load_embedding
from ....adapters.modules.architectures import SDXL_PAIR
from ....adapters.modules.parts import TEXT_ENCODER
from ....adapters.reading.bundled_tokens import PREFIX
from ....core.errors import BadParameter
from ....core.tensor_files.safetensors_io import read_header, read_safetensors, write_safetensors
from ..export.description import make_description
from ..loop.folder import CACHE
from ..session import Session
from ..trainable import ParamGroup, TensorRow, Trainable
from .embedding import EmbeddingTraining
from .pivotal_params import make_word_params

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor

    from ....core.operation import Job
    from ...models.model import Model
    from ..networks.network import LowRankNetwork
    from .pivotal_params import PivotalParams

_ALONE = "string_to_param.*"
"""Key of a word's vectors where a model has one text encoder."""


class PivotalTraining(Trainable):
    """A low-rank network, and a word that is read in captions; its vectors are trained on if learn_word is set.

    bundle: whether the LoRA's file holds the word, too.
    """

    kind = "pti"

    def __init__(
        self, network: LowRankNetwork, word: EmbeddingTraining, *, learn_word: bool = False, bundle: bool = True
    ) -> None:
        self.network, self.word, self.learn_word, self.bundle = network, word, learn_word, bundle
        self.parts = network.parts
        for rows in word.rows.values():
            rows.requires_grad_(learn_word)

    def groups(self) -> list[ParamGroup]:
        """Those of the network, and the vectors where they are trained on."""
        return [*self.network.groups(), *(self.word.groups() if self.learn_word else ())]

    def vectors(self) -> Mapping[str, Mapping[str, Tensor]]:
        """The word's."""
        return self.word.vectors()

    def write_caption(self, caption: str, number: int) -> str:
        """As in the first stage."""
        return self.word.write_caption(caption, number)

    def before_pass(self, step: int, index: int) -> None:
        """For the network's dropout."""
        self.network.before_pass(step, index)

    def after_step(self, step: int) -> None:
        """Pull the vectors to their usual length where they are trained on and that is asked for."""
        self.network.after_step(step)
        if self.learn_word:
            self.word.after_step(step)

    def write_preview_files(self, folder: Path) -> None:
        """The word."""
        self.word.write_preview_files(folder)

    @property
    def notes(self) -> tuple[str, ...]:
        """Those of the network."""
        return self.network.notes

    def describe(self) -> list[TensorRow]:
        """Layers that are not trained, and the vectors where they stay."""
        reason = "the word stays as the first stage made it (--continue-inversion trains it on)"
        vectors = [
            TensorRow(name=name, shape=tuple(tensor.shape), moved=False, reason=reason)
            for group in self.word.groups()
            for name, tensor in group.tensors.items()
            if not self.learn_word
        ]
        return [*self.network.describe(), *vectors]

    def save(self, path: Path, metadata: Mapping[str, str]) -> tuple[Path, ...]:
        """Write the LoRA with the word in it, and the word alone as an embedding file beside it."""
        files = self.network.save(path, metadata)
        if self.bundle:
            bundle_word(path, self.word.token, {part: rows.detach().cpu() for part, rows in self.word.rows.items()})
        return (*files, *self.word.save(name_embedding(path, self.word.token), metadata))

    def remove(self) -> None:
        """Take the network off."""
        self.network.remove()


def check_word(word: str, params: PivotalParams, output: Path) -> None:
    """Raise BadParameter for a word with a dot, which ends a word in LoRA files."""
    if params.bundle and params.form == "kohya" and "." in word:
        what = f"{word!r} has a dot, with which words in LoRA files end"
        raise BadParameter(what, where=str(output), fix="give a --token without dots")


def learn_word(data: Path, folder: Path, word: str, params: PivotalParams, job: Job) -> tuple[Path, Path]:
    """The first stage, in a run of its own below the folder of the second's. Gives its folder, and the word's file."""
    output = folder / "word" / f"{word.strip('<>')}.safetensors"
    own = make_word_params(params)
    session = Session("embedding", data, output, own, job)
    describe = make_description(output.stem, own, "textual-inversion", (word,))
    session.train(lambda model: EmbeddingTraining(model, word, own), describe)
    return session.folder.path, output


def load_word(model: Model, word: str, params: PivotalParams, path: Path) -> EmbeddingTraining:
    """The word as the first stage made it. Raises BadWeights."""
    own = EmbeddingTraining(model, word, replace(make_word_params(params), rate=params.word_rate))
    (found,) = load_embedding(path).values()
    with torch.no_grad():
        for part, rows in own.rows.items():
            rows.copy_(found[part])
    return own


def share_cache(source: Path, target: Path) -> None:
    """Let the second stage have the latents of the first, without copying where the disk can."""
    for path in sorted((source / CACHE).rglob("*")):
        copy = target / CACHE / path.relative_to(source / CACHE)
        if path.is_file() and not copy.exists():
            copy.parent.mkdir(parents=True, exist_ok=True)
            try:
                copy.hardlink_to(path)
            except OSError:
                shutil.copyfile(path, copy)


def name_embedding(path: Path, token: str) -> Path:
    """Where the word of a LoRA is written as an embedding file: its own name is the word, which hosts call it by."""
    stem = token.strip("<>")
    folder = path.parent
    return folder / f"{stem}.safetensors" if stem != path.stem else folder / f"{stem}-embedding.safetensors"


def bundle_word(path: Path, token: str, rows: Mapping[str, Tensor]) -> Path:
    """Put a word's vectors (text encoder → [N, D]) into a LoRA file, under the names that A1111 reads."""
    keys = {part: key for key, part in SDXL_PAIR.items()}
    alone = set(rows) == {TEXT_ENCODER}
    own = {f"{PREFIX}{token}.{_ALONE if alone else keys[part]}": value for part, value in rows.items()}
    tensors = {**read_safetensors(path), **{key: value.contiguous() for key, value in own.items()}}
    return write_safetensors(path, tensors, read_header(path).metadata)
