"""Define the base class of all colorizers: their input, output and image sizes."""

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
    """The registered name, or empty (:func:`colorlab.register_colorizer`)."""

    stride: int = 1
    """Height and width must be multiples of this ..."""

    smallest: int = 1
    """... and at least this."""

    arguments: Mapping[str, Any] = MappingProxyType({})
    """The arguments of its constructor, as JSON values; a weights file stores them."""

    working_size: int = 32
    """Side in pixels of the square images on which it works best: the training size, unless the card of the weights
    names a better one. For an untrained network, the default size of training images."""

    card: str = ""
    """The card of the loaded weights in Markdown; a notebook shows it as the last line of a cell."""

    def _repr_markdown_(self) -> str | None:
        return self.card or None

    def forward(self, lightness: Tensor) -> Tensor:
        """Return colors for a batch of gray images.

        Args:
            lightness: ``(N, 1, H, W)`` in [-1, 1]; H and W multiples of :attr:`stride`.

        Returns:
            ``(N, 2, H, W)``: a and b divided by 110.

        Raises:
            ValueError: the number of axes or channels is wrong, or the network does not accept the size.
        """
        self.check_input(lightness)
        return self.predict(lightness)

    @abstractmethod
    def predict(self, lightness: Tensor) -> Tensor:
        """Compute :meth:`forward` without its checks; each architecture implements this."""

    def check_input(self, lightness: Tensor) -> None:
        """Raise an error that names the accepted sizes, if this one is not accepted."""
        kind = self.name or type(self).__name__
        if lightness.dim() != 4 or lightness.shape[1] != 1:
            raise ValueError(
                f"{kind} takes lightness as (N, 1, height, width), got {tuple(lightness.shape)}; "
                "colorlab.color.split makes it from Lab"
            )
        height, width = lightness.shape[-2:]
        if (self.accepted_size(height), self.accepted_size(width)) != (height, width):
            raise ValueError(
                f"{kind} takes heights and widths that are multiples of {self.stride} and at least {self.smallest}, "
                f"got {height}×{width}"
            )

    def accepted_size(self, pixels: int) -> int:
        """Return the smallest accepted height or width of at least ``pixels``."""
        return max(self.smallest, -(-pixels // self.stride) * self.stride)


class ModuleColorizer(Colorizer):
    """A colorizer around any network from lightness to a and b.

    Args:
        network: returns ``(N, 2, H, W)`` for ``(N, 1, H, W)``. The sizes that it accepts are found by trial unless it
            has ``stride`` and ``smallest``, as a :class:`Colorizer`.

    Raises:
        ValueError: the network returns something else.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        stride, smallest = getattr(network, "stride", None), getattr(network, "smallest", None)
        self.stride = stride if isinstance(stride, int) else _stride(network)
        self.smallest = smallest if isinstance(smallest, int) else self.stride
        vars(self).update(vars(network).get("_colorizer", {}))

    def predict(self, lightness: Tensor) -> Tensor:
        """Return the network's a and b."""
        ab: Tensor = self.network(lightness)
        return ab


@torch.no_grad()
def _stride(network: nn.Module) -> int:
    """Return the smallest stride at which a and b have the size of the lightness."""
    parameter = next(iter([*network.parameters(), *network.buffers()]), torch.empty(0))
    modes = [(module, module.training) for module in network.modules()]
    network.eval()
    problem = ""
    try:
        for stride in (1, 2, 4, 8, 16, 32, 64):
            lightness = torch.zeros(1, 1, 64 + stride, 64 + stride, device=parameter.device)
            try:
                found = network(lightness)
            except (RuntimeError, ValueError) as error:
                problem = problem or f"fails: {error}"
                continue
            if isinstance(found, Tensor) and found.shape == (1, 2, *lightness.shape[-2:]):
                return stride
            given = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
            problem = f"gives {given}"
    finally:
        for module, training in modes:
            module.training = training
    raise ValueError(
        f"{type(network).__name__} {problem} for lightness {tuple(lightness.shape)}; a colorizer must return a "
        "and b of the same height and width, (N, 2, H, W), if both are multiples of its `stride` (at most 64)"
    )


@torch.inference_mode()
def colored(model: Colorizer, rgb: Tensor) -> Tensor:
    r"""Colorize images: combine the model's a and b with the true L, fitted to the gamut, 8-bit.

    Args:
        model: in ``eval()`` mode.
        rgb: ``(N, 3, H, W)`` uint8 on the model's device, of a size that it accepts; it sees only their L\*.

    Returns:
        ``(N, 3, H, W)`` uint8.
    """
    return colored_lab(model, color.rgb_to_lab(rgb))


@torch.inference_mode()
def colored_lab(model: Colorizer, lab: Tensor) -> Tensor:
    """Compute :func:`colored` for images whose Lab is already known, ``(N, 3, H, W)``."""
    lightness, _ = color.split(lab)
    ab = model(lightness).float()
    return color.to_uint8(color.lab_to_rgb(color.fit_to_gamut(color.join(lightness, ab))))


def start_gray(last: nn.Conv2d) -> nn.Conv2d:
    """Set the weights of the last layer to 0, so that training starts from gray, not from random colors."""
    nn.init.zeros_(last.weight)
    if last.bias is not None:
        nn.init.zeros_(last.bias)
    return last


class ConstantColor(Colorizer):
    """A colorizer with a constant color: the baselines *gray* (a = b = 0) and *mean color*.

    Many published colorizers score below gray, so every table of results includes it.

    Args:
        ab: a and b in Lab units.
    """

    name = "constant"

    def __init__(self, ab: Sequence[float] = (0.0, 0.0)) -> None:
        super().__init__()
        self.ab: Tensor
        self.register_buffer("ab", torch.tensor(list(ab), dtype=torch.float32) / color.AB_SCALE)

    def predict(self, lightness: Tensor) -> Tensor:
        """Return the constant color at the size of the input."""
        n, _, height, width = lightness.shape
        return self.ab.to(lightness.dtype).view(1, 2, 1, 1).expand(n, 2, height, width)
