"""Write files atomically, and save and load the state of a run."""

from __future__ import annotations

import os
import pickle
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file with ``write``, and rename it to ``path`` when it is complete and on the disk.

    If the process is killed, ``path`` is either the old file or the new one, never a part.
    """
    unfinished = path.with_name(path.name + ".part")
    write(unfinished)
    with unfinished.open("rb") as file:
        os.fsync(file.fileno())
    os.replace(unfinished, path)


def write_text(path: Path, text: str) -> None:
    """Write text atomically, as UTF-8."""
    write_atomically(path, lambda unfinished: unfinished.write_text(text, encoding="utf-8"))


def save_state(path: Path, state: Mapping[str, Any]) -> None:
    """Write the state of a run, which may hold only tensors and plain Python values."""
    write_atomically(path, lambda unfinished: torch.save(dict(state), unfinished))


def load_state(path: Path) -> dict[str, Any]:
    """Return the state of a run from a file, without running code from it (``weights_only``).

    Raises:
        ValueError: the file is damaged, or holds more than tensors and plain values.
    """
    refusal = f"{path} is not a checkpoint of colorlab, or it is damaged; remove it to start over"
    # torch would read any other file as a bare pickle.
    if not zipfile.is_zipfile(path):
        raise ValueError(refusal)
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise ValueError(refusal) from error
    if not isinstance(state, dict) or "epoch" not in state:
        raise ValueError(refusal)
    return state
