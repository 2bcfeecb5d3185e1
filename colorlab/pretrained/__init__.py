"""Weights that this project trained and ships, each with its model card beside it (``<name>.md``)."""

from __future__ import annotations

import functools
import hashlib
import json
from pathlib import Path

from colorlab.models import Colorizer, load_weights

_FOLDER = Path(__file__).parent

# name → SHA-256 of <name>.safetensors, the default first; written by tools/train_weights.py.
_SHIPPED: dict[str, str] = json.loads((_FOLDER / "shipped.json").read_text(encoding="utf-8"))

NAMES: tuple[str, ...] = tuple(_SHIPPED)
"""What :func:`load` knows, the default first."""


def load(name: str | None = None) -> Colorizer:
    """A colorizer with the weights that ship, in ``eval()`` mode on the CPU.

    Args:
        name: one of :data:`NAMES`; ``None`` is the first.

    Raises:
        ValueError: an unknown name, or a file whose SHA-256 is not the one it was shipped with.
    """
    return load_weights(path(NAMES[0] if name is None else name))


def path(name: str) -> Path:
    """The file of weights that ship, checked.

    Raises:
        ValueError: an unknown name, or a file whose SHA-256 is not the one it was shipped with.
    """
    if name not in _SHIPPED:
        raise ValueError(
            f"no weights named {name!r} ship with colorlab; there are {', '.join(NAMES)}. "
            "Weights of your own are loaded by --model-path, or colorlab.models.load_weights(path)"
        )
    file = _FOLDER / f"{name}.safetensors"
    check(file, _SHIPPED[name])
    return file


@functools.lru_cache(maxsize=32)
def check(path: Path, sha256: str) -> None:
    """Refuse a file that is not, to the byte, the one with this SHA-256."""
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != sha256:
        raise ValueError(
            f"{path} is not the file that was shipped (SHA-256 {found[:12]}…, expected {sha256[:12]}…); "
            "check it out or install colorlab again"
        )


def card(name: str) -> str:
    """The model card, in Markdown: data, recipe, scores beside the baselines, limits."""
    if name not in _SHIPPED:
        raise ValueError(f"no weights named {name!r} ship with colorlab; there are {', '.join(NAMES)}")
    return (_FOLDER / f"{name}.md").read_text(encoding="utf-8")
