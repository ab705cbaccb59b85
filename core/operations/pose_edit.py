"""Edit poses."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from ..operation import Inputs, Job, Operation, Report, Spec, slot, target
from ..params import Params, about, between
from ..poses.files import PoseFile
from ._poses import ANIMALS, MODE, PEOPLE, POSES, SIZE, FitMode, Selection

if TYPE_CHECKING:
    from ..poses.model import Pose


class EditInputs(Inputs, frozen=True):
    """Poses of files, or of one batch."""

    poses: Annotated[PoseFile, slot("poses", POSES, repeat="each")]
    output: Annotated[
        Path, target("poses", "File for the changed poses; a folder where several are changed", suffix=".json")
    ]


class EditParams(Params, frozen=True):
    """The changes."""

    people: Annotated[str, about(PEOPLE)] = ""
    body: Annotated[bool, about("Keep bodies")] = True
    hands: Annotated[bool, about("Keep hands")] = True
    face: Annotated[bool, about("Keep faces")] = True
    mirror: Annotated[bool, about("Exchange left and right")] = False
    scale: Annotated[float, between(0.01, 100, "Scale everybody about the middle of the canvas", step=0.01)] = 1.0
    right: Annotated[float, between(-10_000, 10_000, "Move to the right, in widths of the canvas", step=0.01)] = 0.0
    down: Annotated[float, between(-10_000, 10_000, "Move down, in heights of the canvas", step=0.01)] = 0.0
    animals: Annotated[bool, about(ANIMALS)] = True
    drop: Annotated[str, about("Remove keypoints, with commas: right_wrist, face.36, 2:left_hand")] = ""
    limb: Annotated[str, about("Limb lengths: legs=1.2, left_forearm=.9", many=True)] = ""
    move: Annotated[str, about("Move keypoints to X,Y or by +X,-Y pixels: 1:nose=120,80", many=True)] = ""
    size: Annotated[str, about(SIZE)] = ""
    mode: Annotated[FitMode, about(MODE)] = "just"
    confidences: Annotated[bool, about("Keep confidences; A1111 and ComfyUI drop keypoints below 1")] = False


class PoseEdit(Operation[EditInputs, EditParams]):
    """Change poses: choose people and parts, drop and move keypoints, scale limbs, mirror, move, bring to a size.

    In this order: who and what stays, mirror, drop, limb, move, scale, right and down, size. Keypoints: nose, neck,
    right_shoulder, right_elbow, right_wrist, right_hip, right_knee, right_ankle, right_eye, right_ear, the same with
    left_, face.0 to face.69, left_hand.0 to left_hand.20, right_hand.0 and so on, animal.0 to animal.16; 2: in front
    means only the second person's. Limbs: torso, head, shoulders, arms, upper_arms, forearms, legs, thighs, shins,
    hands, face, and left_ or right_ with the singular. Folders and globs are taken too; then OUT is a folder.
    """

    spec = Spec(
        id="pose.edit",
        title="Edit poses",
        names={"comfyui": "UnderdrawingPosesEdit"},
        added=("animals", "drop", "limb", "move", "size", "mode", "confidences"),
    )

    def run(self, inputs: EditInputs, params: EditParams, job: Job) -> Report:
        """Change every pose in the same way. Raises BadParameter."""
        from ..params import items
        from ..poses import edit, names
        from ..poses.model import to_openpose

        selection = Selection.of(params)
        dropped, factors = (
            names.parse_selectors(params.drop),
            dict(map(names.parse_limb, items(params.limb, commas=True))),
        )
        moves = [names.parse_move(text) for text in items(params.move)]

        def change(number: int, pose: Pose) -> Pose:
            free = number in inputs.poses.free
            pose = selection.fit(pose, free=True) if free else pose
            chosen = selection.choose(pose)
            turned = edit.drop_keypoints(edit.mirror(chosen) if params.mirror else chosen, dropped)
            placed = edit.move_keypoints(edit.scale_limbs(turned, factors), moves)
            moved = edit.move_people(placed, scale=params.scale, right=params.right, down=params.down)
            return moved if free else selection.fit(moved)

        poses = tuple(change(number, pose) for number, pose in enumerate(inputs.poses.poses))
        documents = tuple(to_openpose(pose, confidences=params.confidences) for pose in poses)
        return Report(
            data=list(documents), poses=documents, batch=inputs.poses.is_list, notes=selection.list_notes(inputs.poses)
        )
