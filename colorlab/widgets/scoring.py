"""Score several colorizations of one image against the original, for two widgets of notebook 11."""

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
"""Longer side, in pixels, of the compared images. Scores depend on it; papers usually use 256."""

SMALLEST = 32
"""Shorter side, in pixels, that an image needs for all scores."""

FORMULAS = ("mae", "psnr", "ssim", "ciede2000", "epsilon_5", "auc_rebalanced", "colorfulness_difference")
"""The scores shown; of scores that differ only in a unit or a weight, one is listed."""


def reduced(image: LoadedImage, name: str) -> Tensor:
    """Return an image reduced to at most :data:`SIDE` pixels on its longer side; opacity is ignored.

    Args:
        image: 8 or 16 bits.
        name: name of the image in error messages.

    Returns:
        ``(3, H, W)`` uint8.

    Raises:
        ValueError: the reduced shorter side is below :data:`SMALLEST`.
    """
    small = eight_bit(image)
    small.thumbnail((SIDE, SIDE))
    if min(small.size) < SMALLEST:
        raise ValueError(
            f"{name} is too small or too narrow: scores need {SMALLEST} pixels on the shorter side, but reduced to "
            f"at most {SIDE} on the longer side it has {small.width}×{small.height}"
        )
    return as_tensor(small)


def colored_by(model: Colorizer, rgb: Tensor) -> Tensor:
    """Return an image colorized at the model's own working size; both images are ``(3, H, W)`` uint8."""
    return as_tensor(colorize(rgb, model))


def scored(
    original: Tensor, results: Mapping[str, Tensor], perceptual: PerceptualDistance | None = None
) -> pd.DataFrame:
    """Return the scores of several results against one original.

    Args:
        original: ``(3, H, W)`` uint8.
        results: name → image of the same shape.
        perceptual: adds a column with its distance, named after its label.

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
    """Return a table sorted by one score, best first, whether lower or higher is better."""
    return table.sort_values(score, ascending=reading(score)[2] == "lower", kind="stable")
