from __future__ import annotations

import json

from underdrawing.core.operation_registry import operations
from underdrawing.preprocessors import registry
from underdrawing.serving.operate import offered
from underdrawing.serving.schema import describe_annotators, describe_operations, describe_panels, label_name

KINDS = {"int", "float", "bool", "choice", "text"}


def test_every_annotator_with_every_parameter() -> None:
    found = {one["id"]: one for one in json.loads(json.dumps(describe_annotators()))}
    assert set(found) == {annotator.spec.id for annotator in registry}
    for annotator in registry:
        params = found[annotator.spec.id]["params"]
        assert [one["name"] for one in params] == [field.name for field in annotator.fields()]
        assert all(one["kind"] in KINDS and one["help"] and one["label"] for one in params)


def test_every_operation_of_this_host_with_every_parameter() -> None:
    found = {one["id"]: one for one in json.loads(json.dumps(describe_operations()))}
    assert set(found) == {operation.spec.id for operation in operations().of_host("a1111")}
    for operation in offered().values():
        one = found[operation.spec.id]
        assert [param["name"] for param in one["params"]] == [field.name for field in operation.fields()]
        assert [slot["name"] for slot in one["inputs"]] == [slot.name for slot in operation.slots()]


def test_every_operation_stands_on_one_panel() -> None:
    panels = describe_panels()
    placed = [name for panel in panels for name in panel["operations"]]
    assert sorted(placed) == sorted(offered())
    assert [panel["id"] for panel in panels][:3] == ["poses", "lora", "merge"]
    assert all(panel["title"] and panel["help"] for panel in panels)


def test_hints_name_parameters_that_there_are() -> None:
    for operation in operations():
        names = {field.name for field in operation.fields()}
        hints = operation.hints()
        assert set(hints) <= names
        for hint in hints.values():
            assert set(hint) <= {"uses", "layouts", "presets"}
            assert {name for used in hint.get("uses", {}).values() for name in used} <= names
            assert all(int(count) == len(blocks) for count, blocks in hint.get("layouts", {}).items())


def test_a_merge_says_what_each_method_reads() -> None:
    (merge,) = [one for one in describe_operations() if any(p["hint"].get("uses") for p in one["params"])]
    method = next(param for param in merge["params"] if param["hint"].get("uses"))
    assert set(method["hint"]["uses"]) == set(method["choices"])


def test_labels() -> None:
    assert (label_name("low_threshold"), label_name("from_")) == ("low threshold", "from")
