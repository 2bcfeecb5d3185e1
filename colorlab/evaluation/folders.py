"""Write and read evaluation sets in the original framework's layout: ``<root>/<kind>/test/<class>/img-NNNN.png``.

A kind is ``original``, ``grayscale``, or the name of a model. PNG is lossless. ``manifest.json``, beside ``test``,
says what the images were made from, so that an interrupted run continues with the same images, and images of
different origin are not compared.
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
_LISTED = 3  # images that an error lists for each kind of difference


class Images(NamedTuple):
    """The names of a dataset's images in an evaluation set, and the SHA-256 of pixels and names."""

    names: list[str]
    sha256: str


def name_images(dataset: ImageDataset, batches: Iterable[Batch]) -> Images:
    """Name each image ``<class>/img-NNNN.png``, numbered through all classes, and compute their SHA-256.

    Args:
        dataset: the dataset of the images.
        batches: all its images, in order.

    Raises:
        ValueError: the name of a class cannot be a folder's name.
    """
    digits = max(4, len(str(len(dataset) - 1)))
    names: list[str] = []
    digest = hashlib.sha256()
    for rgb, labels in batches:
        for label in labels.tolist():
            folder = dataset.classes[label]
            # A class may be a path, such as cat/part1, but must not leave the folder.
            if folder and any(part in ("", "..") or Path(part).name != part for part in folder.split("/")):
                raise ValueError(f"the class {folder!r} cannot be a folder's name; rename it")
            # Images without classes lie directly in `test`.
            names.append((f"{folder}/" if folder else "") + f"img-{len(names):0{digits}d}.png")
        digest.update(rgb.numpy().tobytes())
    digest.update("\n".join(names).encode())
    return Images(names, digest.hexdigest())


@dataclass(frozen=True)
class Writer:
    """Writes one folder of an evaluation set.

    Args:
        path: the folder, ``<root>/<kind>``.
        manifest: what the images are made from, as JSON values; keys that end in ``sha256`` identify them.
        render: makes this folder's images from the originals, uint8 ``(N, 3, H, W)`` to the same.
    """

    path: Path
    manifest: Mapping[str, Any]
    render: Callable[[Tensor], Tensor]

    def start(self, names: Sequence[str]) -> int:
        """Make the folder, or check that it holds a part of the same images, and return how many are missing.

        Raises:
            ValueError: it holds other images, or cannot be created.
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
                raise ValueError(f"the folder {self.path} cannot be created: {error.strerror}") from error
            return len(names)
        for key, value in self.manifest.items():
            if key.endswith("sha256") and found.get(key) != value:
                what = key.removesuffix("_sha256")
                raise ValueError(f"{self.path} was made from other {what}, says its manifest; {way_out}")
        missing = len(self._missing(names))
        if missing and found.get("versions") != versions:
            raise ValueError(f"{self.path} was started with {found.get('versions')}, not {versions}; {way_out}")
        return missing

    def write(self, names: Sequence[str], rgb: Tensor) -> int:
        """Write the missing images of a batch, each atomically, and return their number."""
        missing = self._missing(names)
        if missing:
            # Render the whole batch, so that the floats are those of an uninterrupted run.
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
    # At 224 pixels, level 1 takes 8 ms instead of 28, and 11 % more bytes.
    Image.fromarray(rgb).save(unfinished, format="PNG", compress_level=1)
    # No fsync, which would double the time; reading detects files that a power cut damaged.
    os.replace(unfinished, path)


@dataclass(frozen=True)
class ImageFolder:
    """An existing folder of an evaluation set.

    Attributes:
        path: the folder, ``<root>/<kind>``.
        sizes: height and width of each image by its name, ``<class>/img-NNNN.png``; ``None`` if it is unreadable.
        manifest: what the images were made from; empty for images from elsewhere.
    """

    path: Path
    sizes: Mapping[str, tuple[int, int] | None]
    manifest: Mapping[str, Any]

    @property
    def names(self) -> list[str]:
        """Return the names of all images."""
        return list(self.sizes)

    def read(self, names: Sequence[str]) -> Tensor:
        """Return images by name, uint8 ``(N, 3, H, W)``.

        Raises:
            ValueError: an image is damaged, or has more than 8 bits per channel.
        """
        images = [read_image(self.path / _SPLIT / name).rgb for name in names]
        if any(image.dtype != np.uint8 for image in images):
            raise ValueError(f"{self.path} holds images of more than 8 bits per channel; convert them to 8")
        return torch.from_numpy(np.stack(images)).movedim(-1, 1).contiguous()


def label_of(name: str) -> str:
    """Return the class in an image's name; empty if there are no classes."""
    return name.rpartition("/")[0]


def open_folders(root: Path, kinds: Sequence[str]) -> list[ImageFolder]:
    """Return the folders of an evaluation set, after a check that all have the same image names and sizes.

    Args:
        root: of the evaluation set.
        kinds: names of the folders; the others are compared with the first.

    Raises:
        ValueError: a folder is missing or does not match the first; the message lists the differences.
    """
    folders = [_scan(root / kind) for kind in kinds]
    first = folders[0]
    expected = dict.fromkeys(first.sizes, next(iter(first.sizes.values())))
    if len(expected) != first.manifest.get("count", len(expected)):
        raise ValueError(
            f"{first.path} holds {len(expected)} images, but its manifest says {first.manifest['count']}; run "
            "eval-gen again to complete it"
        )
    for folder in folders:
        differences = _differences(folder.sizes, expected)
        if differences:
            other = f"does not match {first.path}" if folder is not first else "is not of one size"
            raise ValueError(
                f"{folder.path} {other}: {'; '.join(differences)}. Remove what is wrong and give eval-gen again, "
                "which writes what is missing"
            )
        # Images from elsewhere have no manifest; only their names are compared.
        made_from = {f.manifest["images_sha256"] for f in (first, folder) if "images_sha256" in f.manifest}
        if len(made_from) > 1:
            raise ValueError(
                f"{folder.path} was made from other images than {first.path}, according to their manifests; remove "
                "it and run eval-gen again"
            )
    return folders


def read_batches(folders: Sequence[ImageFolder], batch_size: int) -> Iterator[tuple[list[str], list[Tensor]]]:
    """Yield names of images and, for each folder, the images of these names, uint8 ``(N, 3, H, W)``."""
    names = folders[0].names
    for start in range(0, len(names), batch_size):
        batch = names[start : start + batch_size]
        yield batch, [folder.read(batch) for folder in folders]


def _scan(path: Path) -> ImageFolder:
    sizes = {name: _size(path / _SPLIT / name) for name in _image_files(path)}
    if not sizes:
        raise ValueError(f"there are no images in {path / _SPLIT}; write them with eval-gen")
    return ImageFolder(path, sizes, _read_manifest(path) or {})


def _image_files(path: Path) -> list[str]:
    files = (path / _SPLIT).rglob("*")
    names = (f.relative_to(path / _SPLIT).as_posix() for f in files if f.suffix.lower() in SUFFIXES and f.is_file())
    # Skip hidden files and folders.
    return sorted(name for name in names if "/." not in f"/{name}")


def _size(path: Path) -> tuple[int, int] | None:
    """Return height and width from the file's header; ``None`` if it is not that of an image."""
    try:
        with Image.open(path) as opened:
            return opened.height, opened.width
    except (OSError, ValueError, SyntaxError):  # what Pillow raises for damaged headers
        return None


def _differences(
    found: Mapping[str, tuple[int, int] | None], expected: Mapping[str, tuple[int, int] | None]
) -> list[str]:
    """Describe each kind of difference, with its count and its first few images."""
    both = [name for name in expected if name in found]
    kinds = {
        "missing": [name for name in expected if name not in found],
        "extra": [name for name in found if name not in expected],
        "unreadable": [name for name in both if found[name] is None],
        "of another size": [name for name in both if found[name] not in (None, expected[name])],
    }
    return [
        f"{len(names)} {kind} ({', '.join(names[:_LISTED])}{', …' if len(names) > _LISTED else ''})"
        for kind, names in kinds.items()
        if names
    ]


def _read_manifest(path: Path) -> dict[str, Any] | None:
    """Return the manifest that :class:`Writer` wrote; ``None`` if there is none."""
    file = path / _MANIFEST
    if not file.exists():
        return None
    try:
        manifest = json.loads(file.read_text(encoding="utf-8"))
    except ValueError:
        manifest = None
    if not isinstance(manifest, dict):
        raise ValueError(f"{file} is damaged; remove {path} and run eval-gen again")
    return manifest
