"""colorlab: learn automatic image colorization, and do it.

``colorlab.colorize(image)`` colors an image; the rooms of the package are ``color``, ``data``, ``models``,
``pretrained``, ``training``, ``evaluation``, ``inference``, ``hints``, ``plots``, ``widgets`` and ``exercises``.
Nothing is imported before it is used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from colorlab.inference import colorize as colorize

__all__ = ["__version__", "colorize"]

_ROOMS = {
    "color", "data", "evaluation", "exercises", "hints", "image", "inference", "models", "plots", "pretrained",
    "training", "widgets",
}  # fmt: skip


def __getattr__(name: str) -> object:
    # `import colorlab` must stay quick, and torch takes a second.
    if name == "colorize":
        return importlib.import_module("colorlab.inference").colorize
    if name in _ROOMS:
        return importlib.import_module(f"colorlab.{name}")
    raise AttributeError(f"module 'colorlab' has no attribute {name!r}")
