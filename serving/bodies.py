"""Bodies of requests: what they hold, checked before anything is done."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from .errors import RequestRefused

Values = dict[str, int | float | bool | str]


class Body(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of every body; names that are not declared are refused."""


class AnnotateBody(Body, frozen=True, kw_only=True):
    """One picture for one annotator, several, or "all".

    image, mask: picture files in base64, also as a data URL. params: values by name; with several annotators, such
    values by annotator. resolution: shorter side of the map, 0 for the picture's own size. tile, overlap: of the tiles
    in which a larger map is made; 0: in one piece. values: also what stands behind a map, as 16-bit PNG. save: name for
    the maps in the host's folder of pictures; empty: they are not saved.
    """

    image: str
    annotator: str | list[str]
    params: dict[str, Any] = {}
    resolution: int = 512
    tile: int = 0
    overlap: int = 64
    mask: str | None = None
    values: bool = False
    save: str = ""


class OperateBody(Body, frozen=True, kw_only=True):
    """One run of an operation.

    inputs: by the names of its slots: names of files in the host's folders, ids of weights, texts, poses as JSON,
    LoRAs with strengths. output: name of the new file. consent: to what the operation asks consent for.
    """

    inputs: dict[str, Any] = {}
    params: Values = {}
    output: str = ""
    overwrite: bool = False
    consent: bool = False


class LoraBody(Body, frozen=True, kw_only=True):
    """A LoRA with its strengths. text_encoder: as unet if it is not given."""

    name: str
    unet: float = 1.0
    text_encoder: float | None = None
    blocks: str = ""


class FetchBody(Body, frozen=True, kw_only=True):
    """Weights files to fetch, by id. consent: whether the user agreed to the download and the licences."""

    weights: list[str]
    consent: bool = False
    accept_noncommercial: bool = False


class NoBody(Body, frozen=True, kw_only=True):
    """Nothing."""


class SettingsBody(Body, frozen=True, kw_only=True):
    """Settings to change, by name."""

    values: dict[str, Any]


B = TypeVar("B")


def read_body(body: Any, kind: type[B]) -> B:
    """A body as its struct. Raises RequestRefused, naming the entry at fault."""
    try:
        return msgspec.convert(body, kind)
    except msgspec.ValidationError as error:
        names = [] if not issubclass(kind, msgspec.Struct) else [f.name for f in msgspec.structs.fields(kind)]
        what = str(error).replace("`$.", "`").replace("Object", "the body")
        raise RequestRefused(what, fix=f"it may hold {', '.join(names) or 'nothing'}") from error
