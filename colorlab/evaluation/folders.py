"""The evaluation set on disk, in the seed's layout: ``<root>/<kind>/test/<class>/img-NNNN.png``.

A kind is ``original``, ``grayscale``, or the name of a model. PNG loses nothing, so what is scored is what was made.
Beside ``test`` lies ``manifest.json``, which says what the images were made from: by it a run that was interrupted
knows that it goes on with the same, and images of different origins are not compared.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import PIL
import torch
from PIL import Image
from torch import Tensor

import colorlab
from colorlab.data import Batch, ImageDataset
from colorlab.image import SUFFIXES, read_image
from colorlab.training.checkpoint import write_text

_SPLIT = "test"
_MANIFEST = "manifest.json"
_NAMED = 3  # how many images an error names of each kind of difference


class Images(NamedTuple):
    """What a data set's images are called in an evaluation set, and what identifies them."""

    names: list[str]
    sha256: str


def name_images(dataset: ImageDataset, batches: Iterable[Batch]) -> Images:
    """``<class>/img-NNNN.png`` for each image, numbered through all classes, and the SHA-256 of pixels and names.

    Args:
        dataset: whose images they are.
        batches: all of them, in order.

    Raises:
        ValueError: a class whose name cannot be that of a folder.
    """
    digits = max(4, len(str(len(dataset) - 1)))
    names: list[str] = []
    digest = hashlib.sha256()
    for rgb, labels in batches:
        for label in labels.tolist():
            folder = dataset.classes[label]
            # A class may be a path, cat/part1, of folders that stay inside.
            if folder and any(part in ("", "..") or Path(part).name != part for part in folder.split("/")):
                raise ValueError(f"the class {folder!r} cannot be a folder's name; rename it")
            # Images of an own folder without classes lie directly in `test`.
            names.append((f"{folder}/" if folder else "") + f"img-{len(names):0{digits}d}.png")
        digest.update(rgb.numpy().tobytes())
    digest.update("\n".join(names).encode())
    return Images(names, digest.hexdigest())


@dataclass(frozen=True)
class Writer:
    """A folder of an evaluation set that is being written.

    Args:
        path: the folder, ``<root>/<kind>``.
        manifest: what the images are made from, as JSON can hold it; what ends in ``sha256`` identifies them.
        render: makes this folder's images from the originals, uint8 ``(N, 3, H, W)`` to the same.
    """

    path: Path
    manifest: Mapping[str, Any]
    render: Callable[[Tensor], Tensor]

    def start(self, names: Sequence[str]) -> int:
        """Make the folder, or see that what it holds is a part of the same. The number of images it lacks.

        Raises:
            ValueError: it holds other images, or cannot be made.
        """
        versions = {"colorlab": colorlab.__version__, "torch": str(torch.__version__), "pillow": PIL.__version__}
        found = _read_manifest(self.path)
        way_out = f"remove {self.path}, or give another eval_root_path or model_suffix"
        if found is None:
            if _image_files(self.path):
                raise ValueError(f"{self.path} holds images that eval-gen did not write (no manifest); {way_out}")
            try:
                self.path.mkdir(parents=True, exist_ok=True)
                text = json.dumps({**self.manifest, "versions": versions}, indent=2, ensure_ascii=False)
                write_text(self.path / _MANIFEST, text + "\n")
            except OSError as error:
                raise ValueError(f"the folder {self.path} cannot be made: {error.strerror}") from error
            return len(names)
        for key, value in self.manifest.items():
            if key.endswith("sha256") and found.get(key) != value:
                what = key.removesuffix("_sha256")
                raise ValueError(f"{self.path} was made from other {what}, says its manifest; {way_out}")
        missing = len(self._missing(names))
        if missing and found.get("versions") != versions:
            raise ValueError(f"{self.path} was begun with {found.get('versions')}, this is {versions}; {way_out}")
        return missing

    def write(self, names: Sequence[str], rgb: Tensor) -> int:
        """Write those of a batch that are not there yet, each all at once or not at all. Their number."""
        missing = self._missing(names)
        if missing:
            # All of the batch, so that the floats are those of a run that was not interrupted.
            images = dict(zip(names, self.render(rgb).cpu().movedim(1, -1).numpy(), strict=True))
            for name in missing:
                path = self.path / _SPLIT / name
                path.parent.mkdir(parents=True, exist_ok=True)
                _save_png(images[name], path)
        return len(missing)

    def _missing(self, names: Sequence[str]) -> list[str]:
        return [name for name in names if not (self.path / _SPLIT / name).exists()]


def _save_png(rgb: npt.NDArray[np.uint8], path: Path) -> None:
    unfinished = path.with_name(path.name + ".part")
    # At 224 pixels, level 1 takes 8 ms in place of 28, and a ninth more bytes.
    Image.fromarray(rgb).save(unfinished, format="PNG", compress_level=1)
    # Not synchronized with the disk, which would double the time; what a power cut damages is found when it is read.
    os.replace(unfinished, path)


@dataclass(frozen=True)
class ImageFolder:
    """A folder of an evaluation set, as found.

    Attributes:
        path: the folder, ``<root>/<kind>``.
        sizes: height and width of each image by its name, ``<class>/img-NNNN.png``; ``None``: no image at all.
        manifest: what they were made from; empty for images from elsewhere.
    """

    path: Path
    sizes: Mapping[str, tuple[int, int] | None]
    manifest: Mapping[str, Any]

    @property
    def names(self) -> list[str]:
        """Of all images."""
        return list(self.sizes)

    def read(self, names: Sequence[str]) -> Tensor:
        """Some of the images, uint8 ``(N, 3, H, W)``.

        Raises:
            ValueError: an image is damaged, or has more than 8 bits a channel.
        """
        images = [read_image(self.path / _SPLIT / name).rgb for name in names]
        if any(image.dtype != np.uint8 for image in images):
            raise ValueError(f"{self.path} holds images of more than 8 bits a channel; only 8 can be compared")
        return torch.from_numpy(np.stack(images)).movedim(-1, 1).contiguous()


def label_of(name: str) -> str:
    """The class in an image's name; empty where there are no classes."""
    return name.rpartition("/")[0]


def open_folders(root: Path, kinds: Sequence[str]) -> list[ImageFolder]:
    """Folders of an evaluation set, in which each image of the first has its counterpart in every other.

    Args:
        root: of the evaluation set.
        kinds: names of the folders; the others are held against the first.

    Raises:
        ValueError: a folder is not there, or does not match the first; the differences are listed.
    """
    folders = [_scan(root / kind) for kind in kinds]
    first = folders[0]
    expected = dict.fromkeys(first.sizes, next(iter(first.sizes.values())))
    if len(expected) != first.manifest.get("count", len(expected)):
        raise ValueError(
            f"{first.path} holds {len(expected)} images, where its manifest says {first.manifest['count']}; give "
            "eval-gen again, which goes on where it was"
        )
    for folder in folders:
        differences = _differences(folder.sizes, expected)
        if differences:
            other = f"does not match {first.path}" if folder is not first else "is not of one size"
            raise ValueError(
                f"{folder.path} {other}: {'; '.join(differences)}. Remove what is wrong and give eval-gen again, "
                "which writes what is missing"
            )
        # Images from elsewhere have no manifest, and may be compared by name.
        made_from = {f.manifest["images_sha256"] for f in (first, folder) if "images_sha256" in f.manifest}
        if len(made_from) > 1:
            raise ValueError(
                f"{folder.path} was made from other images than {first.path}, say their manifests; remove it and "
                "give eval-gen again"
            )
    return folders


def read_batches(folders: Sequence[ImageFolder], batch_size: int) -> Iterator[tuple[list[str], list[Tensor]]]:
    """Names of images and, for each of the folders, the images of these names, uint8 ``(N, 3, H, W)``."""
    names = folders[0].names
    for start in range(0, len(names), batch_size):
        batch = names[start : start + batch_size]
        yield batch, [folder.read(batch) for folder in folders]


def _scan(path: Path) -> ImageFolder:
    sizes = {name: _size(path / _SPLIT / name) for name in _image_files(path)}
    if not sizes:
        raise ValueError(f"there are no images in {path / _SPLIT}; eval-gen writes them")
    return ImageFolder(path, sizes, _read_manifest(path) or {})


def _image_files(path: Path) -> list[str]:
    files = (path / _SPLIT).rglob("*")
    names = (f.relative_to(path / _SPLIT).as_posix() for f in files if f.suffix.lower() in SUFFIXES and f.is_file())
    # What begins with a dot is not meant to be seen.
    return sorted(name for name in names if "/." not in f"/{name}")


def _size(path: Path) -> tuple[int, int] | None:
    """Height and width, from the first bytes of the file; ``None`` if they are not those of an image."""
    try:
        with Image.open(path) as opened:
            return opened.height, opened.width
    except (OSError, ValueError, SyntaxError):  # what Pillow raises for damaged headers
        return None


def _differences(
    found: Mapping[str, tuple[int, int] | None], expected: Mapping[str, tuple[int, int] | None]
) -> list[str]:
    """Each kind of difference with its count and its first few images."""
    both = [name for name in expected if name in found]
    kinds = {
        "missing": [name for name in expected if name not in found],
        "extra": [name for name in found if name not in expected],
        "unreadable": [name for name in both if found[name] is None],
        "of another size": [name for name in both if found[name] not in (None, expected[name])],
    }
    return [
        f"{len(names)} {kind} ({', '.join(names[:_NAMED])}{', …' if len(names) > _NAMED else ''})"
        for kind, names in kinds.items()
        if names
    ]


def _read_manifest(path: Path) -> dict[str, Any] | None:
    """What :class:`Writer` wrote about a folder; ``None`` if it did not."""
    file = path / _MANIFEST
    if not file.exists():
        return None
    try:
        manifest = json.loads(file.read_text(encoding="utf-8"))
    except ValueError:
        manifest = None
    if not isinstance(manifest, dict):
        raise ValueError(f"{file} is damaged; remove {path} and give eval-gen again")
    return manifest
