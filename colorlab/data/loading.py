"""Batches of uint8 pictures."""

from __future__ import annotations

from typing import Any

import torch
from torch.utils.data import DataLoader

from colorlab.data.pictures import Batch, PictureDataset

__all__ = ["Batch", "create_loader"]


def create_loader(
    dataset: PictureDataset, batch_size: int, *, generator: torch.Generator | None = None
) -> DataLoader[Batch]:
    """Batches ``(rgb, labels)``: uint8 ``(N, 3, H, W)`` and int64 ``(N,)``.

    Args:
        dataset: what to draw from.
        batch_size: pictures in a batch; the last batch may be smaller.
        generator: draws the order, anew each epoch, and flips every other picture left to right at random;
            without one, the order is the data set's and nothing is flipped.
    """
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, got {batch_size}")

    def collate(batch: Any) -> Batch:  # noqa: ANN401  see below
        rgb, labels = batch
        if generator is None:
            return rgb, labels
        flip = torch.rand(len(rgb), generator=generator) < 0.5
        return torch.where(flip[:, None, None, None], rgb.flip(-1), rgb), labels

    # The data set's `__getitems__` has gathered the batch already, where torch's types expect samples.
    return DataLoader(
        dataset,  # type: ignore[arg-type]
        batch_size,
        shuffle=generator is not None,
        generator=generator,
        collate_fn=collate,
    )
