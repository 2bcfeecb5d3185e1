"""Colorizations of one image against the original, by every score: what two widgets of notebook 10 look at."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
import torch
from torch import Tensor

from colorlab.evaluation import PerceptualDistance, score_images
from colorlab.evaluation.leaderboard import reading
from colorlab.image import LoadedImage
from colorlab.inference import colorize
from colorlab.models import Colorizer
from colorlab.widgets.subject import as_tensor, eight_bit

SIDE = 256
"""Longer side, in pixels, of the images that are compared: scores depend on it, and it is the papers' usual one."""

SMALLEST = 32
"""Shorter side, in pixels, that an image needs for all scores."""

FORMULAS = ("mae", "psnr", "ssim", "ciede2000", "epsilon_5", "auc_rebalanced", "colorfulness_difference")
"""The scores shown: of those that only differ in their unit or in a weight, one each."""


def reduced(image: LoadedImage, name: str) -> Tensor:
    """An image made smaller until its longer side is :data:`SIDE`; never larger; opacity is ignored.

    Args:
        image: 8 or 16 bits.
        name: what to call it in an error.

    Returns:
        ``(3, H, W)`` uint8.

    Raises:
        ValueError: its shorter side is then below :data:`SMALLEST`.
    """
    small = eight_bit(image)
    small.thumbnail((SIDE, SIDE))
    if min(small.size) < SMALLEST:
        raise ValueError(
            f"{name} is too small or too narrow: scores need {SMALLEST} pixels on the shorter side, and with at most "
            f"{SIDE} on the longer one it has {small.width}×{small.height}"
        )
    return as_tensor(small)


def colored_by(model: Colorizer, rgb: Tensor) -> Tensor:
    """What :func:`colorlab.colorize` makes of an image at the model's own working size; both ``(3, H, W)`` uint8."""
    return as_tensor(colorize(rgb, model))


def scored(
    original: Tensor, results: Mapping[str, Tensor], perceptual: PerceptualDistance | None = None
) -> pd.DataFrame:
    """Scores of several results against one original.

    Args:
        original: ``(3, H, W)`` uint8.
        results: name → the same shape.
        perceptual: measures one more column, called by its label.

    Returns:
        A row for each result, a column for each of :data:`FORMULAS`.
    """
    batch = torch.stack(list(results.values()))
    originals = original.expand_as(batch).contiguous()
    columns = {name: score_images(originals, batch, [name])[name] for name in FORMULAS}
    if perceptual is not None:
        columns[perceptual.label] = perceptual.distances(original[None], [result[None] for result in batch])[:, 0]
    return pd.DataFrame({name: values.numpy() for name, values in columns.items()}, index=list(results))


def best_first(table: pd.DataFrame, score: str) -> pd.DataFrame:
    """The rows of a table in the order of one of its columns, whichever direction is better for that."""
    return table.sort_values(score, ascending=reading(score)[2] == "lower", kind="stable")
