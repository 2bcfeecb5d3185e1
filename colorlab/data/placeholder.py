"""``placeholder``: a labeled dataset without a download, cropped from photographs inside the scikit-image wheel.

Each of eight color photographs is a class. Its left 60 % is *train*; of the right 40 %, the upper half is *val* and
the lower half *test*. Crops never cross these lines, so no pixel of val or test is seen in training
(``tests/test_placeholder.py`` checks it). A seeded generator crops squares of varying size and position, which are
resized.

The dataset is small and its splits look alike, so scores on it compare *methods* in seconds; they say nothing about
photographs in general.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image

from colorlab.data.dataset import ImageDataset, Split
from colorlab.data.samples import photograph

PHOTOGRAPHS = ("astronaut", "cat", "coffee", "galaxies", "motorcycle", "retina", "rocket", "tissue")
"""The classes; each is a photograph of :data:`colorlab.data.samples.SAMPLES`."""

IMAGES_PER_CLASS: dict[Split, int] = {"train": 120, "val": 25, "test": 25}

_SEEDS: dict[Split, int] = {"train": 1, "val": 2, "test": 3}


class Box(NamedTuple):
    """A rectangle of a photograph in pixels; right and bottom are exclusive."""

    left: int
    top: int
    right: int
    bottom: int


def region(split: Split, width: int, height: int) -> Box:
    """Return the part of a ``width × height`` photograph that belongs to ``split``."""
    middle, half = round(0.6 * width), height // 2
    return {
        "train": Box(0, 0, middle, height),
        "val": Box(middle, 0, width, half),
        "test": Box(middle, half, width, height),
    }[split]


def crops(split: Split, width: int, height: int, rng: np.random.Generator, count: int) -> list[Box]:
    """Return ``count`` square crops of the split's region, with half to all of its shorter side."""
    area = region(split, width, height)
    shorter = min(area.right - area.left, area.bottom - area.top)
    # The train region is larger; drawing sides from the same range gives all splits the same scale.
    largest = min(shorter, round(0.4 * width), height // 2)
    boxes = []
    for side in rng.integers(largest // 2, largest, size=count, endpoint=True).tolist():
        left = int(rng.integers(area.left, area.right - side, endpoint=True))
        top = int(rng.integers(area.top, area.bottom - side, endpoint=True))
        boxes.append(Box(left, top, left + side, top + side))
    return boxes


@functools.lru_cache(maxsize=4)
def placeholder(split: Split, size: int) -> ImageDataset:
    """Create the dataset ``placeholder``: 8 classes, each with 120 train, 25 val and 25 test images.

    Args:
        split: ``train``, ``val`` or ``test``; disjoint regions of each photograph.
        size: side of the images in pixels; the original framework uses 32 and 224.

    Returns:
        The same images in the same order on every machine with the same Pillow and scikit-image.
    """
    rng = np.random.default_rng(_SEEDS[split])
    images, labels = [], []
    for label, name in enumerate(PHOTOGRAPHS):
        photo = photograph(name)
        for box in crops(split, photo.width, photo.height, rng, IMAGES_PER_CLASS[split]):
            # Crop before resizing, so that the resampling filter sees no pixels of other splits.
            small = photo.crop(box).resize((size, size), Image.Resampling.BICUBIC)
            images.append(torch.from_numpy(np.array(small)).movedim(-1, 0))
            labels.append(label)
    return ImageDataset(torch.stack(images), torch.tensor(labels), PHOTOGRAPHS)
