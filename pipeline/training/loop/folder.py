"""The folder of a run, beside its result: settings, states, log, previews, cached latents."""

from __future__ import annotations

import json
import re
import shutil
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from ....core.errors import BadParameter, BadWeights, UnderdrawingError
from ....core.files import atomic_write
from ....core.regular_files import read_regular_file
from ....core.tensor_files.safetensors_io import read_header, read_safetensors, write_safetensors

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor

SETTINGS, LOG, PLOT, PREVIEWS, CACHE, EVENTS = "settings.json", "log.jsonl", "loss.png", "previews", "cache", "events"
PROCESS = "process"
"""File that names the process which trains, while it does."""
_STATE = re.compile(r"state-(\d{8})\.safetensors")
_MOST = 3


class State(NamedTuple):
    """Where a run stands after a number of steps."""

    step: int
    tensors: dict[str, Tensor]
    metadata: dict[str, str]


class RunFolder:
    """path: of the folder, made by `begin`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def begin(self, settings: Mapping[str, Any], *, restart: bool = False) -> None:
        """Begin, or go on where a run with the same settings stopped.

        Raises BadParameter, naming what differs, for a run with other settings; WriteFailed.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        if restart:
            self.clear()
        before = self._read_settings()
        if before is not None and (differs := list_differences(before, settings)):
            fix = "give the same values, choose another output, or begin anew with --restart"
            raise BadParameter(f"is a run with other settings: {'; '.join(differs)}", where=str(self.path), fix=fix)
        atomic_write(self.path / SETTINGS, json.dumps(settings, indent=1, sort_keys=True).encode() + b"\n")

    def clear(self) -> None:
        """Remove what an earlier run left, but for cached latents."""
        for path in (*self._list_states().values(), *(self.path / name for name in (SETTINGS, LOG, PLOT))):
            path.unlink(missing_ok=True)
        for name in (PREVIEWS, EVENTS):
            shutil.rmtree(self.path / name, ignore_errors=True)

    def read_state(self, notes: list[str]) -> State | None:
        """The newest state that can be read; None for a new run. notes: gets what is damaged."""
        for step, path in sorted(self._list_states().items(), reverse=True):
            try:
                return State(step, read_safetensors(path), read_header(path).metadata)
            except UnderdrawingError as error:
                notes.append(f"a state of the run cannot be used: {error}")
        return None

    def write_state(self, state: State, keep: int) -> Path:
        """Write a state, then remove all but the newest ones. Raises WriteFailed; older states then stay."""
        path = self.path / f"state-{state.step:08}.safetensors"
        write_safetensors(path, state.tensors, state.metadata)
        for _, old in sorted(self._list_states().items(), reverse=True)[keep:]:
            with suppress(OSError):
                old.unlink()
        return path

    def _list_states(self) -> dict[int, Path]:
        found = {path: _STATE.fullmatch(path.name) for path in self.path.glob("state-*.safetensors")}
        return {int(match[1]): path for path, match in found.items() if match}

    def _read_settings(self) -> dict[str, Any] | None:
        try:
            found: object = json.loads(read_regular_file(self.path / SETTINGS))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            what = f"cannot be read ({error})"
            raise BadWeights(what, where=str(self.path / SETTINGS), fix="begin anew with --restart") from error
        return cast("dict[str, Any]", found) if isinstance(found, dict) else {}


def list_differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What differs between the settings of a run and those that are given, each with both values."""
    differs: list[str] = []
    for group in sorted({*before, *now}):
        old, new = _to_table(before.get(group)), _to_table(now.get(group))
        names = [name for name in sorted({*old, *new}) if old.get(name) != new.get(name)]
        if group == "data":
            differs += _describe_data(old, new, names)
        else:
            differs += [
                f"{_spell(group, name)} was {_show(old.get(name))} and is {_show(new.get(name))}" for name in names
            ]
    return differs


def _describe_data(old: Mapping[str, Any], new: Mapping[str, Any], names: list[str]) -> list[str]:
    added, removed = [n for n in names if n not in old], [n for n in names if n not in new]
    changed = [name for name in names if name in old and name in new]
    groups = ((added, "added"), (removed, "removed"), (changed, "changed"))
    return [
        f"{len(found)} pictures or captions are {what} ({', '.join(found[:_MOST])})" for found, what in groups if found
    ]


def _to_table(value: object) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {"": value}


def _spell(group: str, name: str) -> str:
    return f"--{name.replace('_', '-')}" if group == "params" else " ".join(filter(None, (group, name)))


def _show(value: object) -> str:
    return "not there" if value is None else json.dumps(value)
