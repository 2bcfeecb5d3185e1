"""Colorizers by name, networks that see lightness and answer a and b, and the discriminators some of them have."""

from __future__ import annotations

from colorlab.models.colorizer import Colorizer, ConstantColor
from colorlab.models.discriminator import Discriminator
from colorlab.models.names import (
    COLORIZER_NAMES,
    ColorizerName,
    create_colorizer,
    create_discriminator,
    has_discriminator,
)
from colorlab.models.weights import describe_weights, load_weights, save_weights

__all__ = [
    "COLORIZER_NAMES",
    "Colorizer",
    "ColorizerName",
    "ConstantColor",
    "Discriminator",
    "create_colorizer",
    "create_discriminator",
    "describe_weights",
    "has_discriminator",
    "load_weights",
    "save_weights",
]
