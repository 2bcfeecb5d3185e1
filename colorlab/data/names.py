"""The one place where names become data sets."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Literal, get_args

from colorlab.data.cifar import cifar10
from colorlab.data.files import picture_files
from colorlab.data.pictures import PictureDataset, Split
from colorlab.data.placeholder import placeholder

DatasetName = Literal["placeholder", "cifar10", "places100", "places205", "places365"]
DATASET_NAMES: tuple[DatasetName, ...] = get_args(DatasetName)


def create_dataset(
    name: str, split: Split, *, size: int = 32, root: str | Path = "data", archive: bool = False
) -> PictureDataset:
    """The data set ``name``, in memory.

    Args:
        name: one of :data:`DATASET_NAMES`, or the path of an own folder or tar (:mod:`colorlab.data.files`).
        split: ``train``, ``val`` or ``test``; where a data set has only one of the last two, it serves as both.
        size: side of the pictures in pixels.
        root: the folder in which data sets lie by name.
        archive: read a Places data set from ``<root>/<name>.tar``.

    Raises:
        ValueError: an unknown name or split, a size below 1, or a data set that is not there.
    """
    check_name(name)
    if split not in get_args(Split):
        raise ValueError(f"no split {split!r}; there are {', '.join(get_args(Split))}")
    if size < 1:
        raise ValueError(f"size must be at least 1 pixel, got {size}")
    if name == "placeholder":
        return placeholder(split, size)
    if name == "cifar10":
        return cifar10(Path(root), split, size)
    if name in DATASET_NAMES:
        return picture_files(Path(root) / (f"{name}.tar" if archive else name), split, size)
    return picture_files(Path(name), split, size)


def check_name(name: str) -> None:
    """Refuse what is neither the name of a data set nor the path of an own one."""
    if name not in DATASET_NAMES and "/" not in name and not Path(name).exists():
        nearest = difflib.get_close_matches(name, DATASET_NAMES, n=1)
        raise ValueError(
            f"no data set {name!r}; there are {', '.join(DATASET_NAMES)}, or the path of a folder or tar of pictures"
            + (f"; did you mean {nearest[0]}?" if nearest else "")
        )
