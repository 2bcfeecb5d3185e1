"""The layers of U-Nets and of their discriminators, where torch's own are slow on a CPU.

At a few pixels and hundreds of channels, a convolution is little else than its kernel. torch's convolutions for CPUs
then take two to four times as long as a product of matrices with the same outcome, forward and backward together. So
:class:`Contract` and :class:`Expand` multiply matrices there; everywhere else they are torch's.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_MATRIX_PIXELS = 7
"""Up to this height and width of the input the product of matrices is quicker (measured from 2 to 28 pixels)."""


class Contract(nn.Conv2d):
    """A 4×4 convolution with padding 1. Stride 2 halves the size; stride 1 takes away one row and one column."""

    def __init__(self, inputs: int, outputs: int, stride: int = 2) -> None:
        super().__init__(inputs, outputs, kernel_size=4, stride=stride, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, inputs, H, W)`` → ``(N, outputs, H/2, W/2)``, at stride 1 ``(N, outputs, H-1, W-1)``."""
        if _is_large(x) or self.bias is None:
            return super().forward(x)
        windows = F.unfold(x, 4, padding=1, stride=self.stride)  # (N, inputs·4·4, windows)
        height, width = ((pixels - 2) // self.stride[0] + 1 for pixels in x.shape[-2:])
        y = F.linear(windows.transpose(1, 2).flatten(0, 1), self.weight.flatten(1), self.bias)
        return y.view(len(x), height, width, -1).permute(0, 3, 1, 2)


class Expand(nn.ConvTranspose2d):
    """A 4×4 transposed convolution with padding 1, which undoes the size of :class:`Contract`."""

    def __init__(self, inputs: int, outputs: int, stride: int = 2) -> None:
        super().__init__(inputs, outputs, kernel_size=4, stride=stride, padding=1)

    def forward(self, x: Tensor, output_size: list[int] | None = None) -> Tensor:
        """``(N, inputs, H, W)`` → ``(N, outputs, 2H, 2W)``, at stride 1 ``(N, outputs, H+1, W+1)``."""
        if _is_large(x) or self.bias is None:
            return super().forward(x, output_size)
        windows = x.permute(0, 2, 3, 1).flatten(0, 2) @ self.weight.flatten(1)  # (N·H·W, outputs·4·4)
        height, width = ((pixels - 1) * self.stride[0] + 2 for pixels in x.shape[-2:])
        windows = windows.view(len(x), -1, windows.shape[1]).transpose(1, 2)
        y = F.fold(windows, (height, width), 4, padding=1, stride=self.stride)  # laid over each other, summed
        return y + self.bias.view(-1, 1, 1)


def _is_large(x: Tensor) -> bool:
    return x.device.type != "cpu" or max(x.shape[-2:]) > _MATRIX_PIXELS


def concatenate(x: Tensor, twin: Tensor) -> Tensor:
    """``x`` and ``twin`` as channels of one tensor, like :func:`torch.cat`, with a quicker way back.

    torch hands each of them a view into the one gradient, on which batch norm's backward runs many times slower than
    on a whole tensor, which it is handed here.
    """
    joined: Tensor = _Concatenate.apply(x, twin)
    return joined


class _Concatenate(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, twin: Tensor) -> Tensor:  # noqa: ANN401  torch's context
        ctx.channels = [x.shape[1], twin.shape[1]]
        return torch.cat([x, twin], dim=1)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, ...]:  # noqa: ANN401
        (gradient,) = gradients
        last = gradient.is_contiguous(memory_format=torch.channels_last)
        layout = torch.channels_last if last else torch.contiguous_format
        return tuple(part.contiguous(memory_format=layout) for part in torch.split(gradient, ctx.channels, dim=1))
