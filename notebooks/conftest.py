"""Make nbval fail at once when a kernel dies, and wait longer for output on a busy machine.

nbval 0.11.0 waits for a dead kernel until the cell's timeout, and only 5 seconds for output; both are mended from
outside, which is why that version is pinned exactly.
"""

from __future__ import annotations

import time
from queue import Empty
from typing import Any

import pytest

OUTPUT_TIMEOUT = 60.0
"""Seconds that nbval waits for the next piece of a cell's output."""

_LOOK_EVERY = 2.0


def _fail_when_the_kernel_dies(kernel: Any) -> None:
    """Let ``kernel.await_reply`` look every two seconds whether there still is somebody to reply."""
    await_reply = kernel.await_reply

    def await_reply_of_the_living(msg_id: str, timeout: float | None = None) -> Any:
        end = time.monotonic() + (timeout or 2000.0)
        while True:
            try:
                return await_reply(msg_id, timeout=min(_LOOK_EVERY, max(0.01, end - time.monotonic())))
            except Empty:
                if not kernel.is_alive():
                    raise RuntimeError("the kernel died while running this cell") from None
                if time.monotonic() >= end:
                    raise

    kernel.await_reply = await_reply_of_the_living


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_call(item: Any) -> None:
    """Prepare the kernel of a notebook's cell just before the cell runs."""
    if type(item).__name__ != "IPyNbCell":
        return
    item.output_timeout = OUTPUT_TIMEOUT
    notebook = item.parent
    if not getattr(notebook, "fails_when_the_kernel_dies", False):
        _fail_when_the_kernel_dies(notebook.kernel)
        notebook.fails_when_the_kernel_dies = True
