"""Scores of colorizers on a data set: a table with a row per picture, and its means with standard errors."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from colorlab import color
from colorlab.data import PictureDataset
from colorlab.models import Colorizer

SCORES = ("mse", "mae", "psnr")


@torch.inference_mode()
def score(model: Colorizer, dataset: PictureDataset, *, batch_size: int = 100) -> pd.DataFrame:
    r"""Every picture's errors under a colorizer that sees its L\*.

    Args:
        model: used in ``eval()`` mode and left in the mode it came in.
        dataset: pictures of a size that the model takes.
        batch_size: pictures at a time.

    Returns:
        A row per picture, in the data set's order: ``label``, the class's name;

        * ``mse``, mean of (Δa² + Δb²)/2 over pixels, in squared Lab units (lower is better);
        * ``mae``, mean of (\|Δa\| + \|Δb\|)/2, in Lab units (lower is better);
        * ``psnr``, peak signal-to-noise ratio of 8-bit RGB in dB (higher is better; infinite for equal pictures),
          the prediction joined with the true L and fitted to the gamut.
    """
    was_training = model.training
    model.eval()
    columns: dict[str, list[Tensor]] = {name: [] for name in SCORES}
    for rgb in torch.split(dataset.rgb, batch_size):
        lab = color.rgb_to_lab(rgb)
        lightness, true_ab = color.split(lab)
        predicted = model(lightness).float()
        error = (predicted - true_ab) * color.AB_SCALE
        columns["mse"].append(error.square().mean(dim=(1, 2, 3)))
        columns["mae"].append(error.abs().mean(dim=(1, 2, 3)))
        coloured = color.to_uint8(color.lab_to_rgb(color.fit_to_gamut(color.join(lightness, predicted))))
        squared = (coloured.double() - rgb.double()).square().mean(dim=(1, 2, 3))
        columns["psnr"].append(10 * (255**2 / squared).log10())
    model.train(was_training)
    table = pd.DataFrame({name: torch.cat(values).double().numpy() for name, values in columns.items()})
    table.insert(0, "label", [dataset.classes[i] for i in dataset.labels.tolist()])
    return table


def compare(models: Mapping[str, Colorizer], dataset: PictureDataset) -> pd.DataFrame:
    """:func:`score` of several colorizers, one under the other, with a first column ``model``."""
    tables = []
    for name, model in models.items():
        table = score(model, dataset)
        table.insert(0, "model", name)
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def summary(scores: pd.DataFrame) -> pd.DataFrame:
    """Means and standard errors over pictures of what :func:`compare` gives; one row per model, in its order.

    Columns ``mse``, ``mse_se`` and so on, and ``n``, the number of pictures. Infinite PSNRs (pictures met exactly)
    are left out of the PSNR's mean and error.
    """
    finite = scores.replace([np.inf, -np.inf], np.nan)
    groups = finite.groupby("model", sort=False)[list(SCORES)]
    means, errors = groups.mean(), groups.sem()
    table = pd.DataFrame(index=means.index)
    for name in SCORES:
        table[name], table[f"{name}_se"] = means[name], errors[name]
    table["n"] = groups.size()
    return table
