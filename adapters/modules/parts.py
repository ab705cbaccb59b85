"""The parts of base models, and the prefixes of their modules in every naming: one declaration for each part."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

UNET = "unet"
TEXT_ENCODER = "text_encoder"
TEXT_ENCODER_2 = "text_encoder_2"
TEXT_ENCODER_3 = "text_encoder_3"
TRANSFORMER = "transformer"

Naming = Literal["checkpoint", "kohya", "comfy"]


@dataclass(frozen=True)
class Part:
    """A network of a base model.

    id: first word of canonical module names and the part's folder in a diffusers pipeline. model_class: of diffusers or
    transformers, by which PEFT names it. checkpoint, kohya, comfy: prefixes of its modules in single-file checkpoints,
    in kohya's and LyCORIS' files and in ComfyUI's names. export: kohya's prefix in files that we write; export_alone:
    the same where a model has one text encoder only. Of a transformer, diffusers' own prefixes stand here only: under
    those of UNET a file names the denoiser of any model, and which that is the file's architecture tells.
    """

    id: str
    model_class: str
    checkpoint: tuple[str, ...]
    kohya: tuple[str, ...]
    comfy: tuple[str, ...]
    export: str
    export_alone: str

    def prefixes(self, naming: Naming) -> tuple[str, ...]:
        """Prefixes in a naming."""
        return {"checkpoint": self.checkpoint, "kohya": self.kohya, "comfy": self.comfy}[naming]


PARTS: dict[str, Part] = {
    part.id: part
    for part in (
        Part(
            UNET,
            model_class="UNet2DConditionModel",
            checkpoint=("model.diffusion_model.", "diffusion_model.", f"{UNET}."),
            kohya=("lora_unet_", "oft_unet_", "lycoris_unet_", "lycoris_"),
            comfy=("diffusion_model.", "model.diffusion_model."),
            export="lora_unet_",
            export_alone="lora_unet_",
        ),
        Part(
            TEXT_ENCODER,
            model_class="CLIPTextModel",
            checkpoint=(
                "cond_stage_model.transformer.",
                "cond_stage_model.model.",  # SD2's OpenCLIP
                "conditioner.embedders.0.transformer.",
                f"{TEXT_ENCODER}.",
            ),
            kohya=("lora_te1_", "lora_te_", "lycoris_te1_", "lycoris_te_"),
            comfy=(
                "text_encoders.clip_l.transformer.",
                "text_encoders.clip_l.",
                "text_encoders.clip_h.transformer.",
                "text_encoders.clip_h.",
                "clip_l.transformer.",
                "clip_h.transformer.",
                "clip_l.",
                "clip_h.",
            ),
            export="lora_te1_",
            export_alone="lora_te_",
        ),
        Part(
            TEXT_ENCODER_2,
            model_class="CLIPTextModelWithProjection",
            checkpoint=(
                "conditioner.embedders.1.model.",
                "conditioner.embedders.0.model.",  # the refiner's only encoder
                f"{TEXT_ENCODER_2}.",
            ),
            kohya=("lora_te2_", "lycoris_te2_"),
            comfy=("text_encoders.clip_g.transformer.", "text_encoders.clip_g.", "clip_g.transformer.", "clip_g."),
            export="lora_te2_",
            export_alone="lora_te2_",
        ),
        Part(
            TEXT_ENCODER_3,
            model_class="T5EncoderModel",
            checkpoint=(f"{TEXT_ENCODER_3}.",),
            kohya=("lora_te3_", "lycoris_te3_"),
            comfy=("text_encoders.t5xxl.transformer.", "text_encoders.t5xxl.", "t5xxl.transformer.", "t5xxl."),
            export="lora_te3_",
            export_alone="lora_te3_",
        ),
        Part(
            TRANSFORMER,
            model_class="Transformer2DModel",
            checkpoint=(f"{TRANSFORMER}.",),
            kohya=("lora_transformer_",),
            comfy=(),
            export="lora_unet_",
            export_alone="lora_unet_",
        ),
    )
}
"""By id, the network that is denoised with first."""


CONDITIONER = "text_conditioner"
"""Network that diffusers keeps apart and Anima's makers in the transformer, where it has its canonical names."""
_CONDITIONER_START = f"{TRANSFORMER}.llm_adapter."


def split_for_diffusers(module: str) -> tuple[str, str]:
    """The network of diffusers' pipelines that a canonical module belongs to, and its name there.

    >>> split_for_diffusers("transformer.llm_adapter.blocks.0.mlp.0"), split_for_diffusers("unet.conv_in")
    (('text_conditioner', 'blocks.0.mlp.0'), ('unet', 'conv_in'))
    """
    if module.startswith(_CONDITIONER_START):
        return CONDITIONER, module.removeprefix(_CONDITIONER_START)
    part, _, rest = module.partition(".")
    return part, rest


def find_part(module: str) -> str:
    """Part of a canonical module name: "unet.conv_in" → "unet"."""
    return module.partition(".")[0]


def list_prefixes(naming: Naming) -> dict[str, str]:
    """Prefix → part id, the longest prefixes first, so that the first that fits is the right one."""
    pairs = [(prefix, part.id) for part in PARTS.values() for prefix in part.prefixes(naming)]
    return dict(sorted(pairs, key=lambda pair: -len(pair[0])))
