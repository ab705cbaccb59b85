"""Find a module's weight and bias in a state dict of any layout, including fused q, k, v."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from .ldm_layout import derive_names
from .parts import UNET, list_prefixes
from .spellings import find_custom_name, find_names
from .wrappers import strip_wrappers

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from torch import Tensor

Parameter = Literal["weight", "bias"]

_PREFIXES = list_prefixes("checkpoint")
FUSED: dict[str, Parameter] = {"attn.in_proj_weight": "weight", "attn.in_proj_bias": "bias"}
PROJECTIONS = ("q_proj", "k_proj", "v_proj")


class Piece(NamedTuple):
    """Rows that a module has in a stored tensor: their first there, their first in the module, and how many."""

    stored: int
    own: int
    length: int


class Slot(NamedTuple):
    """A tensor of a state dict or part of it. third: which third of the rows (fused q, k, v), or None for all.

    transposed: stored as [in, out] (OpenCLIP's text_projection). rows: first row and number of rows of the module in a
    weight of several, or None for all. swapped: the two halves of the module's rows are stored in the other order.
    """

    key: str
    third: int | None = None
    transposed: bool = False
    rows: tuple[int, int] | None = None
    swapped: bool = False

    @property
    def is_whole(self) -> bool:
        """Whether the stored tensor is the module's and nothing else's, as it is."""
        return self.third is None and not self.transposed and self.rows is None and not self.swapped

    def list_pieces(self, rows: int) -> tuple[Piece, ...]:
        """Where the module's rows stand in a stored tensor of that many; not for transposed ones."""
        begin, length = 0, rows
        if self.third is not None:
            begin, length = self.third * (rows // 3), rows // 3
        elif self.rows is not None:
            begin, length = self.rows
        if not self.swapped:
            return (Piece(begin, 0, length),)
        half = length // 2
        return (Piece(begin, half, length - half), Piece(begin + length - half, 0, half))

    def view(self, tensor: Tensor) -> Tensor:
        """The part of the stored tensor that is the module's, in the module's own orientation and order.

        A view that may be written to, but for swapped halves, which are copied.
        """
        if self.transposed:
            return tensor.T
        pieces = self.list_pieces(tensor.shape[0])
        begin, length = min(piece.stored for piece in pieces), sum(piece.length for piece in pieces)
        found = tensor[begin : begin + length]
        return found.roll(length // 2, 0) if self.swapped else found


def find_slots(keys: Iterable[str], part: str | None = None) -> dict[tuple[str, Parameter], Slot]:
    """(canonical module name, "weight" or "bias") → slot, for every key of a known module.

    part: the state dict is that part's own ("unet", ...); None: a checkpoint with prefixes. What compilers,
    parallel training and PEFT's layers put into names ("_orig_mod.", "module.", ".base_layer") is left out.
    """
    found: dict[tuple[str, Parameter], Slot] = {}
    split = list(_split(keys, part))
    derived = derive_names({rest.rpartition(".")[0] for _, owner, rest in split if owner == UNET})
    tables = {owner: find_names(owner) for owner in {owner for _, owner, _ in split}}
    if derived:
        tables[UNET] = {**tables[UNET], **derived}
    for key, owner, rest in split:
        for target, slot in _read(tables[owner], owner, rest, key, own=part is not None):
            found.setdefault(target, slot)
    return found


def _split(keys: Iterable[str], part: str | None) -> Iterator[tuple[str, str, str]]:
    """Key, its part, and its name inside the part; keys of no part are left out."""
    for key in keys:
        plain = strip_wrappers(key)
        owner, rest = (part, plain) if part else _owner(plain)
        if owner:
            yield key, owner, rest


def _owner(key: str) -> tuple[str | None, str]:
    for prefix, part in _PREFIXES.items():
        if key.startswith(prefix):
            return part, key.removeprefix(prefix)
    return None, key


def _read(
    names: Mapping[str, str], part: str, rest: str, key: str, *, own: bool
) -> list[tuple[tuple[str, Parameter], Slot]]:
    for ending, parameter in FUSED.items():
        if rest.endswith(f".{ending}"):
            layer = rest.removeprefix("transformer.resblocks.").partition(".")[0]
            thirds = [f"{part}.encoder.layers.{layer}.self_attn.{projection}" for projection in PROJECTIONS]
            return [((name, parameter), Slot(key, third)) for third, name in enumerate(thirds)]
    module, _, parameter = rest.rpartition(".")
    if parameter in ("weight", "bias") and module in names:
        return [((f"{part}.{names[module]}", parameter), Slot(key))]
    if rest == "text_projection":
        return [((f"{part}.text_projection", "weight"), Slot(key, transposed=True))]
    if rest in names and names[rest].startswith("embeddings."):
        return [((f"{part}.{names[rest]}", "weight"), Slot(key))]
    if parameter in ("weight", "bias") and (custom := find_custom_name(part, module)) is not None:
        return [((f"{part}.{custom}", parameter), Slot(key))]
    if parameter in ("weight", "bias") and own:  # a part of its own with modules the official models lack
        return [((f"{part}.{module.removeprefix('text_model.')}", parameter), Slot(key))]
    return []
