from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from underdrawing.adapters.hosting.options import INFOTEXT, OPTIONS, PRESETS, StoredOptions
from underdrawing.core.errors import BadParameter


class Options:
    """What a host keeps of its settings."""

    def __init__(self) -> None:
        self.data: dict[str, Any] = {}
        self.saved: list[dict[str, Any]] = []

    def set(self, name: str, value: Any) -> None:
        self.data[name] = value

    def save(self, _name: str) -> None:
        self.saved.append(dict(self.data))


def shared(**options: Any) -> Any:
    return SimpleNamespace(opts=Options(), cmd_opts=SimpleNamespace(**options), config_filename="config.json")


def test_settings_are_declared_read_and_stored() -> None:
    host = shared()
    store = StoredOptions(host)
    assert {field.name: field.default for field in store.fields()} == store.read()
    store.write({PRESETS: "A:1,0", INFOTEXT: False})
    assert store.read() == {**{n: d for n, (d, _) in OPTIONS.items()}, PRESETS: "A:1,0", INFOTEXT: False}
    assert len(host.opts.saved) == 1


@pytest.mark.parametrize(
    "values", [{"sd_model_checkpoint": "x"}, {INFOTEXT: 1}, {PRESETS: None}, {PRESETS: "", "x": 1}]
)
def test_nothing_is_stored_where_one_is_wrong(values: dict[str, Any]) -> None:
    host = shared()
    with pytest.raises(BadParameter):
        StoredOptions(host).write(values)
    assert (host.opts.data, host.opts.saved) == ({}, [])


def test_a_host_with_frozen_settings_keeps_them() -> None:
    with pytest.raises(BadParameter, match="freeze-settings"):
        StoredOptions(shared(freeze_settings=True)).write({INFOTEXT: False})
