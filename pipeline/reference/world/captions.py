"""A scene in words, as the reference model's prompts are written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .spec import PLACES

if TYPE_CHECKING:
    from numpy.random import Generator

    from .spec import SceneSpec, Thing

ENDINGS = {"render": "", "storybook": "storybook", "blueprint": "blueprint"}
"""What a caption says of a style."""


def describe_thing(thing: Thing) -> str:
    """A thing without its place: "a shiny red ball", "a person in blue waving"."""
    if thing.kind == "person":
        return f"a person in {thing.colour} {thing.pose}"
    if thing.kind == "snowman":
        return "a snowman"
    article = "an" if not thing.shiny and thing.colour[0] in "aeiou" else "a"
    return f"{article} {'shiny ' if thing.shiny else ''}{thing.colour} {thing.kind}"


def describe_scene(spec: SceneSpec, *, places: bool = True, style: str = "render") -> str:
    """The caption, things from left to right: "a red ball on the left, a green tree on the right, grass, by day"."""
    things = (describe_thing(thing) + (f" {PLACES[thing.place]}" if places else "") for thing in spec.things)
    parts = [*things, spec.ground, spec.time, "hills" if spec.hills else "", ENDINGS[style]]
    return ", ".join(part for part in parts if part)


def vary_caption(spec: SceneSpec, rng: Generator, *, style: str = "render") -> str:
    """A caption as people write them: mostly whole, sometimes without places, without the ground or without hills."""
    text = describe_scene(spec, places=bool(rng.random() < 0.85), style=style)
    parts = text.split(", ")
    if rng.random() < 0.1:
        parts.remove(spec.ground)
    if rng.random() < 0.1:
        parts.remove(spec.time)
    return ", ".join(parts)
