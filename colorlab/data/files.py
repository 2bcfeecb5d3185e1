"""Image files in a folder or a tar (:mod:`colorlab.data.archive`): their names and bytes."""

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
    """Image files, by number.

    Two of them are equal if nothing has changed on the disk between them, as far as names, sizes and times tell.

    Attributes:
        path: of the folder or archive.
        fingerprint: changes with its contents.
        names: ``(N,)`` sorted names inside it, encoded, in one array: workers share it, where a list of strings would
            be copied by each of them bit by bit.
        left_out: what is not read: in a folder links to nothing, pipes and devices; in an archive all links, and what
            leads out of it.
        others: names of files that are no images.
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
        """Return the name of a file inside the folder or archive, with ``/`` between folders."""
        return os.fsdecode(self.names[index])

    @abstractmethod
    def read(self, index: int) -> bytes:
        """Return the bytes of a file.

        Raises:
            OSError: it is gone, or cannot be opened.
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
    """The images below a folder. Links are followed; files and folders that begin with a dot are skipped.

    Raises:
        ValueError: a folder in it cannot be opened.
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
    """Sort everything below a folder by what it is."""

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
            if identity in above:  # a link to a folder that it lies in
                self.left_out.append(inside)
                return
            with os.scandir(self.path / inside) as entries:
                known = [entry for entry in entries if not entry.name.startswith(".")]
        except OSError as error:
            raise ValueError(f"the folder {self.path / inside} cannot be opened: {error.strerror}") from error
        for entry in known:
            name = f"{inside}/{entry.name}" if inside else entry.name
            if os.path.isdir(entry.path):  # which never raises
                self._enter(name, (*above, identity))
            else:
                self._add(name, entry)

    def _add(self, name: str, entry: os.DirEntry[str]) -> None:
        try:
            status = entry.stat()
        except OSError:  # a link to nothing, or one of several that point at each other
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
        name: its name.
        start: gives its first bytes; only asked where the ending says nothing.
    """
    return PurePosixPath(name).suffix.lower() in SUFFIXES or kind_of(start()) is not None


def first_bytes(path: str | Path) -> bytes:
    """Return the bytes that :func:`colorlab.image.kind_of` needs; none if the file cannot be opened."""
    try:
        with open(path, "rb") as file:
            return file.read(64)
    except OSError:
        return b""


def encoded(names: Sequence[str]) -> npt.NDArray[np.bytes_]:
    """Names stored in one array of bytes."""
    return np.array([os.fsencode(name) for name in names], dtype=np.bytes_)


def images_in(folder: Path) -> tuple[list[Path], list[Path]]:
    """Return the images directly inside a folder, and what else is there, both in order; hidden files are left out.

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
