"""Pictures that show what the adapters of the reference model do, off and on, with equal noise."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from ..generate import generate_pictures
from ..models.reference_files import ADAPTERS, find_reference
from ..request import Request
from ..runs.setting import Setting
from .scoring.adapters import QuietHost

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy import uint8
    from numpy.typing import NDArray

    Cell = tuple[str, NDArray[uint8]]


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """Pictures of one prompt and seed. cells: label, what is added to the prompt, negative prompt; words: whether
    embeddings are known in it. steps, cfg: 0 for those of the sheet and of the model."""

    prompt: str
    seed: int
    cells: tuple[tuple[str, str, str, bool], ...]
    steps: int = 0
    cfg: float = 0.0


ROWS = (
    Row(
        prompt="a red ball on the left, a blue house on the right, grass, by day",
        seed=5,
        cells=(
            ("a red ball on the left, a blue house on the right", "", "", False),
            ("<lora:storybook:0.5>", " <lora:storybook:0.5>", "", False),
            ("<lora:storybook:1>", " <lora:storybook:1>", "", False),
        ),
    ),
    Row(
        prompt="a snowman on the left, a blue house on the right, grass, by day",
        seed=5,
        cells=(
            ("a snowman on the left, a blue house on the right", "", "", False),
            ("the word snowman", "", "", True),
            ("<lora:snowman:1>", " <lora:snowman:1>", "", False),
        ),
    ),
    Row(
        prompt="a green tree on the left, a snowman in the middle, grass, at sunset",
        seed=7,
        cells=(
            ("a green tree on the left, a snowman in the middle", "", "", False),
            ("<lora:snowman:1>", " <lora:snowman:1>", "", False),
            ("<lora:snowman:1> <lora:storybook:1>", " <lora:snowman:1> <lora:storybook:1>", "", False),
        ),
    ),
    Row(
        prompt="a person in yellow waving in the middle, a shiny red ball on the right, snow, at night",
        seed=9,
        steps=6,
        cfg=7.0,
        cells=(
            ("a person in yellow waving, a shiny red ball; CFG 7, 6 steps", "", "", False),
            ("negative: flawed", "", "flawed", True),
            ("negative: flawed, <lora:storybook:1>", " <lora:storybook:1>", "flawed", True),
        ),
    ),
)


def draw_cells(steps: int) -> Iterator[Cell]:
    """Labels and pictures [128, 128, 3]. Raises WeightsMissing where the model did not come along, MissingExtra."""
    for row in ROWS:
        for label, tags, negative, words in row.cells:
            setting = Setting(
                host=QuietHost(),
                loras=(ADAPTERS / "loras",),
                embeddings=(ADAPTERS / "embeddings",) if words else (),
            )
            request = Request(
                prompt=f"{row.prompt}{tags}",
                negative=negative,
                seed=row.seed,
                steps=row.steps or steps,
                cfg=row.cfg,
                checkpoint=str(find_reference()),
            )
            yield label, next(generate_pictures(request, setting)).pixels
