"""Adapt PyTorch datasets from other packages to colorlab's interface."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset, Subset
from torchvision.transforms import v2

from colorlab.data.dataset import Batch, ImageDataset


def given_dataset(source: Dataset[Any], size: int) -> ImageDataset:
    """Return the dataset itself if its images have this size already, else one that crops and resizes them.

    Args:
        source: has a length; its items are an image, uint8 RGB ``(3, H, W)``, and a class index.
        size: side in pixels of the center squares.

    Raises:
        TypeError: the dataset has no length.
    """
    if not hasattr(source, "__len__") or not hasattr(source, "__getitem__"):
        raise TypeError(f"{type(source).__name__} has no length; a dataset needs __len__ and __getitem__")
    if isinstance(source, ImageDataset) and (not len(source) or source[0][0].shape[1:] == (size, size)):
        return source
    return GivenDataset(source, size)


class GivenDataset(ImageDataset):
    """Crop the images of another dataset to center squares, on request.

    Args:
        source: as for :func:`given_dataset`.
        size: side of the squares in pixels.
    """

    streamed = True

    def __init__(self, source: Dataset[Any], size: int) -> None:
        self.source, self.size = source, size

    def __len__(self) -> int:
        return len(self.source)  # type: ignore[arg-type]

    @property
    def rgb(self) -> Tensor:
        """Return all images, ``(N, 3, size, size)`` uint8."""
        return self.pick(range(len(self)))[0]

    @cached_property
    def labels(self) -> Tensor:  # type: ignore[override]
        """Return ``(N,)`` class indices; reads all images once."""
        return torch.tensor([int(self.source[i][1]) for i in range(len(self))], dtype=torch.int64)

    @cached_property
    def classes(self) -> tuple[str, ...]:  # type: ignore[override]
        """Return the class names: the attribute ``classes`` of the dataset, or of the dataset it is a subset of."""
        origin = self.source
        while isinstance(origin, Subset):
            origin = origin.dataset
        known = getattr(origin, "classes", None)
        return tuple(map(str, known if known is not None else range(int(self.labels.max()) + 1)))

    def pick(self, indices: Sequence[int]) -> Batch:
        """Return the center squares of the images at ``indices``, and their classes."""
        items = [self._read(int(i)) for i in indices]
        rgb = torch.stack([image for image, _ in items]) if items else torch.empty(0, 3, self.size, self.size).byte()
        return rgb, torch.tensor([label for _, label in items], dtype=torch.int64)

    def _read(self, index: int) -> tuple[Tensor, int]:
        item = self.source[index]
        image = item[0] if isinstance(item, tuple | list) and len(item) == 2 else item
        if not isinstance(image, Tensor) or image.dtype != torch.uint8 or image.dim() != 3 or image.shape[0] != 3:
            found = f"{image.dtype} {tuple(image.shape)}" if isinstance(image, Tensor) else type(image).__name__
            raise ValueError(
                f"item {index} of {type(self.source).__name__} must be an image, a uint8 RGB tensor (3, H, W), and "
                f"a class index; got {found}"
            )
        side = min(image.shape[1:])
        if tuple(image.shape[1:]) != (self.size, self.size):
            image = v2.functional.resize(
                v2.functional.center_crop(image, [side, side]), [self.size] * 2, antialias=True
            )
        return image, int(item[1]) if item is not image and isinstance(item, tuple | list) else 0
