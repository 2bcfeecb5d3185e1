"""Define U-Nets: a contracting and an expanding path, with skip connections between layers of equal size.

Ronneberger et al. connect each expanding layer with the contracting layer of its size: the small bottleneck captures
*what* is in the image, the skip connections keep *where* its edges are. Nazeri et al. applied this to colorization,
where the gray image's edges are the color's edges. One class builds every U-Net from a :class:`UNetDescription`.
Notebook ``04_unet`` explains it.

References: Ronneberger et al., *U-Net*, arXiv:1505.04597; Nazeri et al., *Image Colorization using Generative
Adversarial Networks*, arXiv:1803.05400.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from colorlab.models.colorizer import Colorizer, start_gray
from colorlab.models.registry import register_colorizer


@dataclass(frozen=True)
class Layer:
    """One 4×4 convolution of a U-Net, plain on the way down, transposed on the way up.

    Stride 2 halves (doubles) the size; stride 1 removes (adds) one row and one column. Padding is 1.
    """

    channels: int
    stride: int = 2


@dataclass(frozen=True)
class UNetDescription:
    """The list of layers of a U-Net.

    Attributes:
        contracting: the layers down to the bottleneck.
        expanding: the layers back up, as many as ``contracting``. Each but the last is concatenated with the
            contracting layer of its size before the next one.
    """

    contracting: tuple[Layer, ...]
    expanding: tuple[Layer, ...]

    def __post_init__(self) -> None:
        down = [layer.stride for layer in self.contracting]
        up = [layer.stride for layer in self.expanding]
        if not down or down != up[::-1]:
            raise ValueError(
                "expanding must undo contracting layer by layer: its strides must be those of contracting in "
                f"reverse, got {down} down and {up} up"
            )

        if down != sorted(down, reverse=True) or not set(down) <= {1, 2}:
            raise ValueError(f"contracting takes layers of stride 2 first, then of stride 1, got strides {down}")

    @property
    def stride(self) -> int:
        """Image sizes must be multiples of this, so that each layer of stride 2 receives an even size."""
        return int(2 ** sum(layer.stride == 2 for layer in self.contracting))

    @property
    def smallest(self) -> int:
        """The smallest image size, with a bottleneck of one pixel."""
        return self.stride * (1 + sum(layer.stride == 1 for layer in self.contracting))


UNET32 = UNetDescription(
    contracting=(Layer(64), Layer(128), Layer(256), Layer(512)),  # 32 → 16 → 8 → 4 → 2 pixels
    expanding=(Layer(256), Layer(128), Layer(64), Layer(64)),
)

UNET224 = UNetDescription(
    contracting=(
        *(Layer(64), Layer(128), Layer(256), Layer(512), Layer(512)),  # 224 → 112 → 56 → 28 → 14 → 7 pixels
        *(Layer(512, stride=1), Layer(512, stride=1)),  # → 6 → 5
    ),
    expanding=(
        *(Layer(512, stride=1), Layer(512, stride=1)),
        *(Layer(512), Layer(256), Layer(128), Layer(64), Layer(64)),
    ),
)


class UNet(Colorizer):
    """A colorizer with the layers of ``description``.

    Down: convolution, leaky ReLU (slope 0.2), batch norm. Up: transposed convolution, ReLU, batch norm. A 1×1
    convolution and tanh give a and b. ``unet32`` has 6,297,026 parameters and takes multiples of 16; ``unet224`` has
    41,957,826 and takes multiples of 32, from 96 on.

    The architecture is the original framework's, the target is not. There it was (ab + 128)/255, where 0, the initial
    output of the tanh, is the deepest blue-green and gray is 0.5; here gray is 0 (:func:`colorlab.color.split`),
    which lowered the squared error by 35 to 40 % after 500 steps on CIFAR-10.
    """

    def __init__(self, name: str, description: UNetDescription) -> None:
        super().__init__()
        self.name = name
        self.stride, self.smallest = description.stride, description.smallest
        self.down = nn.ModuleList()
        channels = 1
        for layer in description.contracting:
            self.down.append(
                nn.Sequential(
                    nn.Conv2d(channels, layer.channels, kernel_size=4, stride=layer.stride, padding=1),
                    nn.LeakyReLU(0.2, inplace=True),
                    nn.BatchNorm2d(layer.channels),
                )
            )
            channels = layer.channels
        self.up = nn.ModuleList()
        # The skip connections: the contracting layers in reverse, without the bottleneck.
        skip_channels = [layer.channels for layer in description.contracting[-2::-1]] + [0]
        for layer, skip in zip(description.expanding, skip_channels, strict=True):
            self.up.append(
                nn.Sequential(
                    nn.ConvTranspose2d(channels, layer.channels, kernel_size=4, stride=layer.stride, padding=1),
                    nn.ReLU(inplace=True),
                    nn.BatchNorm2d(layer.channels),
                )
            )
            channels = layer.channels + skip
        self.to_ab = start_gray(nn.Conv2d(channels, 2, kernel_size=1))

    def predict(self, lightness: Tensor) -> Tensor:
        """Return a and b, ``(N, 2, H, W)``, for lightness ``(N, 1, H, W)``."""
        x = lightness
        skips: list[Tensor] = []
        for down in self.down:
            x = down(x)
            skips.append(x)
        skips.pop()  # the bottleneck has no skip connection
        for up in self.up:
            x = up(x)
            if skips:
                x = torch.cat([x, skips.pop()], dim=1)
        ab: Tensor = self.to_ab(x)
        return ab.tanh()


@register_colorizer("unet32")
def unet32() -> UNet:
    """Return the U-Net for small images, trained by regression."""
    return UNet("unet32", UNET32)


@register_colorizer("unet224", size=224)
def unet224() -> UNet:
    """Return the U-Net for images of 224 pixels, trained by regression."""
    return UNet("unet224", UNET224)
