"""A1111's settings in infotexts: read into a request, and written where they are not the usual ones."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from ...adapters.prompts.numbers import format_number
from ...core.errors import BadParameter
from ..host_settings import LABELS, HostSettings

if TYPE_CHECKING:
    from collections.abc import Mapping

T = TypeVar("T")
_VERSION = re.compile(r"v?(\d{1,4})\.(\d{1,4})(?:\.(\d{1,4}))?(?:-(\d{1,6})-.*)?$")


def read_settings(fields: Mapping[str, str], where: str) -> HostSettings:
    """Settings that stand in an infotext. Raises BadParameter for a value that makes no sense."""
    values = {name: fields[label].strip() for label, name in LABELS.items() if label in fields}
    return convert_values(values, HostSettings, where)


def convert_values(values: Mapping[str, Any], kind: type[T], where: str) -> T:
    """Texts as the fields of a struct. Raises BadParameter for a value that makes no sense."""
    try:
        return msgspec.convert(values, kind, strict=False)
    except (msgspec.ValidationError, OverflowError) as error:
        raise BadParameter(f"a value makes no sense ({error})", where=where, fix="correct the text") from error


def read_typed_settings(lines: list[str], settings: HostSettings | None = None) -> HostSettings:
    """Settings typed as LABEL=VALUE, such as `Eta DDIM=0.5`, over others. Raises BadParameter."""
    given: dict[str, str] = {}
    labels = {label.lower(): label for label in LABELS}
    for line in lines:
        label, _, value = line.partition("=")
        if label.strip().lower() not in labels or not value.strip():
            fix = f"write LABEL=VALUE with one of {', '.join(LABELS)}"
            raise BadParameter(f"{line!r} is no setting", where="settings", fix=fix)
        given[labels[label.strip().lower()]] = value
    found = read_settings(given, "settings")
    names = {LABELS[label]: getattr(found, LABELS[label]) for label in given}
    return msgspec.structs.replace(settings or HostSettings(), **names)


def write_settings(settings: HostSettings) -> dict[str, str]:
    """Label → value of those that are not the usual ones."""
    usual = HostSettings()
    return {
        label: format_setting(getattr(settings, name))
        for label, name in LABELS.items()
        if getattr(settings, name) != getattr(usual, name)
    }


def format_setting(value: bool | float | str) -> str:
    """As A1111 writes it."""
    return format_number(value) if isinstance(value, float) else str(value)


def apply_old_rules(settings: HostSettings, fields: Mapping[str, str], prompt: str) -> tuple[HostSettings, str]:
    """Settings with the rules of older versions of A1111, which a newer one follows for their pictures; and a note."""
    match = _VERSION.match(fields.get("Version", "").strip())
    if match is None:
        return settings, ""
    version = tuple(int(number or 0) for number in match.groups())
    rules = {
        "old_schedules": version < (1, 6) and "[" in prompt,
        "pad_old": version < (1, 6) and fields.get("Sampler") in ("DDIM", "PLMS"),
        "half_alphas": version < (1, 7, 0, 225),
    }
    changes = {name: True for name, holds in rules.items() if holds}
    if not changes:
        return settings, ""
    names = ", ".join(label for label, name in LABELS.items() if name in changes)
    note = f"of A1111 {match[0]}, whose rules hold, as A1111 itself takes them: {names}"
    return msgspec.structs.replace(settings, **changes), note
