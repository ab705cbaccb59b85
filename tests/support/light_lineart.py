"""Narrow stand-ins of the heavy line networks, for tests that ask nothing of what they draw."""

from __future__ import annotations

from typing import TYPE_CHECKING

from underdrawing.preprocessors.nets import lineart_anime, manga_line

if TYPE_CHECKING:
    from collections.abc import Mapping


def anime(metadata: Mapping[str, str]) -> lineart_anime.UNet:
    """Build all eight halvings with an eighth of the channels."""
    return lineart_anime.UNet(*(width // 8 for width in lineart_anime.WIDTHS))


def manga(metadata: Mapping[str, str]) -> manga_line.ResSkip:
    """Build all nine blocks with a third of the channels and two units each."""
    encoder = tuple((max(1, source // 3), width // 3, 2) for source, width, _ in manga_line.ENCODER)
    decoder = tuple((source // 3, width // 3, 2) for source, width, _ in manga_line.DECODER)
    return manga_line.ResSkip(encoder, decoder)


BUILDERS = {lineart_anime.build: anime, manga_line.build: manga}
