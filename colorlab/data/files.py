"""List and read the image files in a folder or a tar (:mod:`colorlab.data.archive`)."""

from __future__ import annotations

import functools
import hashlib
import os
import stat
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath

import numpy as np
import numpy.typing as npt

from colorlab.image import SUFFIXES, kind_of


class ImageFiles(ABC):
    """List image files and read them by number.

    Two objects are equal if the names, sizes and modification times of the files are.

    Attributes:
        path: the folder or archive.
        fingerprint: changes with the contents.
        names: ``(N,)`` sorted file names, encoded, in one array: workers share its memory, but would copy a list of
            strings.
        left_out: names that are skipped: broken links, pipes and devices in a folder; all links and all paths that
            lead outside in an archive.
        others: names of files that are not images.
    """

    def __init__(self, path: Path, names: npt.NDArray[np.bytes_], fingerprint: str) -> None:
        self.path = path
        self.names = names
        self.fingerprint = fingerprint
        self.left_out: list[str] = []
        self.others: list[str] = []

    def __len__(self) -> int:
        return len(self.names)

    def name(self, index: int) -> str:
        """Return a file's name inside the folder or archive, with ``/`` between folders."""
        return os.fsdecode(self.names[index])

    @abstractmethod
    def read(self, index: int) -> bytes:
        """Return the bytes of a file.

        Raises:
            OSError: the file is gone, or cannot be opened.
            ValueError: the archive has changed since it was opened.
        """

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ImageFiles) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    @property
    def _key(self) -> tuple[Path, str]:
        return self.path.absolute(), self.fingerprint


class FolderFiles(ImageFiles):
    """Read the images below a folder; follow links, skip files and folders that begin with a dot.

    Raises:
        ValueError: a subfolder cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        walk = _Walk(path)
        found = sorted(walk.found)
        digest = hashlib.sha256("\n".join(f"{name!r} {facts}" for name, facts in found).encode())
        super().__init__(path, encoded([name for name, _ in found]), digest.hexdigest())
        self.left_out, self.others = sorted(walk.left_out), sorted(walk.others)

    def read(self, index: int) -> bytes:
        """Return the bytes of a file."""
        return (self.path / self.name(index)).read_bytes()


class _Walk:
    """Sort everything below a folder into images, other files, and entries to skip."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.found: list[tuple[str, tuple[int, int]]] = []
        self.left_out: list[str] = []
        self.others: list[str] = []
        self._enter("", ())

    def _enter(self, inside: str, above: tuple[tuple[int, int], ...]) -> None:
        try:
            status = os.stat(self.path / inside)
            identity = status.st_dev, status.st_ino
            if identity in above:  # a link to one of its own parents
                self.left_out.append(inside)
                return
            with os.scandir(self.path / inside) as entries:
                known = [entry for entry in entries if not entry.name.startswith(".")]
        except OSError as error:
            raise ValueError(f"the folder {self.path / inside} cannot be opened: {error.strerror}") from error
        for entry in known:
            name = f"{inside}/{entry.name}" if inside else entry.name
            if os.path.isdir(entry.path):  # never raises, unlike entry.is_dir()
                self._enter(name, (*above, identity))
            else:
                self._add(name, entry)

    def _add(self, name: str, entry: os.DirEntry[str]) -> None:
        try:
            status = entry.stat()
        except OSError:  # a broken link, or a cycle of links
            self.left_out.append(name)
            return
        if not stat.S_ISREG(status.st_mode):
            self.left_out.append(name)
        elif is_image(name, lambda: first_bytes(entry.path)):
            self.found.append((name, (status.st_size, status.st_mtime_ns)))
        else:
            self.others.append(name)


def is_image(name: str, start: Callable[[], bytes]) -> bool:
    """Tell whether a file is meant to be an image, by its extension, or else by its content.

    Args:
        name: file name.
        start: returns the first bytes; called only if the extension is not an image's.
    """
    return PurePosixPath(name).suffix.lower() in SUFFIXES or kind_of(start()) is not None


def first_bytes(path: str | Path) -> bytes:
    """Return the bytes that :func:`colorlab.image.kind_of` needs, or none if the file cannot be opened."""
    try:
        with open(path, "rb") as file:
            return file.read(64)
    except OSError:
        return b""


def encoded(names: Sequence[str]) -> npt.NDArray[np.bytes_]:
    """Return file names as one array of bytes."""
    return np.array([os.fsencode(name) for name in names], dtype=np.bytes_)


def images_in(folder: Path) -> tuple[list[Path], list[Path]]:
    """Return the images directly inside a folder, and its other entries, both sorted; hidden files are skipped.

    Raises:
        OSError: the folder cannot be opened.
    """
    inside = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    images = [
        entry
        for entry in inside
        if os.path.isfile(entry) and is_image(entry.name, functools.partial(first_bytes, entry))
    ]
    return images, [entry for entry in inside if entry not in set(images)]
