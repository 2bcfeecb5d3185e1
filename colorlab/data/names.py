"""The one place where names become data sets."""

from __future__ import annotations

import difflib
import os
from pathlib import Path
from typing import Literal, get_args

from colorlab.data.archive import ARCHIVE_SUFFIXES, TarFiles
from colorlab.data.cifar import cifar10
from colorlab.data.crops import MIN_AREA
from colorlab.data.dataset import ImageDataset, Split
from colorlab.data.download import SOURCES
from colorlab.data.files import FolderFiles, ImageFiles
from colorlab.data.placeholder import placeholder
from colorlab.data.stored import Unreadable, stored_dataset

DatasetName = Literal["placeholder", "cifar10", "places100", "places205", "places365"]
DATASET_NAMES: tuple[DatasetName, ...] = get_args(DatasetName)


def create_dataset(
    name: str | Path,
    split: Split,
    *,
    size: int = 32,
    root: str | Path = "data",
    archive: bool = False,
    unreadable: Unreadable = "skip",
    min_colorfulness: float = 0.0,
    min_crop_area: float = MIN_AREA,
) -> ImageDataset:
    """The data set ``name``: in memory if it is small (1 GiB), else read from its files as it is asked for.

    Args:
        name: one of :data:`DATASET_NAMES`, or the path of an own folder or tar (:mod:`colorlab.data.layouts`).
        split: ``train``, ``val`` or ``test``; where a data set has only one of the last two, it serves as both.
        size: side of the images in pixels; above 64, training images are cut at random from their files
            (:mod:`colorlab.data.crops`).
        root: the folder in which data sets lie by name.
        archive: read a Places data set from its archive even if there is a folder.
        unreadable: ``skip`` files that are no readable images, with their number on standard error, or ``fail``.
        min_colorfulness: leave out images with less color (:func:`colorlab.color.colorfulness`: 0 is gray, 15
            slightly colorful), which teach a colorizer to stay gray. For images in files; `placeholder` and
            `cifar10` are taken as they are.
        min_crop_area: the least share of an image's area that a random crop takes.

    Raises:
        ValueError: an unknown name or split, a size below 1, or a data set that is not there.
    """
    if not isinstance(name, str | Path):
        raise TypeError(f"name must be that of a data set or the path of an own one, not {type(name).__name__}")
    name = os.path.expanduser(name)
    check_name(name)
    if split not in get_args(Split):
        raise ValueError(f"no split {split!r}; there are {', '.join(get_args(Split))}")
    if size < 1:
        raise ValueError(f"size must be at least 1 pixel, got {size}")
    if name == "placeholder":
        return placeholder(split, size)
    if name == "cifar10":
        return cifar10(Path(root).expanduser(), split, size)
    path, layout = _find(name, Path(root).expanduser(), archive) if name in DATASET_NAMES else (Path(name), name)
    return stored_dataset(
        open_files(path),
        layout,
        split,
        size,
        unreadable=unreadable,
        min_colorfulness=min_colorfulness,
        min_crop_area=min_crop_area,
    )


def open_files(path: Path) -> ImageFiles:
    """The images in a folder or tar.

    Raises:
        ValueError: there is neither, or it cannot be read.
    """
    if not path.exists():
        raise ValueError(f"there is no folder or tar at {path}")
    return FolderFiles(path) if path.is_dir() else TarFiles(path)


def check_name(name: str) -> None:
    """Refuse what is neither the name of a data set nor the path of an own one."""
    if not name:
        raise ValueError("the name of the data set is empty; give one, or the path of a folder or tar of images")
    if name not in DATASET_NAMES and "/" not in name and not Path(name).exists():
        nearest = difflib.get_close_matches(name, DATASET_NAMES, n=1)
        raise ValueError(
            f"no data set {name!r}; there are {', '.join(DATASET_NAMES)}, or the path of a folder or tar of images"
            + (f"; did you mean {nearest[0]}?" if nearest else "")
        )


def _find(name: str, root: Path, archive: bool) -> tuple[Path, str]:
    """Where a Places data set lies, and the layout that makes it of what lies there.

    ``<root>/<name>`` or, if there is none or ``archive`` is given, ``<root>/<name>.tar`` (also compressed), or the
    archive under the name that its publisher gave it. `places100` may lie there by itself, or is made of `places365`.
    """
    source = SOURCES[name]
    for owner in dict.fromkeys([name, source.dataset]):
        folder = root / owner
        # What somebody has reduced to places100 already is taken as it lies.
        layout = "own" if name == "places100" == owner else name
        if folder.is_dir() and not archive:
            return folder, layout
        published = [source.file] if owner == source.dataset else []
        for candidate in [*(f"{owner}{suffix}" for suffix in ARCHIVE_SUFFIXES), *published]:
            if (root / candidate).is_file():
                return root / candidate, layout
    wanted = root / (f"{name}.tar" if archive else name)
    raise ValueError(
        f"{name} is not there: it is a download of {source.size} from {source.url}, which `python -m colorlab data "
        f"download {name}` fetches; files that you have, {source.file} itself, go to {root}, folders train, val and "
        f"test{' in a tar' if archive else ''} to {wanted}"
    )
