"""An interpreter of pickle instructions that can only build plain data. It never imports, calls or constructs by name.

Names that a file mentions are handed, as text, to a World, which knows a short list of them and refuses the rest.
Instructions that weights files do not use (protocol 0 and 1 texts, INST, OBJ, extension registry, out-of-band buffers)
are refused too. Instruction set: CPython's pickletools documentation.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

from ..errors import BadWeights
from .pickle_steps import ACTIONS, PUSHING, STOP
from .streams import FETCH_AGAIN

if TYPE_CHECKING:
    from .pickle_machine import Machine

_FAULTS = (IndexError, KeyError, ValueError, TypeError, AttributeError, OverflowError, RuntimeError, struct.error)
"""What an instruction raises on damaged data."""
_BLOCK = 256
"""Instructions that are charged at once."""


def run_pickle(machine: Machine) -> Any:
    """Value that the machine's pickle describes; its position then stands behind the STOP.

    Raises UnsafeFile or BadWeights.
    """
    start = machine.position
    try:
        while not _run_block(machine):
            pass
        value = machine.stack.pop()
    except _FAULTS as error:
        what = f"is damaged: pickle begun at byte {start} fails at byte {machine.position} ({type(error).__name__})"
        raise BadWeights(what, where=machine.where, fix=FETCH_AGAIN) from error
    if machine.marks or machine.stack:
        raise BadWeights("is damaged: its pickle ends with values left over", where=machine.where, fix=FETCH_AGAIN)
    return value


def _run_block(machine: Machine) -> bool:
    """Run some instructions; whether they ended with STOP."""
    machine.budget.spend(_BLOCK)
    data, pushing, actions = machine.data, PUSHING, ACTIONS
    for done in range(_BLOCK):
        code = data[machine.position]
        machine.position += 1
        if code == STOP:
            machine.budget.spend(done - _BLOCK)
            return True
        if step := pushing[code]:
            value = step(machine)
            machine.stack.append(value)
        else:
            actions[code](machine)
    return False
