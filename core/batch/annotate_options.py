"""What a run of annotators over files can be told, whatever the annotators: one declaration for every host."""

from __future__ import annotations

from typing import Annotated

from ..images.geometry import FitMode
from ..networks.placement import Backend, DType
from ..params import about, between
from ..tiling.options import Overlap, Tile
from ..video.options import VideoOptions
from .layouts import Layout

TEMPORAL = ("fill_gaps", "smoothing", "smoothing_speed", "depth_alignment", "depth_range", "temporal_median")
GROUPS = {
    "Output": ("values", "json", "sheet", "layout"),
    "Size of the maps": ("resolution", "match_input", "size", "mode", "tile", "overlap"),
    "Masks, for annotators that take one": ("mask", "mask_from"),
    "Clips": ("video", "video_output", "damaged", "frame_rate", *TEMPORAL),
    "How it runs": ("recursive", "all_frames", "device", "dtype", "backend", "batch"),
}
"""Title of a group → its fields, in the order of help pages."""
MASK = (
    "White where to repaint: a picture for all inputs, or a folder with the inputs' names, also with _mask, -mask or "
    ".mask at their end. Default: transparency."
)
LAYOUT = (
    "Names of the maps: photo.canny.png (suffix); canny/photo.png, as kohya's trainers want it (plain); image, "
    "conditioning_image and metadata.jsonl with the captions of .txt files, as diffusers' trainers want it (diffusers)."
)


class AnnotateOptions(VideoOptions, frozen=True):
    """Options that every annotator shares."""

    values: Annotated[bool, about("Also write raw values: .npy, and .values.png with 16 bit.")] = False
    json: Annotated[bool, about("Also write poses (OpenPose) or classes as JSON.")] = False
    sheet: Annotated[bool, about("Also write a labelled contact sheet, sheet.png.")] = False
    layout: Annotated[Layout, about(LAYOUT)] = "suffix"
    resolution: Annotated[
        int, between(0, 10**9, "Length of a map's shorter side in pixels; 0: as the input.", step=8)
    ] = 512
    match_input: Annotated[bool, about("Maps exactly as large as their inputs.")] = False
    size: Annotated[
        str, about("Size of the generation, WIDTHxHEIGHT: maps get the detail it can show and are fitted to it.")
    ] = ""
    mode: Annotated[
        FitMode, about("How --size is met: stretch (A1111's Just Resize), fill and crop, or fit and pad.")
    ] = "crop"
    tile: Tile = 0
    overlap: Overlap = 64
    mask: Annotated[str, about(MASK)] = ""
    mask_from: Annotated[str, about("Take the map of another annotator as the mask.")] = ""
    recursive: Annotated[bool, about("Descend into folders, and keep their structure below DIR.")] = False
    all_frames: Annotated[bool, about("All frames of animations and all pages, not just the first.")] = False
    device: Annotated[str, about("auto, cpu, cuda, cuda:1 or mps.")] = "auto"
    dtype: Annotated[DType, about("dtype of networks.")] = "auto"
    backend: Annotated[Backend, about("Inference backend.")] = "torch"
    batch: Annotated[int, between(1, 10**6, "Neighbouring inputs of one size that go through together.")] = 1
