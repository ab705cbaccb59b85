"""Names that users of other packs know and that nothing here answers to: why, and what to use in their place.

One table for every surface: the registry, the command line, the nodes and the reference read it.
"""

from __future__ import annotations

from ..core.registry import MissingName

_EMBEDDING = "it makes an embedding for a model, not a picture to look at"
_ADAPTER = "the loader nodes or the extension of the host you use"
_INSIDE = "it works inside the sampler and makes no map"
_RESEARCH = "its weights are for research only, and a better licensed network does the same"
_NODE = "it is a tool and not an annotator"


def _a1111(reason: str, use: str, *names: str) -> tuple[MissingName, ...]:
    return tuple(MissingName(name, "a1111", reason, use) for name in names)


def _comfyui(reason: str, use: str, *names: str) -> tuple[MissingName, ...]:
    return tuple(MissingName(name, "comfyui", reason, use) for name in names)


ABSENT = (
    *_a1111("it hands the picture on as it is", "the picture itself", "none", "None"),
    *_a1111("no hand mesh is fitted here", "depth_anything_v2", "depth_hand_refiner"),
    *_a1111("a diffusion model is too large for an annotator", "depth_anything_v2", "depth_marigold"),
    *_a1111(_RESEARCH, "normal_bae", "normal_dsine"),
    *_a1111(
        "its network cannot be read without running code of its file",
        "openpose_full for people, or seg_ofcoco for their outlines",
        "densepose",
        "densepose (pruple bg & purple torso)",
        "densepose_parula",
        "densepose_parula (black bg & blue torso)",
    ),
    *_a1111("no network for drawn faces is offered", "seg_ofade20k", "anime_face_segment", "seg_anime_face"),
    *_a1111("pieces without names are no map that a ControlNet of ours reads", "seg_ofade20k", "mobile_sam"),
    *_a1111("no network that fills in is offered", "inpaint_only, and let the model fill", "inpaint_only+lama"),
    *_a1111(_INSIDE, "the host's own option", "reference_only", "reference_adain", "reference_adain+attn"),
    *_a1111(
        _EMBEDDING,
        _ADAPTER,
        "revision_clipvision",
        "revision_ignore_prompt",
        "clip_vision",
        "t2ia_style_clipvision",
        "instant_id_face_embedding",
        "ip-adapter-auto",
        "ip-adapter_face_id",
        "ip-adapter_face_id_plus",
        "pulid",
        "ip-adapter_clip_sd15",
        "ip-adapter_clip_h",
        "ip-adapter_clip_sdxl",
        "ip-adapter_clip_g",
        "ip-adapter_clip_sdxl_plus_vith",
    ),
    *_a1111("its face network is for research only", "mediapipe_face", "instant_id_face_keypoints"),
    *_comfyui("a diffusion model is too large for an annotator", "softedge_teed", "DiffusionEdge_Preprocessor"),
    *_comfyui(_RESEARCH, "normal_bae", "DSINE-NormalMapPreprocessor"),
    *_comfyui("metres need the camera's focal length", "depth_anything_v2", "Metric3D-DepthMapPreprocessor"),
    *_comfyui("metres need the camera's focal length", "normal_bae", "Metric3D-NormalMapPreprocessor"),
    *_comfyui(
        "no hand mesh is fitted here",
        "depth_anything_v2",
        "MeshGraphormer-DepthMapPreprocessor",
        "MeshGraphormer+ImpactDetector-DepthMapPreprocessor",
    ),
    *_comfyui(
        "its network cannot be read without running code of its file",
        "openpose_full for people, or seg_ofcoco for their outlines",
        "DensePosePreprocessor",
    ),
    *_comfyui("no network for drawn faces is offered", "seg_ofade20k", "AnimeFace_SemSegPreprocessor"),
    *_comfyui("pieces without names are no map that a ControlNet of ours reads", "seg_ofade20k", "SAMPreprocessor"),
    *_comfyui("no optical flow is offered", "a map of every frame", "Unimatch_OptFlowPreprocessor", "MaskOptFlow"),
    *_comfyui(
        _NODE,
        "the ComfyUI node of that name, or `underdrawing pose render`",
        "SavePoseKpsAsJsonFile",
        "RenderPeopleKps",
        "RenderAnimalKps",
        "FacialPartColoringFromPoseKps",
        "UpperBodyTrackingFromPoseKps",
    ),
    *_comfyui(
        _NODE,
        "the ComfyUI node of that name; here every annotator has a name of its own",
        "AIO_Preprocessor",
        "ControlNetPreprocessorSelector",
        "ExecuteAllControlNetPreprocessors",
        "ControlNetAuxSimpleAddText",
    ),
    *_comfyui(
        _NODE,
        "the ComfyUI node of that name, or --size and --mode of `underdrawing annotate`",
        "PixelPerfectResolution",
        "HintImageEnchance",
        "ImageGenResolutionFromImage",
        "ImageGenResolutionFromLatent",
    ),
    MissingName("SamDetector", "controlnet_aux", "pieces without names are no map a ControlNet reads", "seg_ofade20k"),
)
