"""Nodes of the other pack that take POSE_KEYPOINT."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from underdrawing.comfy_nodes import aux_compat, aux_poses
from underdrawing.core.poses.drawing import draw_pose
from underdrawing.core.poses.reading import from_openpose

if TYPE_CHECKING:
    from torch import Tensor


def document(people: int = 1, animals: int = 0) -> dict[str, Any]:
    body = [n for i in range(18) for n in (10.0 + 5 * i, 8.0 + 4 * i, 1.0)]
    face = [n for i in range(70) for n in (20.0 + i, 30.0 + (i * 7) % 40, 1.0)]
    animal = [n for i in range(17) for n in (90.0 - 4 * i, 10.0 + 3 * i, 1.0)]
    who = {"people": [{"pose_keypoints_2d": body, "face_keypoints_2d": face}] * people}
    return {**who, "animals": [animal] * animals, "canvas_width": 120, "canvas_height": 96}


def pixels(image: Tensor) -> Any:
    return np.rint(image.numpy() * 255).astype(np.uint8)


def test_people_and_animals_have_a_node_each() -> None:
    both = document(1, 1)
    pose = from_openpose(both)
    (people,) = aux_compat.RenderPosesByPeer().draw([both], render_body=True, render_hand=True, render_face=True)
    (animals,) = aux_poses.RenderAnimals().render([both])
    assert np.array_equal(pixels(people)[0], draw_pose(pose, animals=False))
    assert np.array_equal(pixels(animals)[0], draw_pose(pose, body=False, hands=False, face=False))
    assert pixels(animals).any()
    assert not np.array_equal(pixels(people), pixels(animals))


def test_nested_animals_of_the_other_pack_are_drawn() -> None:
    flat = document(0, 1)["animals"][0]
    nested = [flat[i : i + 3] for i in range(0, len(flat), 3)]
    other = {"version": "ap10k", "animals": [nested], "canvas_width": 120, "canvas_height": 96}
    found, wanted = (aux_poses.RenderAnimals().render(kps)[0] for kps in ([other], document(0, 1)))
    assert torch.equal(found, wanted)


def test_a_batch_gives_a_map_for_each() -> None:
    assert aux_poses.RenderAnimals().render([document(0, 1), document(0, 0)])[0].shape == (2, 96, 120, 3)


def test_faces_are_coloured() -> None:
    node = aux_poses.ColourFaceParts()
    given = node.INPUT_TYPES()["required"]
    colours = {name: options["default"] for name, (kind, options) in given.items() if kind == "STRING"}
    (image,) = node.colorize([document(), document(0)], "polygon", **colours)
    assert image.shape == (2, 96, 120, 3)
    assert float(image[0].max()) > 0
    assert float(image[1].max()) == 0
    with pytest.raises(Exception, match="is not a colour"):
        node.colorize([document()], "point", **(colours | {"nose": "no"}))


def test_bodies_are_followed() -> None:
    node = aux_poses.FollowBodies()
    given = node.INPUT_TYPES()["required"]
    sizes = {name: options["default"] for name, (_, options) in given.items() if name.endswith("_width_height")}
    tracking, prompt = node.convert([document(2), document()], "", **sizes)
    assert set(tracking) == {"Head", "Neck", "Torso", "RArm", "RForearm", "LArm", "LForearm"}
    assert set(tracking["Head"]) == {0, 1}
    assert len(tracking["Head"][0]) == 2
    assert prompt.startswith('"0.Head": "(head)",\n')


def test_they_are_offered_under_their_names() -> None:
    assert set(aux_poses.drop_ins()) == {
        "RenderAnimalKps",
        "FacialPartColoringFromPoseKps",
        "UpperBodyTrackingFromPoseKps",
    }
    assert {"RenderPeopleKps", "SavePoseKpsAsJsonFile"} <= set(aux_compat.drop_ins())
    assert aux_poses.nodes() == {}
