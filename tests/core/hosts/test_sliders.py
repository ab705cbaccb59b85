"""Fields on few sliders: whatever number arrives, the value is one that the field takes, or its default."""

from __future__ import annotations

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from underdrawing.core.hosts.sliders import choose_sliders, read_sliders
from underdrawing.preprocessors import registry

NAMES = sorted(registry.names)
NUMBERS = st.one_of(st.none(), st.floats(), st.integers(-(2**40), 2**40), st.booleans(), st.text(max_size=3))


@settings(max_examples=50)
@given(st.sampled_from(NAMES), st.lists(NUMBERS, max_size=4))
def test_any_numbers_give_parameters_that_are_valid(name: str, numbers: list[object]) -> None:
    match = registry.names[name]
    values = read_sliders(choose_sliders(match.fields(), 3), numbers)
    params = match.annotator.params(**{**match.presets, **values})
    assert set(msgspec.to_builtins(params)) == {field.name for field in match.fields()}


def test_the_defaults_of_sliders_are_those_of_the_fields() -> None:
    for match in registry.names.values():
        sliders = choose_sliders(match.fields(), 3)
        assert len(sliders) <= 3
        assert all(slider.low <= slider.default <= slider.high for slider in sliders)
        assert read_sliders(sliders, [s.default for s in sliders]) == {s.field.name: s.field.default for s in sliders}


def test_numbers_come_before_switches_and_choices_and_texts_have_none() -> None:
    for match in registry.names.values():
        fields = {field.name: field for field in match.fields()}
        chosen = [slider.field.name for slider in choose_sliders(match.fields(), 3)]
        numeric = [name for name, field in fields.items() if field.kind in ("int", "float")]
        assert set(numeric[:3]) <= set(chosen)
        assert all(fields[name].kind != "text" for name in chosen)
