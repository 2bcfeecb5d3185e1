"""The one place where names, paths and datasets of others become datasets."""

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
        """The name of a registered dataset, or a path, which the command line knows by this type."""


DATASETS: Registry[Callable[..., Dataset[Any]]] = Registry("dataset")
"""The datasets that have a name; any folder or tar of images has its path."""

Builder = TypeVar("Builder", bound=Callable[..., Dataset[Any]])


def register_dataset(name: str) -> Callable[[Builder], Builder]:
    """Register a dataset under a name, for ``train``, ``evaluate`` and the command line.

    To be written above a class of datasets, or a function that makes one: a ``torch.utils.data.Dataset`` with a
    length, whose items are an image, uint8 RGB ``(3, H, W)``, and the number of its class. The names of the classes
    are its ``classes``, if it has such an attribute.

    It is given those of these arguments that it takes: ``split`` (``train``, ``val`` or ``test``); ``size``, the side
    in pixels that the images are to have (they are cut and reduced to it where they have another); ``root``, the
    folder in which datasets lie; ``archive``, ``unreadable``, ``min_colorfulness`` and ``min_crop_area``, as in
    :func:`colorlab.data.create_dataset`.

    Args:
        name: of the dataset.

    Raises:
        ValueError: another module has taken the name.
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
    """The dataset ``data``: in memory if it is small (1 GiB), else read from its files as it is asked for.

    Args:
        data: the name of a registered dataset (:data:`DATASETS`); the path of a folder or tar of images
            (:mod:`colorlab.data.layouts`); or a ``torch.utils.data.Dataset`` (:func:`register_dataset`), which is
            taken as it is, whatever the split.
        split: ``train``, ``val`` or ``test``; where a dataset has only one of the last two, it serves as both.
        size: side of the images in pixels; above 64, training images are cut at random from their files
            (:mod:`colorlab.data.crops`).
        root: the folder in which datasets lie by name.
        archive: read a Places dataset from its archive even if there is a folder.
        unreadable: ``skip`` files that are no readable images, with their number on standard error, or ``fail``.
        min_colorfulness: leave out images with less color (:func:`colorlab.color.colorfulness`: 0 is gray, 15
            slightly colorful), which teach a colorizer to stay gray. For images in files; `placeholder` and
            `cifar10` are taken as they are.
        min_crop_area: the least share of an image's area that a random crop takes.

    Raises:
        ValueError: an unknown name or split, a size below 1, or a dataset that is not there.
        TypeError: neither name, path nor dataset.
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
    """Those options of :func:`create_dataset` that make a difference to a dataset."""
    if isinstance(data, Dataset):
        return {"size"}
    options = set(inspect.signature(create_dataset).parameters) - {"data", "split"}
    build = DATASETS.get(str(data))
    if build is None:
        return options - {"root", "archive"}
    return set(accepted(build, dict.fromkeys(options)))


def describe(data: Data) -> str:
    """The name or path of a dataset; of one that has neither, its class."""
    return type(data).__name__ if isinstance(data, Dataset) else str(data)


def open_files(path: Path) -> ImageFiles:
    """The images in a folder or tar.

    Raises:
        ValueError: there is neither, or it cannot be read.
    """
    if not path.exists():
        raise ValueError(f"there is no folder or tar at {path}")
    return FolderFiles(path) if path.is_dir() else TarFiles(path)


def check_name(data: Data) -> None:
    """Refuse what is neither a dataset, nor the name of one, nor the path of images."""
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
