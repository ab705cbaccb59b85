"""What stands in a scene, as numbers: drawn from a seed, before anything is rendered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeVar

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.random import Generator

Kind = Literal["ball", "box", "house", "tree", "person", "mushroom", "snowman"]
Ground = Literal["grass", "sand", "snow"]
Time = Literal["by day", "at sunset", "at night"]
Pose = Literal["standing", "waving", "with arms up", "running"]

KINDS: tuple[Kind, ...] = ("ball", "box", "house", "tree", "person")
GUESTS: tuple[Kind, ...] = ("mushroom", "snowman")
"""Kinds that the reference model was not trained on: adapters learn them."""
GROUNDS: tuple[Ground, ...] = ("grass", "sand", "snow")
TIMES: tuple[Time, ...] = ("by day", "at sunset", "at night")
POSES: tuple[Pose, ...] = ("standing", "waving", "with arms up", "running")
PLACES = ("on the left", "in the middle", "on the right")
COLOURS = ("red", "yellow", "green", "blue", "purple", "white")
TREE_COLOURS = ("green", "orange", "pink")
LIMBS = 7
"""Numbers by which a person's limbs differ from the pose of the book."""
T = TypeVar("T")


class Thing(msgspec.Struct, frozen=True, kw_only=True):
    """One object. place: 0 left to 2 right; aside: offset from there in pixels of 128; depth: metres behind the middle.

    turn: radians about the vertical. shiny: balls and boxes. limbs, leading_hand (-1 right, 1 left) and skin: persons.
    """

    kind: Kind
    place: int
    colour: str
    aside: float = 0.0
    depth: float = 0.0
    size: float = 1.0
    turn: float = 0.0
    shiny: bool = False
    pose: Pose = "standing"
    limbs: tuple[float, ...] = (0.0,) * LIMBS
    leading_hand: int = 1
    skin: int = 0


class SceneSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A whole scene. sun: -1 left to 1 right; ridge: five numbers of the hills' outline; pan: radians of the camera."""

    things: tuple[Thing, ...]
    ground: Ground = "grass"
    time: Time = "by day"
    hills: bool = False
    sun: float = 0.4
    ridge: tuple[float, ...] = (0.5,) * 5
    pan: float = 0.0


def sample_spec(rng: Generator) -> SceneSpec:
    """Draw a scene: one to three things, each in a place of its own."""
    count = 1 + int(rng.choice(3, p=(0.3, 0.45, 0.25)))
    places = sorted(int(place) for place in rng.choice(3, count, replace=False))
    return SceneSpec(
        things=tuple(_sample_thing(rng, place) for place in places),
        ground=_choose(rng, GROUNDS),
        time=TIMES[int(rng.choice(3, p=(0.42, 0.29, 0.29)))],
        hills=bool(rng.random() < 0.45),
        sun=float(rng.uniform(-1, 1)),
        ridge=tuple(float(x) for x in rng.uniform(0, 1, 5)),
        pan=float(rng.uniform(-0.02, 0.02)),
    )


def mirror_spec(spec: SceneSpec) -> SceneSpec:
    """The scene as its mirrored picture shows it, as far as captions tell."""
    things = (msgspec.structs.replace(thing, place=2 - thing.place) for thing in reversed(spec.things))
    return msgspec.structs.replace(spec, things=tuple(things))


def invite_guest(spec: SceneSpec, kind: Kind) -> SceneSpec:
    """The scene with a guest in the place of one of its things, which one and in what colour follows from the scene."""
    number = int(abs(spec.sun) * 1000)
    index = number % len(spec.things)
    guest = msgspec.structs.replace(
        spec.things[index], kind=kind, colour=COLOURS[number // 7 % len(COLOURS)], shiny=False, pose="standing"
    )
    return msgspec.structs.replace(spec, things=(*spec.things[:index], guest, *spec.things[index + 1 :]))


def _choose(rng: Generator, options: Sequence[T]) -> T:
    return options[int(rng.integers(len(options)))]


def _sample_thing(rng: Generator, place: int) -> Thing:
    kind = KINDS[int(rng.choice(5, p=(0.2, 0.18, 0.2, 0.17, 0.25)))]
    person = kind == "person"
    return Thing(
        kind=kind,
        place=place,
        colour=_choose(rng, TREE_COLOURS if kind == "tree" else COLOURS),
        aside=float(rng.uniform(-4, 4)),
        depth=float(rng.uniform(-0.8, 1.2)),
        size=float(rng.uniform(0.9, 1.12)),
        turn=float(rng.uniform(-0.75, 0.75)) * (0.6 if person else 1.0),
        shiny=kind in ("ball", "box") and bool(rng.random() < 0.35),
        pose=_choose(rng, POSES),
        limbs=tuple(float(x) for x in rng.uniform(-0.18, 0.18, LIMBS)),
        leading_hand=int(rng.choice((-1, 1))),
        skin=int(rng.integers(3)),
    )
