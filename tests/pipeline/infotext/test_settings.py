from __future__ import annotations

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from underdrawing.core.errors import BadParameter
from underdrawing.pipeline.host_settings import BOUNDS, LABELS, HostSettings
from underdrawing.pipeline.infotext.settings import read_settings, read_typed_settings, write_settings


def test_every_setting_has_a_label_and_every_number_bounds() -> None:
    names = set(HostSettings.__struct_fields__)
    assert set(LABELS.values()) == names
    usual = HostSettings()
    assert {name for name in names if isinstance(getattr(usual, name), float)} == set(BOUNDS)
    assert all(low <= getattr(usual, name) <= high for name, (low, high) in BOUNDS.items())


def test_what_a1111_writes_is_read() -> None:
    fields = {
        "Noise multiplier": "0.7",
        "Discard penultimate sigma": "True",
        "Emphasis": "No norm",
        "Noise Schedule": "Zero Terminal SNR",
        "Seed resize from": "96x128",
        "Beta schedule alpha": "0.6",
    }
    found = read_settings(fields, "here")
    assert found == HostSettings(
        noise_multiplier=0.7,
        drop_penultimate=True,
        emphasis="No norm",
        noise_schedule="Zero Terminal SNR",
        seed_size="96x128",
    )
    for label, value in (("NGMS", "much"), ("Emphasis", "Loud"), ("Tiling", "perhaps")):
        with pytest.raises(BadParameter, match="makes no sense"):
            read_settings({label: value}, "here")


def test_settings_are_typed_by_their_labels() -> None:
    found = read_typed_settings(["ngms = 4", "Tiling=True"], HostSettings(rho=5))
    assert found == HostSettings(rho=5, skip_below=4, tiling=True)
    for line in ("NGMS", "NGMS=", "Unknown=3"):
        with pytest.raises(BadParameter, match="no setting"):
            read_typed_settings([line])


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(st.fixed_dictionaries({}, optional={name: st.floats(*ends) for name, ends in BOUNDS.items()}), st.booleans())
def test_settings_come_back(values: dict[str, float], flag: bool) -> None:
    given_settings = HostSettings(**values, pad=flag, emphasis="Ignore" if flag else "Original")  # type: ignore[arg-type]
    assert read_settings(write_settings(given_settings), "here") == given_settings
    assert write_settings(HostSettings()) == {}
    assert msgspec.structs.asdict(HostSettings())["tiling"] is False
