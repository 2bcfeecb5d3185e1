"""Colorizers by name: networks that see lightness and answer a and b."""

from __future__ import annotations

from colorlab.models.colorizer import Colorizer, ConstantColor
from colorlab.models.names import COLORIZER_NAMES, ColorizerName, create_colorizer
from colorlab.models.weights import describe_weights, load_weights, save_weights

__all__ = [
    "COLORIZER_NAMES",
    "Colorizer",
    "ColorizerName",
    "ConstantColor",
    "create_colorizer",
    "describe_weights",
    "load_weights",
    "save_weights",
]
