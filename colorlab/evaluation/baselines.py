"""Colorizers that know nothing, and are hard to beat: gray, and one color for everything."""

from __future__ import annotations

import torch

from colorlab import color
from colorlab.data import ImageDataset
from colorlab.models import ConstantColor

ENOUGH = 10_000
"""Images that suffice for a mean color."""


def gray() -> ConstantColor:
    """a = b = 0 with the true lightness: the image left as it is."""
    return ConstantColor((0.0, 0.0))


def mean_color(dataset: ImageDataset, *, batch_size: int = 100) -> ConstantColor:
    """The mean a and b over all pixels of a data set (its training split, to be fair), for every pixel.

    Of more than :data:`ENOUGH` images, so many are looked at, evenly spaced: a and b of images' means scatter by
    some 10 units, so that the mean is known to 0.1, and a data set of millions need not be decoded for it.
    """
    total = torch.zeros(2, dtype=torch.float64)
    count = min(len(dataset), ENOUGH)
    chosen = [i * len(dataset) // count for i in range(count)]
    for start in range(0, count, batch_size):
        rgb, _ = dataset.pick(chosen[start : start + batch_size])
        total += color.rgb_to_lab(rgb)[:, 1:].double().mean(dim=(2, 3)).sum(dim=0)
    return ConstantColor((total / max(1, count)).tolist())
