"""Colorizers that know nothing, and are hard to beat: grey, and one colour for everything."""

from __future__ import annotations

import torch

from colorlab import color
from colorlab.data import PictureDataset
from colorlab.models import ConstantColor

ENOUGH = 10_000
"""Pictures that suffice for a mean colour."""


def grey() -> ConstantColor:
    """a = b = 0 with the true lightness: the picture left as it is."""
    return ConstantColor((0.0, 0.0))


def mean_colour(dataset: PictureDataset, *, batch_size: int = 100) -> ConstantColor:
    """The mean a and b over all pixels of a data set (its training split, to be fair), for every pixel.

    Of more than :data:`ENOUGH` pictures, so many are looked at, evenly spaced: a and b of pictures' means scatter by
    some 10 units, so that the mean is known to 0.1, and a data set of millions need not be decoded for it.
    """
    total = torch.zeros(2, dtype=torch.float64)
    count = min(len(dataset), ENOUGH)
    chosen = [i * len(dataset) // count for i in range(count)]
    for start in range(0, count, batch_size):
        rgb, _ = dataset.pick(chosen[start : start + batch_size])
        total += color.rgb_to_lab(rgb)[:, 1:].double().mean(dim=(2, 3)).sum(dim=0)
    return ConstantColor((total / max(1, count)).tolist())
