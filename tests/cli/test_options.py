"""Every way a parameter can be said on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import click
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.command_line import entries, picture

from underdrawing.cli.options import (
    FieldOption,
    NamedAnnotator,
    options,
    pick_values,
    spell_out_flags,
    spellings,
)
from underdrawing.core.annotator import Annotator, ControlMap, Kind, Request, Spec
from underdrawing.core.params import Params, about, between
from underdrawing.core.registry import NameMatch
from underdrawing.core.setting_values import NO, YES
from underdrawing.preprocessors import registry

if TYPE_CHECKING:
    from tests.support.command_line import Run


class EveryKind(Params, frozen=True):
    """One field of each kind."""

    whole_number: Annotated[int, between(0, 9, "An int")] = 3
    size: Annotated[float, between(0, 1, "A float", step=0.1)] = 0.5
    safe: Annotated[bool, about("A bool")] = False
    on_by_default: Annotated[bool, about("Another bool")] = True
    word: Annotated[Literal["one", "two"], about("A choice")] = "one"
    text: Annotated[str, about("A text")] = ""


class Every(Annotator[EveryKind]):
    """Has one field of each kind."""

    spec = Spec(id="every", title="Every", kind=Kind.TILE, licence="none", commercial=True, source="test")

    def run(self, request: Request[EveryKind]) -> ControlMap:
        return ControlMap(request.images)


EVERY = NamedAnnotator("every", NameMatch(Every, {}))
ALIAS = NamedAnnotator("An Alias+1", NameMatch(Every, {"word": "two", "safe": True}))


def parsed(args: list[str], *named: NamedAnnotator, reserved: set[str] | None = None) -> dict[str, Any]:
    """Values per annotator's name, as the command would understand args; "rest" has the plain words."""
    command = click.Command("c", params=[click.Argument(["rest"], nargs=-1), *options(named, reserved or set())])
    with command.make_context("c", spell_out_flags(args, named)) as context:
        values = {one.name: pick_values(one, context.params) for one in named}
        return {**values, "rest": list(context.params["rest"])}


def test_an_earlier_switch_leaves_a_present_number_alone() -> None:
    named = [NamedAnnotator(name, registry.resolve(name)) for name in ("recolor", "depth_zoe")]
    assert spell_out_flags(["--gamma", "1.5"], named) == ["--gamma", "1.5"]
    assert spell_out_flags(["--depth_zoe.gamma"], named) == ["--depth_zoe.gamma=true"]


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (["--whole-number", "4"], {"whole_number": 4}),
        (["--whole_number=4"], {"whole_number": 4}),
        (["--every.whole-number", "4"], {"whole_number": 4}),
        (["--every.whole_number", "4", "--whole-number", "5"], {"whole_number": 4}),
        (["--size", "0.25"], {"size": 0.25}),
        (["--safe"], {"safe": True}),
        (["--safe", "true"], {"safe": True}),
        (["--safe", "False"], {"safe": False}),
        (["--safe=enable"], {"safe": True}),
        (["--safe", "OFF"], {"safe": False}),
        (["--no-safe"], {"safe": False}),
        (["--every.safe"], {"safe": True}),
        (["--no-every.safe"], {"safe": False}),
        (["--no-on-by-default"], {"on_by_default": False}),
        (["--no-on_by_default"], {"on_by_default": False}),
        (["--on-by-default", "no"], {"on_by_default": False}),
        (["--word", "two", "--text", "a b"], {"word": "two", "text": "a b"}),
        ([], {}),
    ],
)
def test_spellings(args: list[str], expected: dict[str, Any]) -> None:
    assert parsed(args, EVERY) == {"every": expected, "rest": []}


@pytest.mark.parametrize(
    "args", [["--whole-number", "10"], ["--size", "nan or so"], ["--word", "three"], ["--safe=maybe"], ["--wrong"]]
)
def test_wrong_values_are_usage_errors(args: list[str]) -> None:
    with pytest.raises(click.UsageError):
        parsed(args, EVERY)


def test_the_nearest_of_the_choices_is_named() -> None:
    with pytest.raises(click.UsageError, match=r"'tow' is not one of 'one', 'two'.* Next: write two"):
        parsed(["--word", "tow"], EVERY)


def test_a_switch_does_not_swallow_inputs() -> None:
    assert parsed(["--safe", "photo.png", "--no-on-by-default", "true.png"], EVERY) == {
        "every": {"safe": True, "on_by_default": False},
        "rest": ["photo.png", "true.png"],
    }
    assert parsed(["--", "--safe", "true"], EVERY)["rest"] == ["--safe", "true"]


def test_one_of_several_is_addressed_by_name() -> None:
    both = parsed(["--whole-number", "4", "--An Alias+1.whole-number", "5"], EVERY, ALIAS)
    assert (both["every"], both["An Alias+1"]) == ({"whole_number": 4}, {"whole_number": 5})
    by_id = parsed(["--every.safe"], ALIAS)
    assert by_id["An Alias+1"] == {"safe": True}


def test_a_taken_name_is_still_reached_by_the_annotators() -> None:
    with pytest.raises(click.UsageError):
        parsed(["--size", "0.25"], EVERY, reserved={"--size"})
    assert parsed(["--every.size", "0.25"], EVERY, reserved={"--size"})["every"] == {"size": 0.25}


def test_help_of_an_alias_shows_its_values() -> None:
    shown = {
        o.field.name: o.get_help_record(click.Context(click.Command("c")))
        for o in options([ALIAS], set())
        if isinstance(o, FieldOption) and o.of
    }
    assert shown["word"] == ("--word one|two", "A choice  [default: two]")
    assert shown["safe"] == ("--safe", "A bool  [default: on]")
    assert shown["size"] == ("--size FLOAT", "A float  [0 to 1, default: 0.5]")


WORDS = st.sampled_from(["photo.png", "b.jpg", "x y", "12", "*.png"])
SWITCHES = st.sampled_from([s for f in ("safe", "on_by_default") for o in ("", "every") for s in spellings(f, o)])


@st.composite
def lines(draw: st.DrawFn) -> tuple[list[str], dict[str, bool], list[str]]:
    """A command line, the switches it sets and its plain words."""
    args: list[str] = []
    told: dict[str, dict[str, bool]] = {"": {}, "every.": {}}
    rest: list[str] = []
    for _ in range(draw(st.integers(0, 8))):
        if draw(st.booleans()):
            rest.append(draw(WORDS))
            args.append(rest[-1])
            continue
        switch, word = draw(SWITCHES), draw(st.sampled_from(sorted(YES | NO)))
        value, manner = word in YES, draw(st.integers(0, 3))
        word = draw(st.sampled_from([word, word.upper(), word.title()]))
        value = value if manner < 2 else manner == 2
        args += [[switch, word], [f"{switch}={word}"], [switch], [f"--no-{switch[2:]}"]][manner]
        if manner == 2:  # a plain word must follow that is none of YES and NO
            rest.append("photo.png")
            args.append("photo.png")
        name = switch[2:].replace("-", "_")
        owner = "every." if name.startswith("every.") else ""
        told[owner][name.removeprefix("every.")] = value
    return args, {**told[""], **told["every."]}, rest


@given(lines())
@settings(max_examples=200, deadline=None)
def test_switches_in_any_order_and_spelling(line: tuple[list[str], dict[str, bool], list[str]]) -> None:
    args, expected, rest = line
    assert parsed(args, EVERY) == {"every": expected, "rest": rest}


@given(st.lists(st.text(max_size=8), max_size=8))
@settings(max_examples=200, deadline=None)
def test_words_that_are_no_switch_pass_unchanged(args: list[str]) -> None:
    switches = {s.partition("=")[0] for s in args}
    if not any(s.startswith(("--safe", "--no", "--on", "--every")) for s in switches):
        assert spell_out_flags(args, [EVERY]) == args


@pytest.mark.parametrize("name", sorted(registry.names))
def test_every_parameter_of_every_annotator_is_an_option(run: Run, tmp_path: Path, name: str) -> None:
    resolved = registry.resolve(name)
    needs = [w for w in resolved.annotator.weights_for(resolved.annotator.params(**resolved.presets)) if not w.bundled]
    if (
        needs
        or resolved.annotator.spec.takes_mask
        or resolved.annotator.find_missing()
        or resolved.annotator.spec.weights
    ):
        page = run("annotate", name, "--help")
        assert all(f"{f.name.replace('_', '-')}" in page.out for f in resolved.annotator.fields())
        return
    words = [
        f"--{resolved.annotator.spec.id}.{f.name}={resolved.presets.get(f.name, f.default)}"
        for f in resolved.annotator.fields()
    ]
    done = run("annotate", name, picture(tmp_path / "a.png"), "-o", tmp_path / "out", "--resolution", 32, *words)
    assert done.code == 0, done.err
    expected = {f.name: resolved.presets.get(f.name, f.default) for f in resolved.annotator.fields()}
    assert entries(tmp_path / "out")[0]["params"] == expected


class RenamedParams(Params, frozen=True):
    """Fields that had other names, one of which a neighbour has."""

    old_names: ClassVar[dict[str, str]] = {"size": "strength", "compat": "reference_compat"}
    old_choices: ClassVar[dict[str, dict[str, str]]] = {"model": {"7": "default"}}
    strength: Annotated[int, between(0, 9, "How strong")] = 3
    reference_compat: Annotated[bool, about("As the reference")] = False
    model: Annotated[Literal["default", "other"], about("Which")] = "default"


class RenamedAnnotator(Annotator[RenamedParams]):
    """Has renamed parameters."""

    spec = Spec(id="renamed", title="Renamed", kind=Kind.TILE, licence="none", commercial=True, source="test")

    def run(self, request: Request[RenamedParams]) -> ControlMap:
        return ControlMap(request.images)


RENAMED = NamedAnnotator("renamed", NameMatch(RenamedAnnotator, {}))


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (["--size", "4"], {"size": 4}),
        (["--renamed.size", "4"], {"size": 4}),
        (["--compat"], {"compat": True}),
        (["--no-compat"], {"compat": False}),
        (["--model", "7"], {"model": "7"}),
    ],
)
def test_earlier_names_are_options_too(args: list[str], expected: dict[str, Any]) -> None:
    assert parsed(args, RENAMED)["renamed"] == expected


def test_an_earlier_name_does_not_take_a_neighbours_option() -> None:
    values = parsed(["--size", "0.5", "--renamed.size", "4"], EVERY, RENAMED)
    assert (values["every"], values["renamed"]) == ({"size": 0.5}, {"size": 4})
    assert parsed(["--size", "0.5"], RENAMED, EVERY)["renamed"] == {}


def test_help_shows_present_names_only() -> None:
    assert {option.name for option in options([RENAMED], set()) if not option.hidden} == {
        "field_strength",
        "field_reference_compat",
        "field_model",
    }


def test_an_earlier_name_is_noted(run: Run, tmp_path: Path) -> None:
    result = run("annotate", "recolor", picture(tmp_path / "a.png"), "-o", tmp_path / "maps", "--parity")
    assert result.code == 0
    assert result.err.count("note: recolor: parity is now called reference_compat") == 1
    assert entries(tmp_path / "maps")[0]["params"]["reference_compat"] is True
