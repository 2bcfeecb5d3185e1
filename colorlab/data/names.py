"""Create datasets from names, paths and other packages' datasets."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, get_args

from torch.utils.data import Dataset

from colorlab.data.archive import ARCHIVE_SUFFIXES, TarFiles
from colorlab.data.cifar import cifar10
from colorlab.data.crops import MIN_AREA
from colorlab.data.dataset import ImageDataset, Split
from colorlab.data.download import SOURCES
from colorlab.data.files import FolderFiles, ImageFiles
from colorlab.data.given import given_dataset
from colorlab.data.placeholder import placeholder
from colorlab.data.stored import Unreadable, stored_dataset
from colorlab.registry import Name, Registry, accepted, did_you_mean

if TYPE_CHECKING:
    Data = str | Path | Dataset[Any]
else:

    class Data(Name):
        """Mark the name of a registered dataset, or a path, for the command line."""


DATASETS: Registry[Callable[..., Dataset[Any]]] = Registry("dataset")
"""The datasets with a name; any folder or tar of images is given by its path."""

Builder = TypeVar("Builder", bound=Callable[..., Dataset[Any]])


def register_dataset(name: str) -> Callable[[Builder], Builder]:
    """Register a dataset under a name, for ``train``, ``evaluate`` and the command line.

    Use it as a decorator of a dataset class, or of a function that returns a dataset: a ``torch.utils.data.Dataset``
    with a length, whose items are an image, uint8 RGB ``(3, H, W)``, and a class index. Its attribute ``classes``, if
    it has one, holds the class names.

    The class or function receives those of these arguments that it accepts: ``split`` (``train``, ``val`` or
    ``test``); ``size``, the side of the images in pixels (images of another size are cropped and resized); ``root``,
    the folder of the datasets; ``archive``, ``unreadable``, ``min_colorfulness`` and ``min_crop_area``, as in
    :func:`colorlab.data.create_dataset`.

    Args:
        name: name of the dataset.

    Raises:
        ValueError: another module has registered this name.
    """

    return DATASETS.adding(name)


def create_dataset(
    data: Data,
    split: Split,
    *,
    size: int = 32,
    root: str | Path = "data",
    archive: bool = False,
    unreadable: Unreadable = "skip",
    min_colorfulness: float = 0.0,
    min_crop_area: float = MIN_AREA,
) -> ImageDataset:
    """Create the dataset ``data``: in memory up to 1 GiB, else read from its files on request.

    Args:
        data: the name of a registered dataset (:data:`DATASETS`); the path of a folder or tar of images
            (:mod:`colorlab.data.layouts`); or a ``torch.utils.data.Dataset`` (:func:`register_dataset`), which is
            used for every split.
        split: ``train``, ``val`` or ``test``; if a dataset has only one of the last two, it serves as both.
        size: side of the images in pixels; above 64, training uses random crops (:mod:`colorlab.data.crops`).
        root: folder of the datasets that have a name.
        archive: read a Places dataset from its archive even if there is a folder.
        unreadable: ``skip`` unreadable files and print their number to standard error, or ``fail``.
        min_colorfulness: skip images with less color (:func:`colorlab.color.colorfulness`: 0 is gray, 15 slightly
            colorful), which teach a colorizer to stay gray. No effect on `placeholder` and `cifar10`.
        min_crop_area: smallest fraction of an image's area that a random crop takes.

    Raises:
        ValueError: the name or split is unknown, the size is below 1, or the dataset is missing.
        TypeError: ``data`` is neither a name, a path nor a dataset.
    """
    check_name(data)
    if split not in get_args(Split):
        raise ValueError(f"no split {split!r}; there are {', '.join(get_args(Split))}")
    if size < 1:
        raise ValueError(f"size must be at least 1 pixel, got {size}")
    if isinstance(data, Dataset):
        return given_dataset(data, size)
    name = os.path.expanduser(data)
    options = {
        "size": size,
        "root": Path(root).expanduser(),
        "archive": archive,
        "unreadable": unreadable,
        "min_colorfulness": min_colorfulness,
        "min_crop_area": min_crop_area,
    }
    if name not in DATASETS:
        return stored_dataset(open_files(Path(name)), name, split, **accepted(stored_dataset, options))
    build = DATASETS[name]
    return given_dataset(build(**accepted(build, {"split": split, **options})), size)


register_dataset("placeholder")(placeholder)
register_dataset("cifar10")(cifar10)


def _register_places(name: str) -> None:
    def places(split: Split, root: Path, archive: bool, **options: Any) -> ImageDataset:  # noqa: ANN401
        path, layout = _find(name, root, archive)
        return stored_dataset(open_files(path), layout, split, **options)

    DATASETS.add(name, places, places)


for _name in ("places100", "places205", "places365"):
    _register_places(_name)


def options_of(data: Data) -> Collection[str]:
    """Return the options of :func:`create_dataset` that have an effect on a dataset."""
    if isinstance(data, Dataset):
        return {"size"}
    options = set(inspect.signature(create_dataset).parameters) - {"data", "split"}
    build = DATASETS.get(str(data))
    if build is None:
        return options - {"root", "archive"}
    return set(accepted(build, dict.fromkeys(options)))


def describe(data: Data) -> str:
    """Return the name or path of a dataset, or its class name if it has neither."""
    return type(data).__name__ if isinstance(data, Dataset) else str(data)


def open_files(path: Path) -> ImageFiles:
    """Return the images in a folder or tar.

    Raises:
        ValueError: there is no folder or tar, or it cannot be read.
    """
    if not path.exists():
        raise ValueError(f"there is no folder or tar at {path}")
    return FolderFiles(path) if path.is_dir() else TarFiles(path)


def check_name(data: Data) -> None:
    """Raise an error unless ``data`` is a dataset, the name of one, or a path of images."""
    if isinstance(data, Dataset):
        return
    if not isinstance(data, str | Path):
        raise TypeError(
            f"data must be the name of a dataset, the path of images or a torch Dataset, not {type(data).__name__}"
        )
    name = str(data)
    if not name:
        raise ValueError("the name of the dataset is empty; give one, or the path of a folder or tar of images")
    if name not in DATASETS and "/" not in name and not Path(name).exists():
        raise ValueError(
            f"no dataset {name!r}; there are {', '.join(DATASETS)}, or the path of a folder or tar of images"
            + did_you_mean(name, DATASETS)
        )


def _find(name: str, root: Path, archive: bool) -> tuple[Path, str]:
    """Return the path of a Places dataset and its layout.

    The path is ``<root>/<name>`` or, if that is missing or ``archive`` is given, ``<root>/<name>.tar`` (also
    compressed) or the archive under its published name. `places100` has its own path, or is drawn from `places365`.
    """
    source = SOURCES[name]
    for owner in dict.fromkeys([name, source.dataset]):
        folder = root / owner
        # A folder that was reduced to places100 already keeps its splits.
        layout = "own" if name == "places100" == owner else name
        if folder.is_dir() and not archive:
            return folder, layout
        published = [source.file] if owner == source.dataset else []
        for candidate in [*(f"{owner}{suffix}" for suffix in ARCHIVE_SUFFIXES), *published]:
            if (root / candidate).is_file():
                return root / candidate, layout
    wanted = root / (f"{name}.tar" if archive else name)
    raise ValueError(
        f"{name} is not there; download it ({source.size} from {source.url}) with `python -m colorlab data download "
        f"{name}`, or put {source.file} into {root}, or folders train, val and test"
        f"{' in a tar' if archive else ''} into {wanted}"
    )
