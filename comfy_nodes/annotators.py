"""One node per annotator, and one per name of another pack's node that an annotator knows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from ..core.annotator import Kind
from ..core.aux_inputs import check_graph_inputs
from ..core.params import clamp_values
from ..core.registry import describe_difference, describe_other_files, read_alias_inputs
from ..preprocessors import registry
from . import earlier_names, host, inputs
from .inputs import OLDER, PREFIX

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from ..core.annotator import Alias, ControlMap, Spec
    from ..core.params import Value
    from ..core.registry import AnnotatorType


class AnnotatorNode:
    """Base of the generated nodes."""

    annotator: ClassVar[AnnotatorType]
    FUNCTION = "annotate"
    TITLE: ClassVar[str] = ""

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, dict[str, inputs.Input]]:
        """Picture, mask where one is taken, size, parameters."""
        fields = {field.name: inputs.of_field(field, field.default) for field in cls.annotator.fields()}
        size = {"resolution": inputs.RESOLUTION, "match_input": inputs.MATCH_INPUT}
        more = earlier_names.hidden_inputs(cls.annotator)
        optional = size | fields | inputs.of_kind(cls.annotator)
        return {"required": required_inputs(cls.annotator), "optional": optional, **more}

    def annotate(
        self,
        image: Tensor,
        mask: Tensor | None = None,
        resolution: int = 512,
        match_input: bool = False,
        **values: Value,
    ) -> Any:
        """Make the maps; an input that a workflow leaves out has the default of its widget."""
        read, notes = self.read(values)
        return run_annotator(self.annotator, image, read, 0 if match_input else resolution, mask, "; ".join(notes))

    @classmethod
    def read(cls, given: dict[str, Any]) -> tuple[dict[str, Value], list[str]]:
        """Parameters of the node's inputs, and notes. Raises BadParameter."""
        return earlier_names.read_inputs(cls.annotator, given, cls.__name__)

    @classmethod
    def list_runs(cls, stored: dict[str, Any]) -> Iterator[tuple[AnnotatorType, dict[str, Value]]]:
        """What inputs as a workflow stores them run: annotators and their parameters. Raises BadParameter."""
        other = {"image", "mask", "resolution", "match_input", "video", "tiles"}
        yield cls.annotator, cls.read({name: value for name, value in stored.items() if name not in other})[0]


class DropInNode(AnnotatorNode):
    """Base of the nodes that bear another pack's names; what is new stands after the inputs of old workflows."""

    alias: ClassVar[Alias]

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, dict[str, inputs.Input]]:
        """That pack's inputs in its order, then the parameters it had not."""
        fields = cls.annotator.fields()
        helps = {field.name: field.help for field in fields}
        named = {widget.name: inputs.of_widget(widget, helps) for widget in cls.alias.widgets}
        presets, set_by_widgets = cls.alias.presets, {name for w in cls.alias.widgets for name in w.fields}
        new = [field for field in fields if field.name not in set_by_widgets]
        more = {field.name: inputs.of_field(field, presets.get(field.name, field.default)) for field in new}
        hidden = earlier_names.hidden_inputs(cls.annotator)
        optional = named | more | inputs.of_kind(cls.annotator)
        return {"required": required_inputs(cls.annotator), "optional": optional, **hidden}

    def annotate(
        self, image: Tensor, mask: Tensor | None = None, resolution: int = 0, match_input: bool = False, **values: Value
    ) -> Any:
        """Translate the inputs and make the maps; match_input is not an input of these nodes."""
        named = {widget.name: values.get(widget.name, widget.default) for widget in self.alias.widgets}
        read, notes = self.read(values)
        files = describe_other_files(self.annotator, read, named.values())
        note = "; ".join(note for note in (describe_difference(self.annotator, self.alias), files, *notes) if note)
        return run_annotator(self.annotator, image, read, resolution or int(named.get("resolution", 0)), mask, note)

    @classmethod
    def read(cls, given: dict[str, Any]) -> tuple[dict[str, Value], list[str]]:
        """Translate that pack's inputs; what they leave out is as in that pack."""
        meant = read_alias_inputs(cls.alias, given)
        values, notes = super().read(given)
        return clamp_values(cls.annotator.params_type, meant | values), notes


def required_inputs(annotator: AnnotatorType) -> dict[str, inputs.Input]:
    """Inputs without which there is no map."""
    return {"image": inputs.IMAGE} | ({"mask": inputs.MASK} if annotator.spec.takes_mask else {})


def outputs(spec: Spec) -> tuple[tuple[str, str, str], ...]:
    """Type, name and meaning of a node's outputs."""
    is_picture = spec.kind is Kind.INPAINT and spec.values == "rgb"
    results = [
        ("IMAGE", "map", "What the ControlNet expects" + (": masked pixels are -1 (or 0)" if is_picture else ""))
    ]
    if spec.kind is Kind.POSE:
        results.append(("POSE_KEYPOINT", "poses", "OpenPose JSON, one for each picture"))
    if spec.kind is Kind.MASK:
        results.append(("MASK", "mask", "The map as a mask"))
    if spec.values == "scalar":
        results.append(("MASK", "values", "The numbers behind the map, unrounded"))
    if spec.values == "labels":
        results.append(
            ("STRING", "classes", "JSON: names, colours and shares of the classes, one entry for each picture")
        )
        results.append(("MASK", "labels", "The number of each pixel's class (0, 1, 2, ...)"))
    return tuple(results)


def run_annotator(
    annotator: AnnotatorType, image: Tensor, values: dict[str, Any], resolution: int, mask: Any, note: str = ""
) -> Any:
    """All outputs for an IMAGE and, where one is taken, a MASK; note goes with the maps.

    values: parameters, and options of clips and of tiles.
    """
    from ..core.batch.chunks import annotate_batch
    from . import pictures

    masks: Any = None if mask is None else pictures.mask_arrays(mask)
    images = pictures.arrays(image)
    more = {"over_time": values.pop("video", None), "tiles": values.pop("tiles", None)}
    maps = annotate_batch(annotator, images, values, host.HOOKS, resolution=resolution, masks=masks, note=note, **more)
    return outputs_of(annotator.spec, maps)


def outputs_of(spec: Spec, result: ControlMap) -> Any:
    """Outputs of a map in the order of `outputs`; poses are also ui to the browser."""
    from ..core.segments import to_json_text
    from . import pictures

    is_picture = spec.kind is Kind.INPAINT and result.values is not None and spec.values == "rgb"
    results: list[Any] = [pictures.numbers(result.values) if is_picture else pictures.image(result.images)]  # type: ignore[arg-type]
    ui: dict[str, Any] = {}
    if spec.kind is Kind.POSE:
        from ..core.poses.files import to_documents
        from .poses import to_json

        results.append(to_documents(result.poses or ()))
        ui = {"openpose_json": [to_json(results[-1])]}
    if spec.kind is Kind.MASK:
        results.append(pictures.mask(result.images))
    if spec.values == "labels":
        results.append(to_json_text(result.segments or ()))
    if spec.values in ("scalar", "labels") and result.values is not None:
        results.append(pictures.numbers(result.values))
    return {"ui": ui, "result": tuple(results)} if ui else tuple(results)


def camel(name: str) -> str:
    """Class name of an id."""
    return PREFIX + "".join(part.capitalize() for part in name.replace("-", "_").split("_"))


def nodes() -> dict[str, type]:
    """Class name → node, for every annotator; one that could not be imported is there too, with the reason."""
    whole = {camel(a.spec.id): _node(AnnotatorNode, camel(a.spec.id), a, a.spec.title) for a in registry}
    return whole | {camel(name): disabled_node(camel(name), name, reason) for name, reason in registry.broken.items()}


def drop_ins() -> dict[str, type[DropInNode]]:
    """Class name → node, for every name of ComfyUI's other pack."""
    return {
        alias.name: _node(DropInNode, alias.name, annotator, alias.title, alias=alias)
        for annotator in registry
        for alias in annotator.spec.aliases
        if alias.host == "comfyui" and alias.title
    }


def _check_inputs(cls: type[AnnotatorNode], **values: Any) -> bool | str:
    return check_graph_inputs(cls.INPUT_TYPES(), cls.annotator.params_type.old_choices, values)


def _node(base: Any, name: str, annotator: AnnotatorType, title: str, **more: Any) -> Any:
    spec, given = annotator.spec, outputs(annotator.spec)
    own = not more
    names = [spec.id, *(alias.name for alias in spec.aliases)]
    body: dict[str, Any] = {
        "annotator": annotator,
        "TITLE": f"{title} ({PREFIX})" if own else title,
        "CATEGORY": f"{PREFIX}/{spec.kind.value.capitalize()}" if own else OLDER,
        "DESCRIPTION": " ".join((annotator.__doc__ or "").split()) + f" Licence: {spec.licence}.",
        "RETURN_TYPES": tuple(kind for kind, _, _ in given),
        "RETURN_NAMES": tuple(label for _, label, _ in given),
        "OUTPUT_TOOLTIPS": tuple(text for _, _, text in given),
        "SEARCH_ALIASES": list(dict.fromkeys(names)) if own else [],
        "__doc__": annotator.__doc__,
        "__module__": __name__,
        **({"VALIDATE_INPUTS": classmethod(_check_inputs)} if annotator.params_type.old_choices else {}),
        **more,
    }
    return type(name, (base,), body)


def no_inputs(_: type) -> dict[str, dict[str, inputs.Input]]:
    """Inputs of a node that only says why it cannot run."""
    return {"required": {}}


def disabled_node(name: str, label: str, reason: str) -> type:
    """Node that stands for something broken and says why."""

    def refuse(self: object) -> None:
        raise RuntimeError(f"{label} could not be loaded: {reason}. Next: run `underdrawing doctor`")

    body: dict[str, Any] = {
        "TITLE": f"{label} (not available, {PREFIX})",
        "CATEGORY": f"{PREFIX}/Not available",
        "DESCRIPTION": f"Not available: {reason}",
        "INPUT_TYPES": classmethod(no_inputs),
        "RETURN_TYPES": (),
        "OUTPUT_NODE": True,
        "FUNCTION": "refuse",
        "refuse": refuse,
        "DEPRECATED": True,
    }
    return type(name, (), body)
