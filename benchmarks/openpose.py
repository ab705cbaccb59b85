"""Speed of OpenPose against controlnet-aux's: decoders on equal maps, networks and whole calls on random weights.

    python benchmarks/openpose.py [--rounds 5] [--sizes 512 1024] [--threads 1] [--tables whole] [--parts]

Maps are those of people who do not exist (support/pose_maps); where a network with random weights is timed, its maps
are thrown away for such. Results are compared first, and the script stops where they differ. --parts also times whole
calls with hands and faces, which take half a minute each. Prints Markdown; run from the repository with tests/ on the
path (PYTHONPATH=.dev:.).
"""

from __future__ import annotations

import argparse
import tracemalloc
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import cv2
import numpy as np
import torch
from hed import placements
from interleave import Timing, interleave, load, processor, set_threads, table
from peers import peer, peer_openpose
from tests.support import pose_maps, random_weights

from underdrawing.core.images.geometry import Size
from underdrawing.core.networks import cache
from underdrawing.core.networks.placement import Placement
from underdrawing.preprocessors.nets.openpose import body, faces, hands, network
from underdrawing.preprocessors.nets.openpose.resampling import plan_input
from underdrawing.preprocessors.pose_openpose import PoseOpenpose
from underdrawing.preprocessors.weights import openpose_files

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Mapping

    from numpy.typing import NDArray

    F32 = NDArray[np.float32]
    Picture = NDArray[np.uint8]
    Candidates = dict[str, Callable[[], object]]

THEIRS = "controlnet-aux"
PARTS = {
    "body": (openpose_files.BODY, network.build_body, (184, 184)),
    "hand": (openpose_files.HAND, network.build_hand, (368, 368)),
    "face": (openpose_files.FACE, network.build_face, (384, 384)),
}

TABLES = ("decoders", "parts", "landmarks", "networks", "whole", "batch")


def picture(height: int, width: int) -> Picture:
    """Noise, RGB."""
    return np.random.RandomState(0).randint(0, 256, (height, width, 3)).astype(np.uint8)


def scene(count: int, side: int) -> tuple[Picture, F32]:
    """Picture of which the shorter side is given, and the maps of the people in it."""
    cells = pose_maps.CELLS[count]
    maps = pose_maps.body_maps(pose_maps.crowd(count), cells)
    return picture(side, side * cells[1] // cells[0]), maps


def part_maps(count: int) -> Callable[[int], F32]:
    """Maps of a hand or face by the number of cells, made once."""
    made = {cells: pose_maps.part_maps(count, cells) for cells in (23, 46, 48, 69, 92)}
    return lambda cells: made[cells]


def same(maps: F32) -> Callable[[int], F32]:
    """These maps, whatever the number of cells."""
    return lambda cells: maps


def unchanged(build: object) -> object:
    """In place of random_weights.lighter: the networks as they are."""
    return build


class Bench:
    """All tables of one number of threads."""

    def __init__(self, threads: int, rounds: int, sizes: Iterable[int]) -> None:
        self.threads, self.rounds, self.sizes = threads, rounds, list(sizes)
        self.peer = find_spec(peer.PACKAGE) is not None
        set_threads(threads)
        cache.unload()
        print(f"\n## {threads} thread{'s' * (threads > 1)}")

    def decoders(self) -> None:
        """Everything but the network: from the picture to the network's input, from its maps to people."""
        for side in self.sizes:
            for count in (1, 4, 20):
                image, maps = scene(count, side)
                plan = plan_input(Size(*image.shape[:2]))
                runs: Candidates = {}
                if self.peer:
                    theirs = peer_openpose.body_on(maps)
                    check_people(theirs, image, body.decode_bodies(maps, plan))
                    runs[THEIRS] = lambda theirs=theirs, image=image: theirs(image)
                runs["ours"] = lambda image=image, maps=maps, plan=plan: (
                    body.prepare_input(image, plan),
                    body.decode_bodies(maps, plan),
                )
                title = f"body without its network, {image.shape[1]} x {image.shape[0]}, people: {count}"
                self.table(title, interleave(runs, self.rounds), memory(runs))

    def parts(self) -> None:
        """Hands and faces without their networks."""
        for name, count, side, find in (
            ("Hand", 22, 128, hands.find_hands),
            ("Hand", 22, 300, hands.find_hands),
            ("Face", 71, 300, faces.find_faces),
        ):
            crop, maps = picture(side, side), part_maps(count)
            runs: Candidates = {}
            if self.peer:
                theirs = peer_openpose.part_on(name, maps)
                runs[THEIRS] = lambda theirs=theirs, crop=crop, name=name: (
                    theirs(crop) if name == "Hand" else theirs.compute_peaks_from_heatmaps(theirs(crop))
                )
                with answering(hands, maps), answering(faces, maps):
                    check_parts(runs[THEIRS](), find([crop], Placement())[0])
            runs["ours"] = lambda find=find, crop=crop: find([crop], Placement())
            with answering(hands, maps), answering(faces, maps):
                self.table(
                    f"one {name.lower()} without its network, crop {side} x {side}", interleave(runs, self.rounds)
                )

    def landmarks(self, side: int = 300) -> None:
        """From maps to the landmarks of a face; the peer's are enlarged already, ours are not."""
        maps = torch.from_numpy(pose_maps.part_maps(71, 48))
        runs: Candidates = {}
        if self.peer:
            theirs = peer_openpose.part_on("Face", part_maps(71))
            large = theirs(picture(side, side))
            runs[THEIRS] = lambda: theirs.compute_peaks_from_heatmaps(large)
            check_parts(runs[THEIRS](), faces.decode_landmarks(maps, side, side))
        runs["ours, enlarging too"] = lambda: faces.decode_landmarks(maps, side, side)
        self.table(f"landmarks of one face from its maps, crop {side} x {side}", interleave(runs, self.rounds))

    def networks(self) -> None:
        """The networks alone on random weights."""
        for name, (weight, build, size) in PARTS.items():
            x = torch.from_numpy(picture(*size)).permute(2, 0, 1)[None].float()
            runs: Candidates = {}
            if self.peer:
                theirs = peer_openpose.filled(name, weights_of(name))
                runs[f"{THEIRS}, eager float32"] = no_grad(theirs, x / 256 - 0.5)
            for way, placement in placements().items():
                net = cache.load_network(weight, build, placement)
                runs[f"ours, {way}"] = lambda net=net, x=x: net(x)
            self.table(f"{name} network, {size[0]} x {size[1]}", interleave(runs, self.rounds))
            cache.unload()

    def whole(self) -> None:
        """Whole calls; the networks run on random weights and their answers are replaced."""
        for side in self.sizes:
            for count in (1, 4):
                self._whole(side, count, with_parts=False)

    def batch(self) -> None:
        """Whole calls for 8 pictures; the peer takes one a call."""
        for side in self.sizes:
            self._whole(side, 4, with_parts=False, pictures=8)

    def with_parts(self) -> None:
        """Whole calls with two hands and a face."""
        self._whole(min(self.sizes), 1, with_parts=True)

    def _whole(self, side: int, count: int, *, with_parts: bool, pictures: int = 1) -> None:
        image, maps = scene(count, side)
        hand, face = part_maps(22), part_maps(71)
        runs: Candidates = {}
        if self.peer:
            theirs = peer_call(image, maps, hand, face, with_parts=with_parts)
            runs[f"{THEIRS}, eager float32"] = lambda: [theirs() for _ in range(pictures)]
        with ExitStack() as stack:
            stack.enter_context(answering(body, same(maps), really=True))
            stack.enter_context(answering(hands, hand, really=True))
            stack.enter_context(answering(faces, face, really=True))
            for way, placement in placements().items():
                params = PoseOpenpose.params(hands=with_parts, face=with_parts, crops="map")
                made = PoseOpenpose(placement, params)
                runs[f"ours, {way}"] = lambda made=made: made(np.stack([image] * pictures), resolution=side)
            what = "body, hands and face" if with_parts else "body"
            rounds = 1 if with_parts or pictures > 1 else self.rounds
            batch = f", {pictures} pictures, one round" if pictures > 1 else ""
            self.table(f"whole annotator, {what}, {side} x {side}, people: {count}{batch}", interleave(runs, rounds))
        cache.unload()

    def table(self, title: str, timings: Mapping[str, Timing], notes: Mapping[str, str] | None = None) -> None:
        """Print figures and ratios to the first row."""
        table(title, timings, self.threads, notes)


def memory(runs: Candidates) -> dict[str, str]:
    """Most memory that Python, numpy and OpenCV's arrays take at once during a run."""
    found: dict[str, str] = {}
    for name, run in runs.items():
        tracemalloc.start()
        run()
        found[name] = f"{tracemalloc.get_traced_memory()[1] / 2**20:.1f} MiB at most"
        tracemalloc.stop()
    return found


def weights_of(name: str) -> dict[str, torch.Tensor]:
    """Random weights under the official keys."""
    with torch.device("meta"):
        table = PARTS[name][1]({}).state_dict()
    return random_weights.tensors({key: tuple(value.shape) for key, value in table.items()})


def no_grad(module: torch.nn.Module, x: torch.Tensor) -> Callable[[], object]:
    """Call of a module as the peers make it."""

    def call() -> object:
        with torch.no_grad():
            return module(x)

    return call


@contextmanager
def answering(module: Any, maps: Callable[[int], F32], *, really: bool = False) -> Generator[None, None, None]:
    """Let the networks of one of our modules answer with these maps; really: run them before."""
    real = module.network

    def replaced(weight: Any, build: Any, placement: Placement) -> Callable[[torch.Tensor], torch.Tensor]:
        net = real(weight, build, placement) if really else None

        def answer(x: torch.Tensor) -> torch.Tensor:
            if net is not None:
                net(x)
            return torch.from_numpy(maps(x.shape[2] // 8))[None].repeat(len(x), 1, 1, 1)

        return answer

    with patch.object(module, "load_network", replaced):
        yield


def peer_call(
    image: Picture, maps: F32, hand: Callable[[int], F32], face: Callable[[int], F32], *, with_parts: bool
) -> Callable[[], object]:
    """Call of the peer's detector whose networks run on random weights, and whose maps are replaced."""
    real = {name: peer_openpose.filled(name, weights_of(name)) for name in (PARTS if with_parts else ["body"])}

    def run(name: str, x: torch.Tensor, answer: Any) -> Any:
        real[name](x)
        return answer

    def part(maps: F32) -> torch.Tensor:
        return torch.from_numpy(maps)[None]

    heat, fields = part(maps[:19].copy()), part(maps[19:].copy())
    networks = {
        "Body": peer_openpose.Maps(lambda x: run("body", x, (fields, heat))),
        "Hand": peer_openpose.Maps(lambda x: run("hand", x, part(hand(x.shape[-1] // 8)))),
        "Face": peer_openpose.Maps(lambda x: run("face", x, [part(face(x.shape[-1] // 8))])),
    }
    made = [peer_openpose.without_weights(name, module) for name, module in networks.items()]
    detector = peer_openpose.module().OpenposeDetector(*made)
    side = min(image.shape[:2])
    # the peer's drawing of hands needs matplotlib; finding them is what takes the time
    if with_parts:
        return lambda: detector.detect_poses(image, include_hand=True, include_face=True)
    return lambda: detector(image, side, side, output_type="np")


def check_people(theirs: Any, image: Picture, ours: list[body.Joints]) -> None:
    """Stop unless both see the same people, joint by joint, to the pixel."""
    found = theirs.format_body_result(*theirs(image))
    expected = [[None if k is None else (int(k.x), int(k.y)) for k in person.keypoints] for person in found]
    people = [[None if joint is None else joint[:2] for joint in person] for person in ours]
    if sorted(map(str, people)) != sorted(map(str, expected)):
        raise SystemExit("the people differ")


def check_parts(theirs: Any, ours: list[Any]) -> None:
    """Stop unless the peer's points, gaps and background left out, are ours."""
    points = [[spot.x, spot.y] for spot in ours if spot is not None]
    if theirs.tolist()[: len(points)] != points:
        raise SystemExit("the points differ")


def main() -> None:
    """Print all tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--sizes", type=int, nargs="+", default=[512, 1024])
    parser.add_argument("--threads", type=int, nargs="+", default=[1])
    parser.add_argument("--parts", action="store_true", help="also whole calls with hands and faces")
    parser.add_argument("--tables", nargs="+", choices=TABLES, default=list(TABLES))
    arguments = parser.parse_args()
    print(
        f"# OpenPose\n\n{processor()}; torch {torch.__version__}, OpenCV {cv2.__version__}; {arguments.rounds} rounds"
    )
    print(load())
    if find_spec(peer.PACKAGE) is None:
        print(f"\n{peer.HINT}")
    with patch.object(random_weights, "lighter", unchanged), ExitStack() as stack:
        stack.enter_context(random_weights.stand_in(Patch(stack)))
        for threads in dict.fromkeys(arguments.threads):
            bench = Bench(threads, arguments.rounds, arguments.sizes)
            for table in arguments.tables:
                getattr(bench, table)()
            if arguments.parts:
                bench.with_parts()


class Patch:
    """What stand_in asks of pytest's MonkeyPatch."""

    def __init__(self, stack: ExitStack) -> None:
        self.stack = stack

    def setattr(self, target: Any, name: str, value: Any) -> None:
        """Replace until the stack is left."""
        self.stack.enter_context(patch.object(target, name, value))


if __name__ == "__main__":
    main()
