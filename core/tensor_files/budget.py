"""What reading one pickled file may cost. Everything that takes time or memory is charged where it happens.

A unit is one instruction, one value put into a container or looked at, or 128 bytes copied, decoded, hashed or compared
(some 0.4 microseconds). A file of N bytes may cost ``4 N + 65536`` units and never more than MAX_UNITS, and its tensors
may show ``16 N + 64 MiB`` of bytes through repeated views. An honest checkpoint spends less than half a unit a byte.
"""

from __future__ import annotations

from typing import Any

from ..errors import BadWeights
from .pickle_machine import Name

MAX_UNITS = 1_500_000
"""Most that any file may cost; a tensor with its storage takes about 100 units."""
ANOTHER = "do not use this file, ask its maker for a safetensors version"
_FLOOR, _FACTOR = 65_536, 4
_COPY_SHIFT = 7
_MAX_VIEWED, _VIEW_FACTOR = 2**26, 16
_MAX_TEXT_IN_TUPLE = 1024


class Budget:
    """What is left for one file of size bytes. Methods raise BadWeights when it is spent."""

    def __init__(self, size: int, where: str) -> None:
        self.total = self.left = min(_FACTOR * size + _FLOOR, MAX_UNITS)
        self._viewed = _VIEW_FACTOR * size + _MAX_VIEWED
        self._where = where

    @property
    def spent(self) -> int:
        """Units spent so far."""
        return self.total - self.left

    def spend(self, units: int) -> None:
        """Charge units."""
        self.left -= units
        if self.left < 0:
            raise BadWeights(
                f"asks for more work than {self.total} steps, far more than weights of its size need",
                where=self._where,
                fix=ANOTHER,
            )

    def copy(self, size: int) -> None:
        """Charge bytes that are copied, decoded, hashed or compared."""
        self.spend(size >> _COPY_SHIFT)

    def show(self, size: int) -> None:
        """Charge bytes that a tensor shows of a storage, however often they are repeated."""
        self._viewed -= size
        if self._viewed < 0:
            what = "repeats its bytes into far more tensors than the file holds"
            raise BadWeights(what, where=self._where, fix=ANOTHER)

    def check_key(self, key: Any, held: int) -> Any:
        """Key for a dict or set that holds that many already, charged with its hash and comparisons.

        Hashes of texts are salted; those of numbers and tuples can be made to collide, so each of these is charged
        with what is held. Raises TypeError for keys whose hash could be costly or recursive.
        """
        if type(key) is str or type(key) is bytes:
            self.copy(4 * len(key))
        elif type(key) is tuple:
            self.spend((1 + held) * (1 + len(key)))
            for part in key:
                _check_part(part)
                if isinstance(part, (str, bytes)) and len(part) > _MAX_TEXT_IN_TUPLE:
                    raise TypeError("text in a key is too long")
        else:
            _check_part(key)
            self.spend(held >> 5)
        return key


def _check_part(part: Any) -> None:
    if part is not None and not isinstance(part, (str, bytes, int, float, Name)):
        raise TypeError("key is not plain")
    if isinstance(part, int) and abs(part) >= 2**60:
        raise TypeError("key is too large")
