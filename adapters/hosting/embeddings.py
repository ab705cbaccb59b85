"""Embedding files of any layout as every host of A1111's family reads them."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...core.errors import BadWeights, UnderdrawingError
from ..embeddings.load import load_embedding
from ..modules.architectures import SDXL_PAIR

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torch import Tensor


log = logging.getLogger("underdrawing")


def load_refused(
    original: Callable[..., None],
    database: Any,
    path: str,
    filename: str,
    *,
    add: Callable[[dict[str, Tensor], str], None],
) -> None:
    """The host's reading of an embedding file into its database, and ours of what it refuses or skips.

    original: the host's. add: puts the content of a file with one embedding into the database, under a name.
    """
    stem, failed = Path(filename).stem, False
    try:
        original(database, path, filename)
        if stem not in database.skipped_embeddings:
            return
    except Exception as error:  # noqa: BLE001 - whatever the host cannot read is read by us, or told
        log.debug("%s is not read by the host: %s", path, error)
        failed = True
    try:
        for name, content in make_host_embeddings(path, database.expected_shape).items():
            add(content, name)
        database.skipped_embeddings.pop(stem, None)
    except UnderdrawingError as error:
        if failed:
            log.warning("%s", error)


def make_host_embeddings(path: str | Path, width: int) -> dict[str, dict[str, Tensor]]:
    """Name in prompts → content of a file with one embedding: one tensor [n, d], or `clip_l` and `clip_g`.

    A file of one token is called by its own name, as hosts do; several have the names of their tokens.
    width: of the loaded model's text encoder, of both together where it has two; -1: not known.
    Raises BadWeights where nothing fits, and as `load_embedding`.
    """
    file = Path(path)
    tokens = load_embedding(file)
    named = {file.stem if len(tokens) == 1 else token: encoders for token, encoders in tokens.items()}
    found = {name: _choose_vectors(encoders, width) for name, encoders in named.items()}
    fitting = {name: content for name, content in found.items() if content}
    if not fitting:
        widths = sorted({rows.shape[1] for encoders in tokens.values() for rows in encoders.values()})
        what = f"its vectors are {', '.join(map(str, widths))} wide, those of the loaded model are {width} wide"
        raise BadWeights(what, where=str(file), fix="use it with the base model it was trained for")
    return fitting


def _choose_vectors(encoders: Mapping[str, Tensor], width: int) -> dict[str, Tensor]:
    if len(encoders) > 1 and (width < 0 or sum(rows.shape[1] for rows in encoders.values()) == width):
        return {key: encoders[part] for key, part in SDXL_PAIR.items()}
    fitting = [rows for rows in encoders.values() if width in (-1, rows.shape[1])]
    return {"emb_params": fitting[0]} if fitting else {}
