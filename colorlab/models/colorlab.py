"""``colorlab``: the project's own colorizer, which recognizes before it paints.

Grass is green and sky is blue; a network that has learned to name a thousand things knows more about what it sees
than one that has only ever painted. So the way down is the convolutions of SqueezeNet 1.1, a classifier small enough
for a laptop, and can start from ImageNet (:meth:`ColorlabColorizer.recognize_like`). The way up doubles four times;
each step sees the layer of its size on the way down, and the top one a summary of the whole picture, since what a
patch is depends on what the picture shows.

References: Iandola et al., *SqueezeNet*, arXiv:1602.07360; Larsson et al., *Learning Representations for Automatic
Colorization* (a classifier as encoder), arXiv:1603.06668; Iizuka et al., *Let there be Color!* (global features),
doi:10.1145/2897824.2925974.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models import squeezenet1_1

from colorlab.models.colorizer import Colorizer, start_grey
from colorlab.models.layers import concatenate

# What ImageNet's classifiers expect of red, green and blue in 0…1.
_MEAN = torch.tensor([0.485, 0.456, 0.406])
_DEVIATION = torch.tensor([0.229, 0.224, 0.225])


class ColorlabColorizer(Colorizer):
    """Any size that is a multiple of 16; colours come out at half of it and are drawn out to full size."""

    name = "colorlab"
    stride = 16
    smallest = 32

    def __init__(self) -> None:
        super().__init__()
        self.encoder = squeezenet1_1(weights=None).features
        # With padding, which the original lacks, every size is half the one before, and bridges fit.
        self.encoder[0] = nn.Conv2d(1, 64, kernel_size=3, stride=2, padding=1)
        for pool in (2, 5, 8):
            self.encoder[pool] = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        self.top = nn.Conv2d(512, 256, kernel_size=1)
        self.whole = nn.Linear(512, 256)
        self.up = nn.ModuleList([_double(256, 192), _double(192 + 256, 128), _double(128 + 128, 96)])
        self.to_ab = nn.Sequential(*_convolution(96 + 64, 64), start_grey(nn.Conv2d(64, 2, kernel_size=3, padding=1)))

    def predict(self, lightness: Tensor) -> Tensor:
        """``(N, 1, H, W)`` → ``(N, 2, H, W)``."""
        x = lightness
        twins: list[Tensor] = []
        for layer in self.encoder:
            if isinstance(layer, nn.MaxPool2d):
                twins.append(x)  # 64 channels at 1/2 of the size, 128 at 1/4, 256 at 1/8
            x = layer(x)
        x = self.top(x) + self.whole(x.mean(dim=(2, 3)))[:, :, None, None]
        for up in self.up:
            x = concatenate(up(x), twins.pop())
        return F.interpolate(self.to_ab(x), scale_factor=2, mode="bilinear", align_corners=False)

    @torch.no_grad()
    def recognize_like(self, features: Mapping[str, Tensor]) -> None:
        """Take over what SqueezeNet 1.1 learned from photographs in colour.

        Args:
            features: the state of ``torchvision.models.squeezenet1_1().features``, whose ImageNet weights are
                ``SqueezeNet1_1_Weights.IMAGENET1K_V1``.

        Raises:
            ValueError: a state of something else.
        """
        original = squeezenet1_1(weights=None).features
        try:
            original.load_state_dict(dict(features))
        except RuntimeError as error:
            raise ValueError("features must be the state of torchvision's squeezenet1_1().features") from error
        state = original.state_dict()
        # A grey picture is red = green = blue = about L/100, half of (lightness + 1): three kernels become one.
        kernel = state["0.weight"]
        state["0.weight"] = (kernel / (2 * _DEVIATION.view(1, 3, 1, 1))).sum(dim=1, keepdim=True)
        state["0.bias"] = state["0.bias"] + (kernel.sum(dim=(2, 3)) * ((0.5 - _MEAN) / _DEVIATION)).sum(dim=1)
        self.encoder.load_state_dict(state)


def _double(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(*_convolution(inputs, outputs), nn.Upsample(scale_factor=2))


def _convolution(inputs: int, outputs: int) -> list[nn.Module]:
    return [
        nn.Conv2d(inputs, outputs, kernel_size=3, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    ]
