"""Files that are whole or not there, and the state that a run goes on from."""

from __future__ import annotations

import os
import pickle
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Let ``write`` make a file, and give it its name only when it is finished and on the disk.

    Whenever the process is killed, ``path`` is the whole old file or the whole new one.
    """
    unfinished = path.with_name(path.name + ".part")
    write(unfinished)
    with unfinished.open("rb") as file:
        os.fsync(file.fileno())
    os.replace(unfinished, path)


def write_text(path: Path, text: str) -> None:
    """:func:`write_whole` for text."""
    write_whole(path, lambda unfinished: unfinished.write_text(text, encoding="utf-8"))


def save_state(path: Path, state: Mapping[str, Any]) -> None:
    """Write the state of a run; tensors and plain Python values only."""
    write_whole(path, lambda unfinished: torch.save(dict(state), unfinished))


def load_state(path: Path) -> dict[str, Any]:
    """Read the state of a run. Nothing in the file can run code (``weights_only``).

    Raises:
        ValueError: the file is damaged, or holds more than tensors and plain values.
    """
    refusal = f"{path} is no checkpoint of colorlab's, or is damaged; remove it to begin anew"
    # Anything else torch would take for a bare pickle.
    if not zipfile.is_zipfile(path):
        raise ValueError(refusal)
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    # torch's own words on it take many lines; the cause keeps them.
    except (RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise ValueError(refusal) from error
    if not isinstance(state, dict) or "epoch" not in state:
        raise ValueError(refusal)
    return state
