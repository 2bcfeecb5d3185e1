"""Define ``cgan``: a convolutional autoencoder that generates RGB, and a discriminator of RGB.

The generator halves the image five times and doubles it back; skip connections *add* each layer on the way down to
its counterpart on the way up. It generates RGB but returns only that image's a and b, like every other colorizer, so
the lightness of the photograph is kept.
"""

from __future__ import annotations

import itertools
import math

import torch
from torch import Tensor, nn

from colorlab import color
from colorlab.models.colorizer import Colorizer
from colorlab.models.discriminator import Discriminator
from colorlab.models.registry import register_colorizer

_CHANNELS = (64, 128, 256, 512, 512)


@register_colorizer("cgan", size=224, discriminator=lambda: ConvDiscriminator())
class ConvGenerator(Colorizer):
    """The generator, with 7,822,342 parameters, for sizes that are multiples of 32.

    Down: 3×3 convolution of stride 2 without bias, batch norm, leaky ReLU (slope 0.1). Up: the same transposed, with
    ReLU. A tanh gives RGB in [-1, 1]. The kernels start from N(0, √(2/(k²·outputs))) (He et al., arXiv:1502.01852).
    The original framework trained on lightness in 0…100 and evaluated on 0…1; here it is always [-1, 1].
    """

    stride = 32
    smallest = 32

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.ModuleList(
            nn.Sequential(_halve(inputs, outputs), nn.BatchNorm2d(outputs), nn.LeakyReLU(0.1))
            for inputs, outputs in itertools.pairwise((1, *_CHANNELS))
        )
        back = _CHANNELS[::-1]
        self.up = nn.ModuleList(
            nn.Sequential(_double(inputs, outputs), nn.BatchNorm2d(outputs), nn.ReLU())
            for inputs, outputs in itertools.pairwise(back)
        )
        self.to_rgb = nn.Sequential(_double(back[-1], 3), nn.BatchNorm2d(3), nn.Tanh())
        _initialize(self)

    def paint(self, lightness: Tensor) -> Tensor:
        """Generate RGB ``(N, 3, H, W)`` in [-1, 1] from lightness ``(N, 1, H, W)``."""
        x = lightness
        skips: list[Tensor] = []
        for down in self.down:
            x = down(x)
            skips.append(x)
        skips.pop()
        for up in self.up:
            x = up(x) + skips.pop()
        rgb: Tensor = self.to_rgb(x)
        return rgb

    def predict(self, lightness: Tensor) -> Tensor:
        """Return a and b of the generated image, ``(N, 2, H, W)`` in network units."""
        return color.split(color.rgb_to_lab((self.paint(lightness).float() + 1) / 2))[1]


class ConvDiscriminator(Discriminator):
    """A discriminator of RGB in [-1, 1], at least 224 pixels, with 16,758,848 parameters.

    Five 3×3 convolutions as in the generator, a 7×7 convolution that covers what remains of 224 pixels, and a 1×1
    convolution to one logit.
    """

    name = "cgan"
    smallest = 224

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for inputs, outputs in itertools.pairwise((3, *_CHANNELS)):
            layers += [_halve(inputs, outputs), nn.BatchNorm2d(outputs), nn.LeakyReLU(0.1)]
        self.layers = nn.Sequential(
            *layers,
            nn.Conv2d(512, 512, kernel_size=7, bias=False),
            nn.BatchNorm2d(512),
            nn.LeakyReLU(0.1),
            nn.Conv2d(512, 1, kernel_size=1, bias=False),
        )
        _initialize(self)

    def judge(self, lightness: Tensor, ab: Tensor) -> Tensor:
        """Return logits ``(N, 1, h, w)`` for the colored image, clipped to sRGB."""
        rgb = color.lab_to_rgb(color.join(lightness.float(), ab.float()))
        logits: Tensor = self.layers(2 * rgb - 1)
        return logits


def _halve(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, kernel_size=3, stride=2, padding=1, bias=False)


def _double(inputs: int, outputs: int) -> nn.ConvTranspose2d:
    return nn.ConvTranspose2d(inputs, outputs, kernel_size=3, stride=2, padding=1, output_padding=1, bias=False)


@torch.no_grad()
def _initialize(network: nn.Module) -> None:
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            outputs = module.out_channels * module.kernel_size[0] * module.kernel_size[1]
            module.weight.normal_(0, math.sqrt(2 / outputs))
