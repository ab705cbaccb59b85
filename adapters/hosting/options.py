"""Settings of LoRAs in A1111 and its relatives."""

from __future__ import annotations

from typing import Any

from ...core.errors import BadParameter
from ...core.params import Field

TITLE = "Underdrawing"
TAGS, INFOTEXT, PRESETS = (f"underdrawing_lora_{name}" for name in ("tags", "infotext", "presets"))
OPTIONS: dict[str, tuple[Any, str]] = {
    TAGS: (True, "Read lbw=, start=, stop= and curves in <lora:> tags"),
    INFOTEXT: (True, "Write into pictures which LoRAs were converted"),
    PRESETS: ("", "Presets for lbw= (NAME:1,0.5,... separated by semicolons)"),
}
"""Name → default and label."""


JAPANESE = {
    TAGS: "<lora:>タグの lbw=、start=、stop= と曲線を読む",
    INFOTEXT: "変換したLoRAを画像の情報に書き込む",
    PRESETS: "lbw= のプリセット (名前:1,0.5,... をセミコロンで区切る)",
}
"""Labels for hosts that are set to Japanese."""


def add_options(shared: Any) -> None:
    """A section of the host's settings. shared: its module of state and options."""
    labels = JAPANESE if str(shared.opts.data.get("localization", "")).startswith("ja") else {}
    for name, (default, label) in OPTIONS.items():
        info = shared.OptionInfo(default, labels.get(name, label), section=("underdrawing", TITLE))
        shared.opts.add_option(name, info)


def read_option(shared: Any, name: str) -> Any:
    """Value of one of `OPTIONS`, also before the host has them."""
    return shared.opts.data.get(name, OPTIONS[name][0])


class StoredOptions:
    """`OPTIONS` as the host stores them, for programs: its own route hides them. shared: as above."""

    def __init__(self, shared: Any) -> None:
        self._shared = shared

    def fields(self) -> tuple[Field, ...]:
        """Declared settings."""
        return tuple(
            Field(name=name, kind="bool" if isinstance(default, bool) else "text", default=default, help=label)
            for name, (default, label) in OPTIONS.items()
        )

    def read(self) -> dict[str, Any]:
        """Values by name."""
        return {name: read_option(self._shared, name) for name in OPTIONS}

    def write(self, values: dict[str, Any]) -> None:
        """Store values, all or none. Raises BadParameter."""
        for name, value in values.items():
            if name not in OPTIONS:
                raise BadParameter("is no setting", where=name, fix=f"choose one of {', '.join(OPTIONS)}")
            if type(value) is not type(OPTIONS[name][0]):
                raise BadParameter(f"is no {type(OPTIONS[name][0]).__name__}", where=name, fix=OPTIONS[name][1])
        if getattr(self._shared.cmd_opts, "freeze_settings", False):
            fix = "start it without --freeze-settings"
            raise BadParameter("this host does not let its settings be changed", where="settings", fix=fix)
        for name, value in values.items():
            self._shared.opts.set(name, value)
        self._shared.opts.save(self._shared.config_filename)
