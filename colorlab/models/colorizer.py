"""What every colorizer has in common: its input, its output, and the sizes it can take."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from colorlab import color


class Colorizer(nn.Module, ABC):
    """A network from lightness to a and b, both in network units (:func:`colorlab.color.split`).

    Subclasses implement :meth:`predict` and set ``stride``.
    """

    name: str = ""
    """The name that :func:`colorlab.models.create_colorizer` knows it by."""

    stride: int = 1
    """Height and width must be multiples of this ..."""

    smallest: int = 1
    """... and at least this."""

    arguments: Mapping[str, Any] = MappingProxyType({})
    """What its constructor was called with, as JSON can hold it; a weights file keeps it."""

    working_size: int = 64
    """Side in pixels of the squares on which it does best: those it was trained on, unless a comparison of sizes
    chose another (the cards of the weights say so). On much larger ones networks see other things."""

    def forward(self, lightness: Tensor) -> Tensor:
        """Colors for a batch of grays.

        Args:
            lightness: ``(N, 1, H, W)`` in [-1, 1]; H and W multiples of :attr:`stride`.

        Returns:
            ``(N, 2, H, W)``: a and b divided by 110.

        Raises:
            ValueError: another number of axes or channels, or a size the network cannot take.
        """
        self.check_input(lightness)
        return self.predict(lightness)

    @abstractmethod
    def predict(self, lightness: Tensor) -> Tensor:
        """:meth:`forward` without its checks; what an architecture implements."""

    def check_input(self, lightness: Tensor) -> None:
        """Refuse what the architecture cannot take, saying what it can."""
        kind = self.name or type(self).__name__
        if lightness.dim() != 4 or lightness.shape[1] != 1:
            raise ValueError(
                f"{kind} takes lightness as (N, 1, height, width), got {tuple(lightness.shape)}; "
                "colorlab.color.split makes it from Lab"
            )
        height, width = lightness.shape[-2:]
        if (self.accepted_size(height), self.accepted_size(width)) != (height, width):
            raise ValueError(
                f"{kind} takes heights and widths that are multiples of {self.stride}, from {self.smallest} on; "
                f"got {height}×{width}"
            )

    def accepted_size(self, pixels: int) -> int:
        """The smallest height or width from ``pixels`` on that the network takes."""
        return max(self.smallest, -(-pixels // self.stride) * self.stride)


@torch.inference_mode()
def colored(model: Colorizer, rgb: Tensor) -> Tensor:
    r"""Images as a colorizer gives them back: its a and b with the true L, fitted to the gamut, 8-bit.

    Args:
        model: as it stands; put it in ``eval()`` mode first.
        rgb: ``(N, 3, H, W)`` uint8 on the model's device, of a size that it takes; it sees their L\* alone.

    Returns:
        ``(N, 3, H, W)`` uint8.
    """
    return colored_lab(model, color.rgb_to_lab(rgb))


@torch.inference_mode()
def colored_lab(model: Colorizer, lab: Tensor) -> Tensor:
    """:func:`colored` for images whose Lab is known already, ``(N, 3, H, W)``."""
    lightness, _ = color.split(lab)
    ab = model(lightness).float()
    return color.to_uint8(color.lab_to_rgb(color.fit_to_gamut(color.join(lightness, ab))))


def start_gray(last: nn.Conv2d) -> nn.Conv2d:
    """The last layer with all weights 0: training sets out from the gray baseline, not from random colors."""
    nn.init.zeros_(last.weight)
    if last.bias is not None:
        nn.init.zeros_(last.bias)
    return last


class ConstantColor(Colorizer):
    """The same color everywhere: the baselines *gray* (a = b = 0) and *mean color*.

    Many published colorizers score below the first, so it stands in every table of results.

    Args:
        ab: a and b in Lab units.
    """

    name = "constant"

    def __init__(self, ab: Sequence[float] = (0.0, 0.0)) -> None:
        super().__init__()
        self.ab: Tensor
        self.register_buffer("ab", torch.tensor(list(ab), dtype=torch.float32) / color.AB_SCALE)

    def predict(self, lightness: Tensor) -> Tensor:
        """The one color, at the size of the input."""
        n, _, height, width = lightness.shape
        return self.ab.to(lightness.dtype).view(1, 2, 1, 1).expand(n, 2, height, width)
