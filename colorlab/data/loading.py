"""Load batches of uint8 images in an order that can be resumed anywhere.

Order, flips and crops are a function of (seed, epoch, batch), not a stream of random numbers. Training that was
killed within an epoch therefore resumes with exactly the remaining batches, for any number of processes and of loader
workers.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset, Sampler

from colorlab.data.dataset import Batch, ImageDataset


class BatchRequest(NamedTuple):
    """Specify a batch: its images, which of them are flipped, and the seed of each crop.

    In validation there are no flips or random crops; ``seeds`` is empty.
    """

    indices: list[int]
    flips: list[bool]
    seeds: list[int]


class BatchOrder(Sampler[BatchRequest]):
    """Yield the batches of an epoch.

    Args:
        length: number of images in the dataset.
        batch_size: images per batch, over all processes; the last batch may be smaller. In training, a last batch of
            a single image is skipped.
        seed: decides order and flips, together with the epoch; ``None`` is the dataset's order, unflipped.
        crops: number of ways to flip and crop each image, in turn from epoch to epoch; 0: a new way each time.
        rank: index of this process; it gets every ``processes``-th image of each batch.
        processes: number of processes that share a batch. Images that cannot be shared evenly are skipped.

    Attributes:
        epoch: set it before iterating.
        start: the first batch.
    """

    def __init__(
        self,
        length: int,
        batch_size: int,
        seed: int | None = None,
        *,
        crops: int = 0,
        rank: int = 0,
        processes: int = 1,
    ) -> None:
        if batch_size < processes:
            raise ValueError(f"batch_size must be at least 1 for each of {processes} processes, got {batch_size}")
        self.batch_size = batch_size - batch_size % processes
        shared = length - length % processes
        # Batch normalization needs more than one image.
        alone = shared % self.batch_size == processes and seed is not None and length > self.batch_size
        self.length = shared - (processes if alone else 0)
        self.seed, self.crops = seed, crops
        self.rank, self.processes = rank, processes
        self.epoch = 0
        self.start = 0

    def __len__(self) -> int:
        return -(-self.length // self.batch_size) - self.start

    def __iter__(self) -> Iterator[BatchRequest]:
        if self.seed is None:
            order = torch.arange(self.length)
        else:
            order = torch.randperm(self.length, generator=_generator(self.seed, self.epoch))
            if self.crops:
                generator = _generator(self.seed, self.epoch % self.crops, 0)
                kept_flips, kept_seeds = _flips_and_seeds(self.length, generator)
        for number, batch in enumerate(torch.split(order, self.batch_size)):
            if number >= self.start:
                flips, seeds = torch.zeros(len(batch), dtype=torch.bool), torch.zeros(0, dtype=torch.int64)
                if self.seed is not None and self.crops:
                    flips, seeds = kept_flips[batch], kept_seeds[batch]
                elif self.seed is not None:
                    # Drawn for the batch of all processes, so the number of processes makes no difference.
                    flips, seeds = _flips_and_seeds(len(batch), _generator(self.seed, self.epoch, number + 1))
                share = slice(self.rank, None, self.processes)
                yield BatchRequest(batch[share].tolist(), flips[share].tolist(), seeds[share].tolist())


class _Batches(Dataset[Batch]):
    """Serve whole batches as the items of a dataset."""

    def __init__(self, images: ImageDataset, max_shift: int) -> None:
        self.images, self.max_shift = images, max_shift

    def __getitem__(self, request: BatchRequest) -> Batch:
        if request.seeds:
            rgb, labels = self.images.pick_for_training(request.indices, request.seeds)
        else:
            rgb, labels = self.images.__getitems__(request.indices)
        # NumPy flips three times as fast as torch.
        images, flipped = rgb.numpy(), np.array(request.flips)
        images[flipped] = images[flipped, ..., ::-1]
        if request.seeds and self.max_shift:
            rgb = shifted(rgb, request.seeds, self.max_shift)
        return rgb, labels


def shifted(rgb: Tensor, seeds: list[int], max_shift: int) -> Tensor:
    """Shift images by up to ``max_shift`` pixels along both axes, with reflection padding.

    Args:
        rgb: ``(N, 3, H, W)`` uint8.
        seeds: ``N`` numbers that decide the shifts.
        max_shift: in pixels, less than H and W.

    Returns:
        ``(N, 3, H, W)`` uint8.
    """
    steps = 2 * max_shift + 1
    down, right = (
        torch.tensor(part) for part in zip(*(divmod(seed % steps**2, steps) for seed in seeds), strict=True)
    )
    height, width = rgb.shape[-2:]
    padded = F.pad(rgb.float(), [max_shift] * 4, mode="reflect").to(torch.uint8)
    rows, columns = down[:, None] + torch.arange(height), right[:, None] + torch.arange(width)
    images = torch.arange(len(rgb))[:, None, None]
    # Channels last, so that each pixel is gathered as a whole.
    return padded.movedim(1, -1)[images, rows[:, :, None], columns[:, None]].movedim(-1, 1).contiguous()


def create_loader(
    dataset: ImageDataset,
    batch_size: int,
    *,
    seed: int | None = None,
    rank: int = 0,
    processes: int = 1,
    pin_memory: bool = False,
    workers: int = 0,
    max_shift: int = 0,
    crops: int = 0,
) -> tuple[DataLoader[Batch], BatchOrder]:
    """Return a loader of batches ``(rgb, labels)``, uint8 ``(N, 3, H, W)`` and int64 ``(N,)``, and its order.

    Args:
        dataset: the images.
        batch_size: images per batch, over all processes.
        seed: shuffles in each epoch, flips half of the images, and crops at random if the dataset does so; ``None``
            keeps the dataset's order without flips.
        rank: index of this process, under ``torchrun``.
        processes: number of processes that share the dataset.
        pin_memory: for faster copies to a GPU.
        workers: processes that read and decode images; not used for images in memory.
        max_shift: with a seed, shift images by up to this many pixels; see :func:`shifted`.
        crops: as in :class:`BatchOrder`.
    """
    workers = workers if dataset.streamed else 0
    order = BatchOrder(len(dataset), batch_size, seed, crops=crops, rank=rank, processes=processes)
    loader = DataLoader(
        _Batches(dataset, max_shift),
        batch_size=None,
        sampler=order,
        pin_memory=pin_memory,
        num_workers=workers,
        persistent_workers=workers > 0,
        worker_init_fn=_ignore_interrupts,
        # Its own generator, so that iterating does not change torch's global random state.
        generator=torch.Generator(),
    )
    return loader, order


def _ignore_interrupts(worker: int) -> None:
    """Ignore Ctrl-C, which reaches all processes of a terminal; the main process handles it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _flips_and_seeds(count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    flips = torch.rand(count, generator=generator) < 0.5
    return flips, torch.randint(2**62, (count,), generator=generator)


def _generator(*numbers: int) -> torch.Generator:
    """Return a random generator for these numbers; neighboring numbers give unrelated streams."""
    mixed = 0
    for number in numbers:
        # Multiplicative hashing with the constants of Knuth's MMIX generator, modulo 2**63.
        mixed = ((mixed ^ number) * 6364136223846793005 + 1442695040888963407) % 2**63
    return torch.Generator().manual_seed(mixed)
