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

    If ``<root>/cifar10`` does not have them, torchvision downloads them there (170 MB, checksum verified).

    Raises:
        ValueError: the images are missing and could not be downloaded.
    """
    folder = root / "cifar10"
    try:
        source = _open(folder, split)
    except (URLError, OSError, RuntimeError) as error:
        archive = folder / CIFAR10.filename
        if archive.exists():
            raise ValueError(
                f"{archive} is damaged or truncated (its checksum is not the published one), and could not be "
                f"downloaded again ({error}); replace it with the file from {CIFAR10.url}"
            ) from error
        raise ValueError(
            f"CIFAR-10 could not be downloaded ({error}); put {CIFAR10.filename} (170 MB) from {CIFAR10.url} "
            f"into {folder}"
        ) from error
    rgb = torch.from_numpy(source.data).movedim(-1, 1)
    if size != 32:
        rgb = v2.functional.resize(rgb, [size, size], antialias=True)
    return ImageDataset(rgb.contiguous(), torch.tensor(source.targets), source.classes)


def _open(folder: Path, split: Split) -> CIFAR10:
    try:
        return CIFAR10(folder, train=split == "train")
    except RuntimeError:  # missing, or the checksum does not match
        return CIFAR10(folder, train=split == "train", download=True)
