"""The weights of Zhang's class-rebalanced score: how rare a color is in photographs.

``ab_histogram.csv`` counts the colors of 40,000 photographs on a grid of 10 units in (a, b); its first lines say
which, and ``tools/ab_histogram.py`` made it. The weights follow section 2.2 of Zhang, Isola and Efros,
arXiv:1603.08511, with λ = 0: one over the shares of pixels, smoothed by a Gaussian of σ = 5 Lab units. A share is at
least 10⁻⁶, so that no single pixel dominates.
"""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from colorlab import color

CELL = 10
"""Side of a cell in (a, b), Lab units."""

REACH = 11
"""Cells to each side of gray: centers from -110 to 110."""

SIGMA = 5.0
"""Standard deviation of the smoothing, Lab units."""

LEAST = 1e-6
"""The smallest share of pixels of any color."""

FILE = Path(__file__).with_name("ab_histogram.csv")


def cells(lab: Tensor) -> Tensor:
    """Return the index of each color's cell, ``(N, H, W)`` for Lab ``(N, 3, H, W)``: row by row of a, along b."""
    a, b = (lab[:, 1:] / CELL).round().clamp(-REACH, REACH).long().unbind(1)
    return (a + REACH) * (2 * REACH + 1) + b + REACH


def histogram(rgb: Tensor) -> Tensor:
    """Count the pixels of ``(N, 3, H, W)`` uint8 images in each cell: ``(23, 23)``, a downward, b rightward."""
    side = 2 * REACH + 1
    counts = torch.zeros(side**2, dtype=torch.int64)
    for part in torch.split(rgb, 256):
        counts += torch.bincount(cells(color.rgb_to_lab(part)).flatten(), minlength=side**2)
    return counts.view(side, side)


@functools.cache
def prior() -> Tensor:
    """Return the smoothed share p̃ of all photographs' pixels in each cell, ``(23, 23)`` float64."""
    from scipy.ndimage import gaussian_filter

    table = pd.read_csv(FILE, comment="#")
    counts = np.zeros((2 * REACH + 1, 2 * REACH + 1))
    counts[table["a"] // CELL + REACH, table["b"] // CELL + REACH] = table["pixels"]
    smooth = gaussian_filter(counts / counts.sum(), sigma=SIGMA / CELL, mode="constant")
    return torch.from_numpy(np.maximum(smooth, LEAST))


def weights(lab: Tensor) -> Tensor:
    """Return 1/p̃ of every pixel's color, ``(N, H, W)``, for Lab ``(N, 3, H, W)``."""
    return (1 / prior()).flatten().to(lab.device)[cells(lab)]
