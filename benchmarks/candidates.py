"""Whole annotators and their peers on the same random weights, an entry each, for benchmarks/whole.py."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from unittest.mock import patch

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from peers import peer_depth, peer_lineart, peer_lines, peer_segmentation, peer_surfaces

from underdrawing.core.networks.cache import unload
from underdrawing.core.weights.store import Store
from underdrawing.preprocessors import registry

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from numpy.typing import NDArray
    from torch import Tensor

    from underdrawing.core.networks.placement import Placement

    Pictures = NDArray[np.uint8]
    Run = Callable[[Pictures], Pictures]
    Peer = Callable[[], tuple[Run, dict[str, Tensor]]]

AUX, TRANSFORMERS = "controlnet-aux, eager float32", "transformers, eager float32"


class Pair(NamedTuple):
    """An annotator and its peer.

    peer: makes the call that turns one picture [H, W, 3] into its map, and the tensors it runs on, under the official
    names. params: of ours, with which both do the same. drawn: maps are lines or flat colours, which in bfloat16 can
    lie a pixel elsewhere. lines: they are lines, and are compared by where they are.
    """

    annotator: str
    label: str
    peer: Peer
    params: dict[str, Any] = {}  # noqa: RUF012 - never written
    drawn: bool = False
    lines: bool = False


def by_aux(make: Callable[[], tuple[Any, dict[str, Tensor]]], **options: Any) -> Peer:
    """Peer that is one of controlnet-aux's detectors, called with these options."""

    def peer() -> tuple[Run, dict[str, Tensor]]:
        detector, tensors = make()
        return lambda image: peer_lineart.called(detector, image, **options), tensors

    return peer


PAIRS = {
    "lineart": Pair("lineart", AUX, by_aux(peer_lineart.lineart)),
    "anime": Pair("lineart_anime", AUX, by_aux(peer_lineart.anime)),
    "teed": Pair("teed", AUX, by_aux(peer_lineart.teed, safe_steps=0), {"safe_steps": 0}),
    "mlsd": Pair("mlsd", AUX, by_aux(peer_lines.mlsd_pair), lines=True),
    "pidinet": Pair("pidinet", AUX, by_aux(peer_lines.pidinet_pair), drawn=True),
    "leres": Pair("depth_leres", AUX, by_aux(peer_surfaces.leres), {"reference_compat": True}),
    "bae": Pair("normal_bae", AUX, by_aux(peer_surfaces.bae)),
    "dav2": Pair("depth_dav2", TRANSFORMERS, peer_depth.depth_anything_maps, {"variant": "original"}),
    "midas": Pair("depth_midas", AUX, by_aux(peer_depth.midas_pair), {"variant": "original"}),
    "segformer": Pair("seg_segformer", "transformers, as documented", peer_segmentation.segformer_maps, drawn=True),
}


@contextmanager
def handed_out(tensors: dict[str, Tensor]) -> Generator[None, None, None]:
    """Let our store give these tensors for every weight it is asked for."""

    def given(self: Store, weight: object) -> tuple[dict[str, Tensor], dict[str, str]]:
        return dict(tensors), {}

    def found(self: Store, weight: object, progress: object = None) -> Path:
        return Path("random")

    with patch.object(Store, "require", found), patch.object(Store, "read_tensors", given):
        unload()
        yield
        unload()


def ours(pair: Pair, placement: Placement) -> Run:
    """Our call for a batch [B, H, W, 3]."""
    annotator = registry.resolve(pair.annotator).annotator
    params = annotator.params(**pair.params)
    made = annotator.create(params, device="cpu", dtype=placement.dtype, backend=placement.backend)
    return lambda images: made(images, resolution=0).images


def theirs(call: Run) -> Run:
    """Their calls for a batch, one picture each."""
    return lambda images: np.stack([call(image) for image in images])
