"""What a data set is here: labelled uint8 pictures of one size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor
from torch.utils.data import Dataset

Split = Literal["train", "val", "test"]
Sample = tuple[Tensor, int]
Batch = tuple[Tensor, Tensor]


class PictureDataset(Dataset[Sample]):
    """Labelled pictures of one size, held in memory as uint8.

    A batch is gathered by one indexing operation (``__getitems__``, which a DataLoader calls with the indices
    of a whole batch), not picture by picture.

    Args:
        rgb: ``(N, 3, H, W)`` uint8.
        labels: ``(N,)`` class indices.
        classes: the names of the classes, by index.
    """

    def __init__(self, rgb: Tensor, labels: Tensor, classes: Sequence[str]) -> None:
        if rgb.dtype != torch.uint8 or rgb.dim() != 4 or rgb.shape[1] != 3:
            raise ValueError(f"rgb must be uint8 (N, 3, H, W), got {rgb.dtype} {tuple(rgb.shape)}")
        if labels.shape != rgb.shape[:1]:
            raise ValueError(f"labels must be ({len(rgb)},), one for each picture, got {tuple(labels.shape)}")
        self.rgb = rgb
        self.labels = labels
        self.classes = tuple(classes)

    def __len__(self) -> int:
        return len(self.rgb)

    def __getitem__(self, index: int) -> Sample:
        return self.rgb[index], int(self.labels[index])

    def __getitems__(self, indices: list[int]) -> Batch:
        return self.rgb[indices], self.labels[indices]
