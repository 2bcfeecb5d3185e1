"""Create datasets whose images stay in their files and are decoded on request."""

from __future__ import annotations

import functools
import math
import os
import sys
from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from tqdm.auto import tqdm

from colorlab import color
from colorlab.data.crops import MIN_AREA, THUMBNAIL, middle, random_crop
from colorlab.data.dataset import Batch, ImageDataset, Split
from colorlab.data.files import ImageFiles
from colorlab.data.layouts import LAYOUTS, own_folder

Unreadable = Literal["skip", "fail"]

IN_MEMORY = 2**30
"""Datasets up to this size in bytes, decoded, are held in memory."""

_TRIES = 1000
_SURVEY_SIZE = 64


class StoredDataset(ImageDataset):
    """Labeled images in files, cropped to one size on request.

    The next readable file replaces an unreadable one, so a batch is the same in every run. Unreadable files are
    counted; loader workers share the count.

    Args:
        files: the image files.
        chosen: ``(N,)`` indices into ``files``.
        labels: ``(N,)`` class indices.
        classes: class names, by index.
        size: side of the images in pixels.
        cut_at_random: whether training uses random crops.
        unreadable: ``skip`` unreadable files, or ``fail``.
        min_crop_area: smallest fraction of an image's area that a random crop takes.
    """

    streamed = True

    def __init__(
        self,
        files: ImageFiles,
        chosen: npt.NDArray[np.int64],
        labels: Tensor,
        classes: Sequence[str],
        size: int,
        *,
        cut_at_random: bool = False,
        unreadable: Unreadable = "skip",
        min_crop_area: float = MIN_AREA,
    ) -> None:
        self.files, self.chosen, self.size = files, chosen, size
        self.labels, self.classes = labels, tuple(classes)
        self.cut_at_random, self.unreadable = cut_at_random, unreadable
        self.min_crop_area = min_crop_area
        self._known_unreadable = torch.zeros(len(chosen), dtype=torch.bool).share_memory_()  # type: ignore[no-untyped-call]
        self._reported = 0

    @property
    def rgb(self) -> Tensor:
        """Return all images at once, ``(N, 3, size, size)`` uint8.

        Raises:
            ValueError: they take more than :data:`IN_MEMORY` bytes.
        """
        if not self.fits_in_memory:
            raise ValueError(
                f"{len(self)} images of {self.size}×{self.size} pixels are too many to hold in memory at once; "
                "use batches(size), or index single images"
            )
        return self.pick(range(len(self)))[0]

    @property
    def fits_in_memory(self) -> bool:
        """Tell whether all images, decoded, take at most :data:`IN_MEMORY` bytes."""
        return len(self) * 3 * self.size**2 <= IN_MEMORY

    def pick(self, indices: Sequence[int]) -> Batch:
        """Return the center squares of the images at ``indices``, and their classes."""
        return self._read(indices, [None] * len(indices))

    def pick_for_training(self, indices: list[int], seeds: list[int]) -> Batch:
        """Return the images at ``indices``, with random crops if ``cut_at_random``."""
        return self._read(indices, seeds if self.cut_at_random else [None] * len(indices))

    def _read(self, indices: Sequence[int], seeds: Sequence[int | None]) -> Batch:
        rgb = torch.empty(len(indices), 3, self.size, self.size, dtype=torch.uint8)
        taken = []
        for place, (index, seed) in enumerate(zip(indices, seeds, strict=True)):
            found, rgb[place] = self._first_readable(index, seed)
            taken.append(found)
        return rgb, self.labels[torch.tensor(taken, dtype=torch.int64)]

    def _first_readable(self, index: int, seed: int | None) -> tuple[int, Tensor]:
        for step in range(min(_TRIES, len(self))):
            candidate = (index + step) % len(self)
            if not self._known_unreadable[candidate]:
                image = self.try_to_read(candidate, seed)
                if image is not None:
                    return candidate, image
        raise ValueError(
            f"{self.files.path}: from {self.name(index)} on, {min(_TRIES, len(self))} files in a row cannot be read"
            + self._read_error(index)
        )

    def try_to_read(self, index: int, seed: int | None = None) -> Tensor | None:
        """Return an image, or ``None`` if its file is unreadable, and count that file.

        Raises:
            ValueError: the file is unreadable, and ``unreadable`` is ``fail``.
        """
        try:
            return self._crop(index, seed)
        except (ValueError, OSError) as error:
            if self.unreadable == "fail":
                raise ValueError(
                    f"{self.files.path}: {self.name(index)} cannot be read: {error}; remove it, or skip unreadable "
                    "files"
                ) from error
            self._known_unreadable[index] = True
            return None

    def _crop(self, index: int, seed: int | None) -> Tensor:
        content = self.files.read(int(self.chosen[index]))
        if seed is None:
            return middle(content, self.size)
        return random_crop(content, self.size, seed, self.min_crop_area)

    def _read_error(self, index: int) -> str:
        """Return what is wrong with an unreadable file; read it again, since a worker may have found it."""
        try:
            self._crop(index, None)
        except (ValueError, OSError) as error:
            return f": {error}"
        return ""

    def name(self, index: int) -> str:
        """Return the file name of an image."""
        return self.files.name(int(self.chosen[index]))

    def file_name(self, index: int) -> str:
        """Return the name of the file that an image was read from: the next readable one if its own is not."""
        while self._known_unreadable[index]:
            index = (index + 1) % len(self)
        return self.name(index)

    def report_unreadable(self) -> None:
        """Print to standard error how many files could not be read, if the number grew since the last report."""
        known = self._known_unreadable.nonzero().flatten().tolist()
        if len(known) > self._reported:
            self._reported = len(known)
            print(
                f"{self.files.path}: skipped {len(known)} unreadable files, first {self.name(known[0])}"
                + self._read_error(known[0]),
                file=sys.stderr,
            )

    def part(self, keep: npt.NDArray[np.bool_]) -> StoredDataset:
        """Return the dataset with the images in the mask ``keep`` only; its classes stay the same."""
        return StoredDataset(
            self.files,
            self.chosen[keep],
            self.labels[torch.from_numpy(keep)],
            self.classes,
            self.size,
            cut_at_random=self.cut_at_random,
            unreadable=self.unreadable,
            min_crop_area=self.min_crop_area,
        )

    def in_memory(self) -> ImageDataset:
        """Return the dataset in memory; unreadable files are skipped and reported."""
        rgb = torch.empty(len(self), 3, self.size, self.size, dtype=torch.uint8)
        readable: list[int] = []
        for index in _progress(range(len(self)), f"reading {self.files.path.name}"):
            image = self.try_to_read(index)
            if image is not None:
                rgb[len(readable)] = image
                readable.append(index)
        self.report_unreadable()
        labels = self.labels[torch.tensor(readable, dtype=torch.int64)]
        return ImageDataset(rgb[: len(readable)], labels, self.classes, [self.name(i) for i in readable])


@functools.lru_cache(maxsize=4)
def stored_dataset(
    files: ImageFiles,
    layout: str,
    split: Split,
    size: int,
    *,
    unreadable: Unreadable = "skip",
    min_colorfulness: float = 0.0,
    min_crop_area: float = MIN_AREA,
) -> ImageDataset:
    """Create the dataset of one split of the images in ``files``.

    Images are held in memory if they take at most :data:`IN_MEMORY` bytes and are not cropped at random. If one of
    ``val`` and ``test`` has no images, the other serves as both.

    Args:
        files: the images in a folder or archive.
        layout: a key of :data:`colorlab.data.layouts.LAYOUTS`; any other string means an own folder.
        split: ``train``, ``val`` or ``test``.
        size: side of the images in pixels.
        unreadable: ``fail`` decodes all files first, so a bad file is found before training begins.
        min_colorfulness: skip images with less color (:func:`colorlab.color.colorfulness`); above 0, all files are
            decoded first.
        min_crop_area: smallest fraction of an image's area that a random crop takes.

    Raises:
        ValueError: there are no images for that split, or a file is unreadable and ``unreadable`` is ``fail``.
    """
    names = [os.fsdecode(name) for name in files.names]
    if not names:
        raise ValueError(_describe_empty(files, split, 0))
    try:
        splits = LAYOUTS.get(layout, own_folder)(names)
    except ValueError as error:
        raise ValueError(f"{files.path} has {error}") from error
    for what, which in (
        ("links, pipes, devices and paths that lead outside", files.left_out),
        ("files that are not images", files.others),
    ):
        if which:
            print(f"{files.path}: skipped {len(which)} {what}, first {which[0]}", file=sys.stderr)
    stand_in: dict[Split, Split] = {"val": "test", "test": "val", "train": "train"}
    members = splits[split] or splits[stand_in[split]]
    # Classes of all splits: a class without images in this split must not renumber the others.
    classes = sorted({name for part in splits.values() for _, name in part})
    number = {name: i for i, name in enumerate(classes)}
    dataset = StoredDataset(
        files,
        np.array([index for index, _ in members], dtype=np.int64),
        torch.tensor([number[name] for _, name in members], dtype=torch.int64),
        classes,
        size,
        cut_at_random=split == "train" and size > THUMBNAIL,
        unreadable=unreadable,
        min_crop_area=min_crop_area,
    )
    if min_colorfulness > 0:
        dataset = _colorful(dataset, min_colorfulness)
    # A dataset in memory reads all files anyway.
    keep = dataset.fits_in_memory and not dataset.cut_at_random
    if unreadable == "fail" and not keep and min_colorfulness == 0:
        _colorful(dataset, 0.0)
    found = dataset.in_memory() if keep else dataset
    if len(found) == 0:
        raise ValueError(_describe_empty(files, split, len(members)))
    return found


def _describe_empty(files: ImageFiles, split: Split, members: int) -> str:
    if members:
        return f"{files.path} holds {members} files for {split!r}, of which none can be read or has enough color"
    if len(files) == 0:
        return f"{files.path} holds no images; it needs {split}/<class>/<image>, or just images"
    if len(files) == 1:
        return f"{files.path}: 1 image is too few to be divided into train, val and test"
    return f"{files.path} holds {len(files)} images, none of them for {split!r}; it needs {split}/<class>/<image>"


def _colorful(dataset: StoredDataset, minimum: float) -> StoredDataset:
    """Return the readable images that are colorful enough, measured on 64×64 pixels of each."""
    small = StoredDataset(
        dataset.files, dataset.chosen, dataset.labels, dataset.classes, _SURVEY_SIZE, unreadable=dataset.unreadable
    )
    found = np.full(len(dataset), math.nan)
    for index in _progress(range(len(dataset)), f"looking through {dataset.files.path.name}"):
        image = small.try_to_read(index)
        if image is not None:
            found[index] = float(color.colorfulness(image))
    small.report_unreadable()
    keep = found >= minimum
    if (gray := int((found < minimum).sum())) > 0:
        print(
            f"{dataset.files.path}: skipped {gray} of {len(found)} images with less color than {minimum:g}",
            file=sys.stderr,
        )
    return dataset.part(keep)


def _progress(indices: range, what: str) -> tqdm:
    return tqdm(indices, desc=what, unit="image", leave=False, disable=None, delay=2)
