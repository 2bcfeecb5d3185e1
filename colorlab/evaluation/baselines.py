"""The baselines: gray, and one color for every pixel."""

from __future__ import annotations

import torch

from colorlab import color
from colorlab.data import ImageDataset
from colorlab.models import ConstantColor

ENOUGH = 10_000
"""The most images that a mean color is computed from."""


def gray() -> ConstantColor:
    """Return the colorizer with a = b = 0, which leaves a gray image as it is."""
    return ConstantColor((0.0, 0.0))


def mean_color(dataset: ImageDataset, *, batch_size: int = 100) -> ConstantColor:
    """Return the colorizer that gives every pixel the mean a and b of a dataset (use its training split).

    Of a larger dataset, it takes :data:`ENOUGH` images at even distances. The mean a and b of images scatter by some
    10 units, so the mean is known to 0.1.
    """
    total = torch.zeros(2, dtype=torch.float64)
    count = min(len(dataset), ENOUGH)
    chosen = [i * len(dataset) // count for i in range(count)]
    for start in range(0, count, batch_size):
        rgb, _ = dataset.pick(chosen[start : start + batch_size])
        total += color.rgb_to_lab(rgb)[:, 1:].double().mean(dim=(2, 3)).sum(dim=0)
    return ConstantColor((total / max(1, count)).tolist())
