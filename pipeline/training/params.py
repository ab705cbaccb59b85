"""Parameters that all kinds of training share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from ...core.operation import Inputs, slot
from ...core.params import Params, about, between

Optimiser = Literal["adamw", "adafactor", "prodigy", "adamw8bit"]
Schedule = Literal["constant", "cosine", "linear"]


class DataInputs(Inputs, frozen=True):
    """The training set."""

    data: Annotated[Path, slot("file", "Folder of pictures with captions, or a webdataset shard (.tar)")]


class TrainParams(Params, frozen=True):
    """Model, data, loop and run."""

    checkpoint: Annotated[str, about("Name or file of the model; empty: the small reference model")] = ""
    vae: Annotated[str, about("Name or file of a VAE; empty: that of the model")] = ""
    checkpoint_dir: Annotated[str, about("Folder of checkpoint files", many=True)] = ""
    trigger: Annotated[str, about("Trigger word: caption of pictures that have none, and part of the metadata")] = ""
    resolution: Annotated[
        int, between(0, 4096, "Pictures are scaled to about its square in pixels; 0: model's", step=8)
    ] = 0
    buckets: Annotated[bool, about("Keep aspects by buckets of several sizes; off: crop squares")] = True
    upscale: Annotated[bool, about("Enlarge pictures that are smaller")] = False
    repeats: Annotated[int, between(1, 100_000, "How often each picture counts in an epoch")] = 1
    flip: Annotated[bool, about("Mirror half of the pictures")] = False
    shuffle_tags: Annotated[bool, about("Shuffle what commas separate in captions")] = False
    keep_tags: Annotated[int, between(0, 100, "Tags at the start that are neither shuffled nor dropped")] = 0
    drop_tags: Annotated[float, between(0, 1, "Share of tags that are dropped", step=0.05)] = 0.0
    drop_captions: Annotated[float, between(0, 1, "Share of captions that are replaced by an empty one", step=0.05)] = (
        0.0
    )
    windows: Annotated[int, between(1, 8, "Windows of 75 tokens; what of a caption is longer is cut off")] = 1
    clip_skip: Annotated[int, between(1, 12, "Layer of SD1's text encoder, from the end")] = 1
    masks: Annotated[str, about("Folder of masks, or beside: NAME_mask.png; loss counts where they are white")] = ""
    mask_from: Annotated[str, about("Annotator that makes the masks, such as person_mask")] = ""
    mask_weight: Annotated[float, between(0, 1, "Weight of the loss where masks are black", step=0.05)] = 0.0
    prior: Annotated[str, about("Folder of pictures of the class that is to stay as it is (prior preservation)")] = ""
    prior_prompt: Annotated[str, about("Caption of class pictures that have none, and prompt for new ones")] = ""
    prior_count: Annotated[int, between(0, 10_000, "Generate class pictures until there are so many")] = 0
    prior_weight: Annotated[float, between(0, 10, "Weight of their loss", step=0.1)] = 1.0
    steps: Annotated[int, between(0, 10_000_000, "Steps of the optimiser; 0: by --epochs, 1000 without", step=100)] = 0
    epochs: Annotated[float, between(0, 1_000_000, "Passes over the pictures, in place of steps")] = 0.0
    batch: Annotated[int, between(1, 1024, "Pictures of a pass (batch size)")] = 1
    accumulate: Annotated[int, between(1, 1024, "Passes of a step (gradient accumulation)")] = 1
    rate: Annotated[float, between(0, 100, "Learning rate", step=1e-5)] = 1e-4
    optimiser: Annotated[Optimiser, about("Optimiser; prodigy and adamw8bit need their packages")] = "adamw"
    weight_decay: Annotated[float, between(0, 1, "Weight decay", step=0.001)] = 0.01
    schedule: Annotated[Schedule, about("How the learning rate falls over the steps")] = "constant"
    warm_up: Annotated[int, between(0, 1_000_000, "Steps in which the learning rate rises from 0")] = 0
    max_grad_norm: Annotated[float, between(0, 1000, "Gradients are clipped to this norm; 0: never", step=0.1)] = 1.0
    min_snr: Annotated[float, between(0, 100, "Min-SNR gamma, mostly 5; 0: off", step=0.5)] = 0.0
    noise_offset: Annotated[float, between(0, 1, "Share of noise that is the same for a whole channel", step=0.01)] = (
        0.0
    )
    gradient_checkpointing: Annotated[bool, about("Compute activations twice, to save memory")] = False
    seed: Annotated[int, between(0, 2**63 - 1, "Seed of start values, noise and order")] = 0
    device: Annotated[str, about("auto, cpu, cuda, cuda:1 or mps")] = "auto"
    dtype: Annotated[str, about("Of the frozen weights: auto, float32 or bfloat16; trained ones are float32")] = "auto"
    cache: Annotated[Literal["float32", "float16"], about("Dtype of the latents on the disk")] = "float32"
    state_every: Annotated[int, between(0, 1_000_000, "Save the state of the run after so many steps; 0: by time")] = 0
    state_minutes: Annotated[float, between(0, 10_000, "Save it after so many minutes; 0: never")] = 5.0
    keep: Annotated[int, between(1, 1000, "How many states are kept, the newest")] = 1
    preview_every: Annotated[int, between(0, 1_000_000, "Preview pictures after so many steps; 0: never")] = 0
    preview_prompt: Annotated[str, about("Prompt of a preview; none: the first captions", many=True)] = ""
    tensorboard: Annotated[bool, about("Write events for TensorBoard too, which must be installed")] = False
    restart: Annotated[bool, about("Begin anew where an unfinished or other run is")] = False


SILENT = frozenset(
    {"checkpoint_dir", "device", "state_every", "state_minutes", "keep", "preview_every", "preview_prompt"}
    | {"tensorboard", "restart"}
)
"""Parameters that may change while a run is interrupted: the result does not depend on them."""
