"""What a host may set in the core: who keeps networks, where weights lie, whether to ask."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch

from underdrawing.core.hooks import HostHooks, collect_notes, is_collecting
from underdrawing.core.networks import network as networks
from underdrawing.core.networks.placement import Placement
from underdrawing.core.weights import search_paths
from underdrawing.core.weights.record import Weight

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def test_a_keeper_is_asked_before_every_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(networks, "_keepers", [])
    kept: list[Any] = []
    runs: list[int] = []

    def keeper(module: Any, placement: Placement) -> Callable[[], None]:
        kept.append(module)
        return lambda: runs.append(len(runs))

    plain = networks.Network(torch.nn.Identity(), Placement())
    networks.set_keeper(keeper)
    module = torch.nn.Identity()
    owned = networks.Network(module, Placement())
    for network in (plain, owned, owned):
        assert torch.equal(network(torch.ones(1)), torch.ones(1))
    assert kept == [module]
    assert runs == [0, 1]


def test_a_hosts_folders_are_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search_paths, "_host_roots", [])
    monkeypatch.setattr(search_paths, "_host_folders", [])
    weight = Weight(file="a.pth", sha256="0" * 64, size=1, licence="none", commercial=True, repo="x/y")
    folder, root = tmp_path / "mine", tmp_path / "host"
    before = {place.path for place in search_paths.iter_locations(weight, tmp_path / "cache")}
    (root / "models" / "ControlNet").mkdir(parents=True)
    search_paths.register_host(root, [folder])
    new = {place.path for place in search_paths.iter_locations(weight, tmp_path / "cache")} - before
    assert {folder / "a.pth", root / "models" / "ControlNet" / "a.pth"} <= new


def test_notes_of_a_run_are_collected_once_each() -> None:
    host = HostHooks()
    assert not is_collecting()
    with collect_notes() as notes:
        assert is_collecting()
        for text in ("one", "two", "one"):
            host.note(text)
    host.note("later")
    assert notes == ["one", "two"]
    assert not is_collecting()
