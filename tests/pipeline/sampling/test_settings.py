"""A1111's settings of samplers: who uses them, and what infotexts say of them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from underdrawing.pipeline.infotext.facts import Facts
from underdrawing.pipeline.infotext.reading import read_infotext
from underdrawing.pipeline.infotext.writing import write_infotext
from underdrawing.pipeline.request import Request
from underdrawing.pipeline.sampling.names import SAMPLERS, find_sampler
from underdrawing.pipeline.sampling.run import SamplerOptions
from underdrawing.pipeline.sampling.settings import USUAL, label_settings, list_idle, list_used, make_options


def describe(**fields: float | str) -> dict[str, float]:
    request = Request(prompt="", **fields)  # type: ignore[arg-type]
    return label_settings(request, find_sampler(request.sampler))


def test_labels_are_a1111s_and_usual_values_are_left_out() -> None:
    assert describe(sampler="Euler a", eta=0.5) == {"Eta": 0.5}
    assert describe(sampler="Euler a", eta=1.0) == describe(sampler="Euler a") == {}
    assert describe(sampler="DDIM", eta=0.5) == {"Eta DDIM": 0.5}
    assert describe(sampler="DDIM", eta=0.0) == {}
    assert describe(sampler="TCD", eta=1.0) == {"Eta": 1.0}
    churned = describe(sampler="Euler", s_churn=4.0, s_tmin=0.1, s_tmax=9.0, s_noise=1.01)
    assert churned == {"Sigma churn": 4.0, "Sigma tmin": 0.1, "Sigma tmax": 9.0, "Sigma noise": 1.01}
    assert describe(sampler="DPM++ SDE", s_noise=1.02, eta=0.0) == {"Eta": 0.0, "Sigma noise": 1.02}


@pytest.mark.parametrize(
    ("sampler", "fields", "idle"),
    [
        ("Euler a", {"s_noise": 1.1, "s_churn": 2.0}, ["s_churn", "s_noise"]),
        ("euler_ancestral", {"s_noise": 1.1, "eta": 0.5}, []),
        ("DPM++ 2M", {"eta": 0.5}, ["eta"]),
        ("Heun", {"s_tmin": 0.5}, ["s_tmin"]),
        ("Heun", {"s_tmin": 0.5, "s_churn": 1.0, "s_noise": 1.1}, []),
        ("Euler", {"s_noise": 1.1}, ["s_noise"]),
        ("DDIM", {"s_noise": 1.1}, ["s_noise"]),
        ("Euler a", {"noise_seed_delta": 31337}, []),
        ("Euler a", {"noise_seed_delta": 31337, "eta": 0.0}, ["noise_seed_delta"]),
        ("DDIM", {"noise_seed_delta": 31337}, ["noise_seed_delta"]),
        ("DDIM", {"noise_seed_delta": 31337, "eta": 1.0}, []),
        ("LCM", {"noise_seed_delta": 31337, "eta": 0.0}, ["eta"]),
        ("euler_ancestral", {"noise_seed_delta": 31337}, ["noise_seed_delta"]),
    ],
)
def test_what_a_sampler_does_not_use_is_known(sampler: str, fields: dict[str, float], idle: list[str]) -> None:
    assert list_idle(Request(prompt="", **fields), find_sampler(sampler)) == idle  # type: ignore[arg-type]


def test_only_what_is_used_reaches_the_run() -> None:
    request = Request(prompt="", eta=0.5, s_churn=3.0, s_tmin=0.2, s_noise=1.1)
    assert make_options(request, find_sampler("Euler")) == SamplerOptions(churn=3.0, churn_low=0.2, scale=1.1)
    assert make_options(request, find_sampler("Euler a")) == SamplerOptions(eta=0.5)
    assert make_options(request, find_sampler("PLMS")) == SamplerOptions()
    assert make_options(Request(prompt="", s_tmax=0.0), find_sampler("Heun")).churn_high == math.inf


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from([entry.label for entry in SAMPLERS]),
    st.fixed_dictionaries({name: st.floats(0, 10).map(lambda x: round(x, 4)) for name in USUAL}),
)
def test_settings_come_back_from_infotexts(sampler: str, values: dict[str, float]) -> None:
    choice, request = find_sampler(sampler), Request(prompt="a", sampler=sampler, **values)  # type: ignore[arg-type]
    facts = Facts(seed=1, width=64, height=64, sampler=choice.label, settings=label_settings(request, choice))
    reading = read_infotext(write_infotext(request, facts))
    assert make_options(reading.request, choice) == make_options(request, choice) or request.eta in (0.0, 1.0)
    assert reading.notes == ()
    assert all(name in list_used(choice) for name in USUAL if getattr(reading.request, name) != USUAL[name])
