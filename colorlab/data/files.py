"""Where the files of pictures lie: a folder, or a tar (:mod:`colorlab.data.archive`). Names and bytes only."""

from __future__ import annotations

import hashlib
import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np
import numpy.typing as npt

from colorlab.pictures import SUFFIXES


class PictureFiles(ABC):
    """Files of pictures, by number.

    Two of them are equal if nothing has changed on the disk between them, as far as names, sizes and times tell.

    Attributes:
        path: of the folder or archive.
        fingerprint: changes with its contents.
        names: ``(N,)`` sorted names inside it, encoded, in one array: workers share it, where a list of strings would
            be copied by each of them bit by bit.
        left_out: members of an archive that are links, devices or lead out of it.
    """

    def __init__(self, path: Path, names: npt.NDArray[np.bytes_], fingerprint: str) -> None:
        self.path = path
        self.names = names
        self.fingerprint = fingerprint
        self.left_out: list[str] = []

    def __len__(self) -> int:
        return len(self.names)

    def name(self, index: int) -> str:
        """The name of a file inside the folder or archive, with ``/`` between folders."""
        return os.fsdecode(self.names[index])

    @abstractmethod
    def read(self, index: int) -> bytes:
        """The bytes of a file.

        Raises:
            OSError: it is gone, or cannot be opened.
            ValueError: the archive has changed since it was opened.
        """

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PictureFiles) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    @property
    def _key(self) -> tuple[Path, str]:
        return self.path.absolute(), self.fingerprint


class FolderFiles(PictureFiles):
    """The pictures below a folder, by their endings. What begins with a dot is left out, folders too.

    Raises:
        ValueError: a folder in it cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        found = sorted(_walk(path))
        digest = hashlib.sha256("\n".join(f"{name!r} {facts}" for name, facts in found).encode())
        super().__init__(path, encoded([name for name, _ in found]), digest.hexdigest())

    def read(self, index: int) -> bytes:
        """The bytes of a file."""
        return (self.path / self.name(index)).read_bytes()


def _walk(path: Path) -> list[tuple[str, tuple[int, int]]]:
    found = []
    waiting = [""]
    while waiting:
        inside = waiting.pop()
        try:
            with os.scandir(path / inside) as entries:
                for entry in entries:
                    name = f"{inside}/{entry.name}" if inside else entry.name
                    if entry.name.startswith("."):
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(name)
                    elif is_picture_name(name) and entry.is_file():
                        status = entry.stat()
                        found.append((name, (status.st_size, status.st_mtime_ns)))
        except OSError as error:
            raise ValueError(f"the folder {path / inside} cannot be opened: {error.strerror}") from error
    return found


def is_picture_name(name: str) -> bool:
    """Whether a file's ending is that of a picture."""
    return PurePosixPath(name).suffix.lower() in SUFFIXES


def encoded(names: Sequence[str]) -> npt.NDArray[np.bytes_]:
    """Names as one array of bytes."""
    return np.array([os.fsencode(name) for name in names], dtype=np.bytes_)
