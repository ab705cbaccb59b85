from __future__ import annotations

from underdrawing.pipeline.reference.scoring.attributes import ALL_COLOURS, PLACED, WHOLE, encode_specs
from underdrawing.pipeline.reference.world.spec import SceneSpec, Thing


def test_places_and_scene_are_encoded() -> None:
    things = (
        Thing(kind="ball", place=0, colour="red", shiny=True),
        Thing(kind="person", place=2, colour="white", pose="running"),
    )
    answers = encode_specs([SceneSpec(things=things, ground="snow", time="at night", hills=True)])
    assert {name: answers[name].tolist() for name in (*PLACED, *WHOLE)} == {
        "kind": [[1, 0, 5]],
        "colour": [[ALL_COLOURS.index("red"), -1, ALL_COLOURS.index("white")]],
        "shiny": [[1, -1, -1]],
        "pose": [[-1, -1, 3]],
        "ground": [2],
        "time": [2],
        "hills": [1],
    }
