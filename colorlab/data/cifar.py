"""CIFAR-10: 60,000 images of 32×32 pixels in ten classes, through torchvision.

Reference: Krizhevsky, *Learning Multiple Layers of Features from Tiny Images*, 2009.
"""

from __future__ import annotations

import functools
from pathlib import Path
from urllib.error import URLError

import torch
from torchvision.datasets import CIFAR10
from torchvision.transforms import v2

from colorlab.data.dataset import ImageDataset, Split


@functools.lru_cache(maxsize=3)
def cifar10(root: Path, split: Split, size: int) -> ImageDataset:
    """Return the 50,000 training images, or the 10,000 test images, which also serve as ``val``.

    They are taken from ``<root>/cifar10``, where torchvision downloads them to (170 MB, checksum verified) if they
    are missing.

    Raises:
        ValueError: they are neither there nor to be had.
    """
    folder = root / "cifar10"
    try:
        source = _open(folder, split)
    except (URLError, OSError, RuntimeError) as error:
        archive = folder / CIFAR10.filename
        if archive.exists():
            raise ValueError(
                f"{archive} is damaged or cut short (its checksum is not the published one), and cannot be "
                f"downloaded anew ({error}); put the whole file from {CIFAR10.url} there"
            ) from error
        raise ValueError(
            f"CIFAR-10 could not be downloaded ({error}): it has 170 MB; by hand, put {CIFAR10.filename} from "
            f"{CIFAR10.url} into {folder}"
        ) from error
    rgb = torch.from_numpy(source.data).movedim(-1, 1)
    if size != 32:
        rgb = v2.functional.resize(rgb, [size, size], antialias=True)
    return ImageDataset(rgb.contiguous(), torch.tensor(source.targets), source.classes)


def _open(folder: Path, split: Split) -> CIFAR10:
    try:
        return CIFAR10(folder, train=split == "train")
    except RuntimeError:  # torchvision's word for "not there, or not what the checksum says"
        return CIFAR10(folder, train=split == "train", download=True)
