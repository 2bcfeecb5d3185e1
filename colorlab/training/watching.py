"""What a run shows of a colorizer after each epoch: some validation images, and a warning if color is given up."""

from __future__ import annotations

import warnings
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor
from torchvision.utils import make_grid

from colorlab.data import ImageDataset
from colorlab.models import Colorizer, ConstantColor, colored
from colorlab.training.checkpoint import write_whole
from colorlab.training.history import History

COLLAPSED = 0.1
"""Outputs with less than this share of the truth's colorfulness have collapsed to gray."""


class CollapseWarning(UserWarning):
    """A generator has given up color."""


def keep_images(model: Colorizer, history: History, folder: Path) -> None:
    """Color the watched images as the model now does, for the history and as a file."""
    truth = history.truth
    if truth is None or len(truth) == 0:
        return
    model.eval()
    painted = colored(model, truth.to(next(model.parameters()).device)).cpu()
    gray = colored(ConstantColor(), truth)
    sheet = Image.fromarray(make_grid(torch.cat([gray, painted, truth]), nrow=len(truth)).movedim(0, -1).numpy())
    path = folder / "epochs" / f"{len(history.images):03d}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, lambda unfinished: sheet.save(unfinished, format="PNG"))
    history.images.append(painted)


def watched(dataset: ImageDataset, count: int) -> Tensor:
    """``count`` images spread evenly over the data set, so over its classes."""
    count = min(count, len(dataset))
    return dataset.pick([i * len(dataset) // count for i in range(count)])[0]


def warn_of_collapse(history: History) -> None:
    """Warn if the last epoch's outputs are all but gray; before the first there are none."""
    row = history.rows[-1] if history.rows else {}
    if "val_colorfulness" not in row or row["val_colorfulness"] >= COLLAPSED * row["val_true_colorfulness"]:
        return
    warnings.warn(
        f"after epoch {row['epoch']} the outputs are all but gray: colorfulness {row['val_colorfulness']:.1f}, "
        f"where the truth has {row['val_true_colorfulness']:.1f}. If it stays so, look at d_real and d_fake: a "
        "discriminator that is always right teaches nothing; lower the learning rate or raise l1_weight",
        CollapseWarning,
        stacklevel=2,
    )
