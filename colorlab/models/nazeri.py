"""Define ``nazerigan32`` and ``nazerigan224``: discriminators for the generators ``unet32`` and ``unet224``.

Reference: Nazeri et al., *Image Colorization using Generative Adversarial Networks*, arXiv:1803.05400.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from colorlab.models.discriminator import Discriminator
from colorlab.models.registry import register_colorizer
from colorlab.models.unet import UNET32, UNET224, Layer, UNet


class NazeriDiscriminator(Discriminator):
    """A discriminator of L, a and b that halves the image layer by layer and returns one logit per remaining cell.

    4×4 convolutions, each followed by leaky ReLU (slope 0.2) and batch norm, and a last convolution to one channel:
    one logit per image at 32 pixels (2,760,513 parameters), nine of overlapping patches at 224 (15,350,593). The
    original framework applied a sigmoid here and again in the loss.

    Args:
        name: of the pair.
        layers: the 4×4 convolutions.
        last: kernel size of the convolution to one channel.
    """

    def __init__(self, name: str, layers: tuple[Layer, ...], last: int) -> None:
        super().__init__()
        self.name = name
        self.smallest = _smallest(layers, last)
        modules: list[nn.Module] = []
        channels = 3
        for layer in layers:
            modules += [
                nn.Conv2d(channels, layer.channels, kernel_size=4, stride=layer.stride, padding=1),
                nn.LeakyReLU(0.2, inplace=True),
                nn.BatchNorm2d(layer.channels),
            ]
            channels = layer.channels
        self.layers = nn.Sequential(*modules, nn.Conv2d(channels, 1, kernel_size=last))

    def judge(self, lightness: Tensor, ab: Tensor) -> Tensor:
        """Return logits ``(N, 1, h, w)`` for ``(N, 1, H, W)`` and ``(N, 2, H, W)``."""
        logits: Tensor = self.layers(torch.cat([lightness, ab], dim=1))
        return logits


def nazeri_discriminator32() -> NazeriDiscriminator:
    """Return the discriminator for 32 pixels: 32 → 16 → 8 → 4 → 2 → 1."""
    return NazeriDiscriminator("nazerigan32", UNET32.contracting, last=2)


def nazeri_discriminator224() -> NazeriDiscriminator:
    """Return the discriminator for 224 pixels: 224 → 112 → 56 → 28 → 14 → 7 → 6 → 5 → 3×3 logits."""
    return NazeriDiscriminator("nazerigan224", UNET224.contracting, last=3)


@register_colorizer("nazerigan32", discriminator=nazeri_discriminator32)
def nazerigan32() -> UNet:
    """Return the generator for small images, a ``unet32``."""
    return UNet("nazerigan32", UNET32)


@register_colorizer("nazerigan224", size=224, discriminator=nazeri_discriminator224)
def nazerigan224() -> UNet:
    """Return the generator for images of 224 pixels, a ``unet224``."""
    return UNet("nazerigan224", UNET224)


def _smallest(layers: tuple[Layer, ...], last: int) -> int:
    size = last
    for layer in reversed(layers):
        size = size * 2 if layer.stride == 2 else size + 1
    return size
