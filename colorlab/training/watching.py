"""Save some colorized validation images after each epoch, and warn if they turn gray."""

from __future__ import annotations

import warnings
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor
from torchvision.utils import make_grid

from colorlab.data import ImageDataset
from colorlab.models import Colorizer, ConstantColor, colored
from colorlab.training.checkpoint import write_atomically
from colorlab.training.history import History

COLLAPSED = 0.1
"""Outputs with less than this share of the true colorfulness have collapsed to gray."""


class CollapseWarning(UserWarning):
    """The outputs of a generator are nearly gray."""


def keep_images(model: Colorizer, history: History, folder: Path) -> None:
    """Colorize the watched images, and add them to the history and to the run's files."""
    truth = history.truth
    if truth is None or len(truth) == 0:
        return
    model.eval()
    painted = colored(model, truth.to(next(model.parameters()).device)).cpu()
    gray = colored(ConstantColor(), truth)
    sheet = Image.fromarray(make_grid(torch.cat([gray, painted, truth]), nrow=len(truth)).movedim(0, -1).numpy())
    path = folder / "epochs" / f"{len(history.images):03d}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, lambda unfinished: sheet.save(unfinished, format="PNG"))
    history.images.append(painted)


def watched(dataset: ImageDataset, count: int) -> Tensor:
    """Return ``count`` images at even distances in the dataset, so of all its classes."""
    count = min(count, len(dataset))
    return dataset.pick([i * len(dataset) // count for i in range(count)])[0]


def warn_of_collapse(history: History) -> None:
    """Warn if the last epoch's outputs are nearly gray."""
    row = history.rows[-1] if history.rows else {}
    if "val_colorfulness" not in row or row["val_colorfulness"] >= COLLAPSED * row["val_true_colorfulness"]:
        return
    warnings.warn(
        f"after epoch {row['epoch']} the outputs are nearly gray: colorfulness {row['val_colorfulness']:.1f}, "
        f"while the real images have {row['val_true_colorfulness']:.1f}. If this continues, look at d_real and "
        "d_fake: if the discriminator is always right, lower the learning rate or raise l1_weight",
        CollapseWarning,
        stacklevel=2,
    )
