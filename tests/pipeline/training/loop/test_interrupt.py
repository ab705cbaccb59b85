from __future__ import annotations

import signal
import threading

import pytest

from underdrawing.pipeline.training.loop.interrupt import Interrupt


def send(number: int) -> None:
    """Call the handler itself: a real signal may come late, outside the block, and would end the process of all tests.

    Real ones are sent to a child in tests/pipeline/training/test_session.py.
    """
    handler = signal.getsignal(number)
    assert callable(handler)
    handler(number, None)


def test_ctrl_c_waits_for_the_check_and_a_second_one_does_not() -> None:
    with Interrupt() as interrupt:
        interrupt.check()
        send(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            interrupt.check()
        with pytest.raises(KeyboardInterrupt):
            send(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_the_signal_that_ends_a_process_waits_and_is_told() -> None:
    with Interrupt() as interrupt:
        send(signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt) as caught:
            interrupt.check()
    assert caught.value.args == (signal.SIGTERM,)
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_other_threads_leave_signals_alone() -> None:
    found: list[object] = []

    def run() -> None:
        with Interrupt() as interrupt:
            interrupt.check()
            found.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert found == [signal.default_int_handler]
