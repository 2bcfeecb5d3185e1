"""The dataset type of colorlab: labeled uint8 images of one size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

import torch
from torch import Tensor
from torch.utils.data import Dataset

Split = Literal["train", "val", "test"]
Sample = tuple[Tensor, int]
Batch = tuple[Tensor, Tensor]


class ImageDataset(Dataset[Sample]):
    """Labeled images of one size, held in memory as uint8.

    A DataLoader gets a whole batch by one indexing operation (``__getitems__``), not image by image.
    :class:`colorlab.data.stored.StoredDataset` has the same interface and reads its images from files on request.

    Args:
        rgb: ``(N, 3, H, W)`` uint8.
        labels: ``(N,)`` class indices.
        classes: class names, by index.
        files: file names of the images, if they have any.
    """

    streamed = False
    """Whether images are read and decoded on request, so that loader workers help."""

    _files: Sequence[str] | None = None

    def __init__(
        self, rgb: Tensor, labels: Tensor, classes: Sequence[str], files: Sequence[str] | None = None
    ) -> None:
        if rgb.dtype != torch.uint8 or rgb.dim() != 4 or rgb.shape[1] != 3:
            raise ValueError(f"rgb must be uint8 (N, 3, H, W), got {rgb.dtype} {tuple(rgb.shape)}")
        if labels.shape != rgb.shape[:1]:
            raise ValueError(f"labels must be ({len(rgb)},), one for each image, got {tuple(labels.shape)}")
        self._rgb = rgb
        self.labels = labels
        self.classes = tuple(classes)
        self._files = files

    def file_name(self, index: int) -> str:
        """Return the file name of an image, or an empty string if it has none."""
        return self._files[index] if self._files else ""

    @property
    def rgb(self) -> Tensor:
        """Return all images, ``(N, 3, H, W)`` uint8."""
        return self._rgb

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> Sample:
        if not -len(self) <= index < len(self):
            raise IndexError(f"image {index} of {len(self)}")
        rgb, labels = self.pick([index % len(self)])
        return rgb[0], int(labels[0])

    def __getitems__(self, indices: list[int]) -> Batch:
        return self.pick(indices)

    def pick(self, indices: Sequence[int]) -> Batch:
        """Return the images at ``indices``, ``(n, 3, H, W)`` uint8, and their classes, ``(n,)``."""
        chosen = torch.as_tensor(indices, dtype=torch.int64)
        # `self._rgb[chosen]` takes 15 times as long.
        return self._rgb.index_select(0, chosen), self.labels[chosen]

    def pick_for_training(self, indices: list[int], seeds: list[int]) -> Batch:
        """Return the images at ``indices`` with random crops, each decided by its seed.

        Images in memory are already cropped and come as they are. The loader does the flips, for all datasets.
        """
        return self.__getitems__(indices)

    def batches(self, size: int) -> Iterator[Batch]:
        """Yield all images in order, ``size`` at a time, with only one batch in memory."""
        for start in range(0, len(self), size):
            yield self.pick(range(start, min(start + size, len(self))))

    def report_unreadable(self) -> None:
        """Print to standard error how many files could not be read, if the number grew since the last report."""
