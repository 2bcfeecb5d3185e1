"""The one place where names become colorizers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, get_args

from colorlab.models.colorizer import Colorizer
from colorlab.models.resnet import ResNetColorizer
from colorlab.models.unet import UNET32, UNet

ColorizerName = Literal["resnet", "unet32"]
COLORIZER_NAMES: tuple[ColorizerName, ...] = get_args(ColorizerName)

_COLORIZERS: dict[str, Callable[[], Colorizer]] = {
    "resnet": ResNetColorizer,
    "unet32": lambda: UNet("unet32", UNET32),
}


def create_colorizer(name: str) -> Colorizer:
    """A colorizer with random weights, drawn from torch's global generator.

    Args:
        name: one of :data:`COLORIZER_NAMES`.

    Raises:
        ValueError: an unknown name.
    """
    if name not in _COLORIZERS:
        raise ValueError(f"no colorizer {name!r}; there are {', '.join(COLORIZER_NAMES)}")
    return _COLORIZERS[name]()
