from __future__ import annotations

import pytest
from tests.support.tree import ROOT

from underdrawing import UnknownName
from underdrawing.pipeline.sampling.names import SAMPLERS, SCHEDULERS, find_sampler


@pytest.mark.parametrize(
    ("name", "scheduler", "expected"),
    [
        ("Euler a", "", ("euler_ancestral", "uniform", "a1111", "Euler a", "Automatic")),
        ("euler_ancestral", "normal", ("euler_ancestral", "normal", "comfyui", "Euler a", "Normal")),
        ("DPM++ 2M Karras", "", ("dpmpp_2m", "karras", "a1111", "DPM++ 2M", "Karras")),
        ("dpm++ 2m  karras", "Automatic", ("dpmpp_2m", "karras", "a1111", "DPM++ 2M", "Karras")),
        ("DPM++ 2M", "", ("dpmpp_2m", "karras", "a1111", "DPM++ 2M", "Karras")),
        ("DPM++ 2M", "Uniform", ("dpmpp_2m", "uniform", "a1111", "DPM++ 2M", "Uniform")),
        ("DPM++ 2M Karras", "Exponential", ("dpmpp_2m", "exponential", "a1111", "DPM++ 2M", "Exponential")),
        ("DPM++ 2M SDE Heun Exponential", "", ("dpmpp_2m_sde_heun", "exponential", "a1111", "DPM++ 2M SDE Heun", "")),
        ("DPM++ 3M SDE", "SGMUniform", ("dpmpp_3m_sde", "sgm_uniform", "a1111", "DPM++ 3M SDE", "SGM Uniform")),
        ("dpmpp_2m_sde_gpu", "karras", ("dpmpp_2m_sde", "karras", "comfyui", "DPM++ 2M SDE", "Karras")),
        ("dpmpp_2m", "", ("dpmpp_2m", "normal", "comfyui", "DPM++ 2M", "Normal")),
        ("ddim", "ddim_uniform", ("ddim", "ddim_uniform", "comfyui", "DDIM", "DDIM")),
        ("DDIM", "", ("ddim", "uniform", "a1111", "DDIM", "Automatic")),
        ("k_euler_a", "", ("euler_ancestral", "uniform", "a1111", "Euler a", "Automatic")),
        ("dpmpp_2m_karras", "", ("dpmpp_2m", "karras", "comfyui", "DPM++ 2M", "Karras")),
        ("dpmpp_2m_sde_gpu_sgm_uniform", "", ("dpmpp_2m_sde", "sgm_uniform", "comfyui", "DPM++ 2M SDE", "SGM Uniform")),
        ("lms karras", "", ("lms", "karras", "a1111", "LMS", "Karras")),
    ],
)
def test_names_of_both_hosts(name: str, scheduler: str, expected: tuple[str, ...]) -> None:
    choice = find_sampler(name, scheduler)
    found = (choice.sampler, choice.scheduler, choice.host, choice.label, choice.scheduler_label)
    assert found[:4] == expected[:4]
    assert expected[4] in ("", found[4])


def test_every_name_of_the_tables_is_found() -> None:
    for entry in SAMPLERS:
        assert find_sampler(entry.label).sampler == entry.id
        for host_id in entry.comfyui:
            assert (find_sampler(host_id).sampler, find_sampler(host_id).host) == (entry.id, "comfyui")
        for item in SCHEDULERS:
            assert find_sampler(f"{entry.label} {item.label}").scheduler == item.id
            assert find_sampler(entry.label, item.id).scheduler == item.id


@pytest.mark.parametrize(("name", "near"), [("Euler b", "Euler"), ("DPM++ 2M Karas", "DPM"), ("dpmpp2m", "dpmpp_2m")])
def test_the_nearest_names_of_an_unknown_sampler_are_given(name: str, near: str) -> None:
    with pytest.raises(UnknownName, match="no sampler called") as caught:
        find_sampler(name)
    assert near in caught.value.fix


def test_an_unknown_schedule_is_an_error() -> None:
    with pytest.raises(UnknownName, match="no schedule called 'karas'") as caught:
        find_sampler("Euler", "karas")
    assert "karras" in caught.value.fix.lower()


def test_hosts_differ_in_where_a_sigma_is_left_out() -> None:
    assert find_sampler("DPM++ 3M SDE").drop
    assert not find_sampler("dpmpp_3m_sde").drop
    assert find_sampler("uni_pc").drop
    assert not find_sampler("UniPC").drop
    assert find_sampler("UniPC").own_steps
    assert (find_sampler("Heun").calls, find_sampler("Euler").calls) == (2, 1)


def test_the_page_names_all_of_them() -> None:
    page = (ROOT / "docs" / "samplers.md").read_text(encoding="utf-8")
    for entry in SAMPLERS:
        ids = " ".join(f"`{host_id}`" for host_id in entry.comfyui) or "-"
        assert f"| {entry.label} | {ids} |" in page
    for item in SCHEDULERS:
        assert item.label in page or f"`{item.id}`" in page
