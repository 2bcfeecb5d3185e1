"""The one place where names become networks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, get_args

from colorlab.models.cgan import ConvDiscriminator, ConvGenerator
from colorlab.models.colorizer import Colorizer
from colorlab.models.discriminator import Discriminator
from colorlab.models.distribution import DistributionColorizer
from colorlab.models.nazeri import nazeri_discriminator32, nazeri_discriminator224
from colorlab.models.resnet import ResNetColorizer
from colorlab.models.unet import UNET32, UNET224, UNet

ColorizerName = Literal["resnet", "unet32", "unet224", "nazerigan32", "nazerigan224", "cgan", "distribution"]
COLORIZER_NAMES: tuple[ColorizerName, ...] = get_args(ColorizerName)

_COLORIZERS: dict[str, Callable[..., Colorizer]] = {
    "resnet": ResNetColorizer,
    "unet32": lambda: UNet("unet32", UNET32),
    "unet224": lambda: UNet("unet224", UNET224),
    "nazerigan32": lambda: UNet("nazerigan32", UNET32),
    "nazerigan224": lambda: UNet("nazerigan224", UNET224),
    "cgan": ConvGenerator,
    "distribution": DistributionColorizer,
}

_DISCRIMINATORS: dict[str, Callable[[], Discriminator]] = {
    "nazerigan32": nazeri_discriminator32,
    "nazerigan224": nazeri_discriminator224,
    "cgan": ConvDiscriminator,
}


# What earlier versions knew, and what took its place.
_SUCCESSORS = {"colorlab": "distribution"}


def create_colorizer(name: str, **arguments: Any) -> Colorizer:  # noqa: ANN401  the constructor's own
    """A colorizer with random weights, drawn from torch's global generator.

    Args:
        name: one of :data:`COLORIZER_NAMES`.
        arguments: of its constructor, such as the backbone of ``distribution``.

    Raises:
        ValueError: an unknown name.
    """
    if name in _SUCCESSORS:
        raise ValueError(f"the colorizer {name!r} is gone; its successor is {_SUCCESSORS[name]!r}")
    if name not in _COLORIZERS:
        raise ValueError(f"no colorizer {name!r}; there are {', '.join(COLORIZER_NAMES)}")
    return _COLORIZERS[name](**arguments)


def has_discriminator(name: str) -> bool:
    """Whether the colorizer ``name`` is one half of an adversarial pair."""
    return name in _DISCRIMINATORS


def create_discriminator(name: str) -> Discriminator:
    """The other half of an adversarial pair, with random weights.

    Args:
        name: the colorizer's name: ``nazerigan32``, ``nazerigan224`` or ``cgan``.

    Raises:
        ValueError: an unknown name, or a colorizer that is trained by regression alone.
    """
    if name not in _DISCRIMINATORS:
        raise ValueError(f"no discriminator for {name!r}; there are those of {', '.join(_DISCRIMINATORS)}")
    return _DISCRIMINATORS[name]()
