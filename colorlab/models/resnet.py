"""Define ``resnet``: the first two stages of a ResNet-18 as encoder, five small convolutions as decoder.

The encoder is the classification network of He et al. up to stride 8, where features describe textures but not yet
objects; the head upsamples its 128 channels to full size in three doublings, as in Iizuka et al. There are no skip
connections, so color edges are soft. Notebook ``03_resnet`` explains it.

References: He et al., *Deep Residual Learning for Image Recognition*, arXiv:1512.03385; Larsson et al.,
*Learning Representations for Automatic Colorization*, arXiv:1603.06668; Iizuka et al., *Let there be Color!*,
doi:10.1145/2897824.2925974.
"""

from __future__ import annotations

from torch import Tensor, nn
from torchvision.models import resnet18

from colorlab.models.colorizer import Colorizer, start_gray
from colorlab.models.registry import register_colorizer


@register_colorizer("resnet")
class ResNetColorizer(Colorizer):
    """A colorizer with 954,722 parameters, for sizes that are multiples of 8.

    The architecture is the original framework's, the target is not: there it was (ab + 128)/255, whose gray is 0.5;
    here gray is 0 (:func:`colorlab.color.split`), where the last layer starts, which lowered the squared error by
    8 to 10 % after 600 steps on CIFAR-10.
    """

    stride = 8
    smallest = 8

    def __init__(self) -> None:
        super().__init__()
        trunk = resnet18(weights=None)
        first = nn.Conv2d(1, 64, kernel_size=7, stride=2, padding=3, bias=False)
        # In a gray image r = g = b, so the three kernels are summed.
        first.weight.data = trunk.conv1.weight.data.sum(dim=1, keepdim=True)
        self.encoder = nn.Sequential(
            first, trunk.bn1, trunk.relu, trunk.maxpool, trunk.layer1, trunk.layer2
        )  # (N, 1, H, W) → (N, 128, H/8, W/8)
        self.head = nn.Sequential(
            *_convolution(128, 128),
            nn.Upsample(scale_factor=2),
            *_convolution(128, 64),
            *_convolution(64, 64),
            nn.Upsample(scale_factor=2),
            *_convolution(64, 32),
            start_gray(nn.Conv2d(32, 2, kernel_size=3, padding=1)),
            nn.Upsample(scale_factor=2),
        )  # → (N, 2, H, W)

    def predict(self, lightness: Tensor) -> Tensor:
        """Return a and b, ``(N, 2, H, W)``, for lightness ``(N, 1, H, W)``."""
        features: Tensor = self.encoder(lightness)
        ab: Tensor = self.head(features)
        return ab


def _convolution(inputs: int, outputs: int) -> list[nn.Module]:
    return [
        nn.Conv2d(inputs, outputs, kernel_size=3, padding=1),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    ]
