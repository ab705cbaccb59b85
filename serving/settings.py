"""Settings that a host stores for us, which its own routes may hide."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from .schema import describe_field

if TYPE_CHECKING:
    from ..core.params import Field


class SettingsStore(Protocol):
    """What a host gives: the declared settings, their values, and a way to change them."""

    def fields(self) -> tuple[Field, ...]:
        """Declared settings."""
        ...

    def read(self) -> dict[str, Any]:
        """Values by name."""
        ...

    def write(self, values: dict[str, Any]) -> None:
        """Store values. Raises BadParameter for those that are not declared, or out of bounds."""
        ...


def describe_settings(store: SettingsStore | None) -> dict[str, Any]:
    """Settings with their values."""
    if store is None:
        return {"settings": [], "values": {}}
    return {"settings": [describe_field(field) for field in store.fields()], "values": store.read()}
