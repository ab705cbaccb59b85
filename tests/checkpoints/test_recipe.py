from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from underdrawing.checkpoints.recipe import (
    Apply,
    Load,
    Recipe,
    decode_recipe,
    encode_recipe,
    hash_recipe,
    list_loads,
    list_loras,
    make_recipe,
    pin_files,
)
from underdrawing.core.errors import BadParameter

Table = dict[str, Any]


def load(name: str) -> Table:
    return {"type": "load", "path": name}


def cast(one: Table, dtype: str) -> Table:
    return {"type": "cast", "input": one, "dtype": dtype}


def apply(some: list[Table]) -> Table:
    return {"type": "apply", "method": "ties", "inputs": some}


def adapt(one: Table, some: list[Table]) -> Table:
    return {"type": "adapt", "input": one, "loras": some}


def bake(one: Table, vae: Table) -> Table:
    return {"type": "bake_vae", "input": one, "vae": vae}


LOADS = st.builds(load, st.text("abc/.", min_size=1, max_size=6))


def extend(nodes: st.SearchStrategy[Table]) -> st.SearchStrategy[Table]:
    loras = st.lists(st.fixed_dictionaries({"path": st.just("l.safetensors"), "unet": st.floats(-2, 2)}), max_size=2)
    return st.one_of(
        st.builds(cast, nodes, st.sampled_from(["fp16", "auto"])),
        st.builds(apply, st.lists(nodes, max_size=3)),
        st.builds(adapt, LOADS, loras),
        st.builds(bake, nodes, LOADS),
    )


@settings(max_examples=50, deadline=None)
@given(st.recursive(LOADS, extend, max_leaves=5))
def test_json_goes_in_and_out_unchanged(table: Table) -> None:
    node = make_recipe(table).node
    assert decode_recipe(encode_recipe(node)).node == node
    paths = {load.path for load in list_loads(node)} | {lora.path for lora in list_loras(node)}
    pinned = pin_files(node, {path: f"hash of {path}" for path in paths})
    assert all(load.sha256 and "/" not in load.path for load in list_loads(pinned))
    assert pin_files(pinned, {Path(p).name: f"hash of {p}" for p in paths}) is not None


def test_the_hash_is_that_of_contents_not_of_names() -> None:
    one, other = Load(path="a/x.safetensors", sha256="1"), Load(path="b/y.safetensors", sha256="1")
    assert hash_recipe(one) == hash_recipe(other)
    assert hash_recipe(one) != hash_recipe(Load(path="a/x.safetensors", sha256="2"))
    assert hash_recipe(Load(path="a")) != hash_recipe(Load(path="b"))
    merged = Apply(method="weighted_sum", inputs=(one, other), params={"alpha": 0.5})
    assert hash_recipe(merged) != hash_recipe(Apply(method="weighted_sum", inputs=(one, other), params={"alpha": 0.6}))


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "no recipe"),
        ("[]", "no recipe"),
        ('{"type": "load"}', "path"),
        ('{"type": "burn", "path": "a"}', "burn"),
        ('{"type": "load", "path": "a", "alpha": 1}', "alpha"),
        ('{"type": "apply", "method": "x", "inputs": [{"type": "load"}]}', r"inputs\[0\]"),
        ('{"type": "cast", "dtype": "fp8", "input": {"type": "load", "path": "a"}}', "fp8"),
        ('{"type": "cast", "input": ' * 3000, "no recipe"),
    ],
)
def test_faults_are_named_with_their_place(text: str, fault: str) -> None:
    with pytest.raises(BadParameter, match=fault):
        decode_recipe(text)


def test_deep_recipes_are_refused() -> None:
    text = '{"type": "cast", "input": ' * 70 + '{"type": "load", "path": "a"}' + "}" * 70
    with pytest.raises(BadParameter, match="nests"):
        decode_recipe(text)


def test_a_recipe_file_starts_from_its_own_folder(tmp_path: Path) -> None:
    (tmp_path / "r.json").write_text('{"type": "load", "path": "a.safetensors"}')
    recipe = make_recipe(tmp_path / "r.json")
    assert recipe.find("a.safetensors") == tmp_path / "a.safetensors"
    assert make_recipe(recipe) is recipe
    assert make_recipe(Load(path="a")) == Recipe(node=Load(path="a"))
    with pytest.raises(BadParameter, match="cannot be read"):
        make_recipe(str(tmp_path / "none.json"))


def test_what_a_caller_built_wrongly_is_refused(tmp_path: Path) -> None:
    endless: dict[str, Any] = {"type": "cast"}
    endless["input"] = endless
    for value in (endless, load("\udcff")):
        with pytest.raises(BadParameter, match="no recipe"):
            make_recipe(value)
    with pytest.raises(BadParameter, match="no file"):
        make_recipe(load("a\0b")).find("a\0b")
    with pytest.raises(BadParameter, match="cannot be read"):
        make_recipe("a\0b")


def test_a_byte_order_mark_is_no_part_of_a_recipe(tmp_path: Path) -> None:
    (tmp_path / "r.json").write_text('\ufeff{"type": "load", "path": "a"}', "utf-8")
    assert make_recipe(tmp_path / "r.json").node == Load(path="a")


def test_names_that_are_no_utf8_are_written_with_question_marks() -> None:
    node = pin_files(Load(path="folder/\udcff.safetensors"), {"folder/\udcff.safetensors": "0"})
    assert decode_recipe(encode_recipe(node)).node == Load(path="?.safetensors", sha256="0")
