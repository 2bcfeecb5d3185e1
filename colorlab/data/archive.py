"""Read images inside a tar in place, by an index of where each image begins.

Nothing is ever unpacked under a name from the archive. Links, devices, absolute paths and paths with ``..`` are
skipped.

A compressed tar allows no random access. It is therefore decompressed once, to a file beside it (images hardly
compress, so this takes little more space than the archive), and that file is read in place.

The index and the decompressed file are stored beside the archive, or in ``~/.cache/colorlab`` (``XDG_CACHE_HOME``)
if that folder is not writable. Both are rebuilt when the archive changes and can be deleted at any time.
"""

from __future__ import annotations

import bz2
import contextlib
import functools
import gzip
import hashlib
import lzma
import os
import shutil
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from tqdm.auto import tqdm

from colorlab.data.files import ImageFiles, encoded, is_image
from colorlab.data.layouts import MEANINGS

COMPRESSIONS: dict[bytes, Callable[..., Any]] = {b"\x1f\x8b": gzip.open, b"\xfd7zXZ": lzma.open, b"BZh": bz2.open}
"""First bytes of a compressed file → the function that opens it."""

ARCHIVE_SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.xz", ".tar.bz2")

_VERSION = 2  # of the index format
_KEEP_FREE = 2**30  # bytes of the disk to keep free
_CHUNK = 2**24
_LONGEST_NAME = 1024


class _Index(NamedTuple):
    names: npt.NDArray[np.bytes_]
    offsets: npt.NDArray[np.int64]
    sizes: npt.NDArray[np.int64]
    left_out: npt.NDArray[np.bytes_]
    others: npt.NDArray[np.bytes_]


class TarFiles(ImageFiles):
    """Read the images in a tar, found by file extension or by content.

    Only the index is held in memory, about 100 bytes per image. A top folder that contains all members is not part
    of their names, so a tar has the same names as its folder.

    Raises:
        ValueError: the file is not a tar, is damaged or truncated, or there is no space to decompress it.
    """

    def __init__(self, path: Path) -> None:
        self.tar = _decompressed(path)
        status = self.tar.stat()
        self._stamp = (status.st_size, status.st_mtime_ns)
        index = _index(self.tar, self._stamp)
        super().__init__(path, index.names, f"{self._stamp}")
        self._offsets, self._sizes = index.offsets, index.sizes
        self.left_out = [os.fsdecode(name) for name in index.left_out]
        self.others = [os.fsdecode(name) for name in index.others]

    def read(self, index: int) -> bytes:
        """Return the bytes of a file. Each call opens the archive, so processes do not share a file position."""
        with open(self.tar, "rb") as file:
            status = os.fstat(file.fileno())
            if (status.st_size, status.st_mtime_ns) != self._stamp:
                raise ValueError(f"{self.tar} was changed while it was being read; start again")
            file.seek(int(self._offsets[index]))
            return file.read(int(self._sizes[index]))


def _index(tar: Path, stamp: tuple[int, int]) -> _Index:
    """Return the archive's index, from the stored index file if that is still valid."""
    places = [_beside(tar, ".index.npz"), _in_cache(tar, ".index.npz")]
    for place in places:
        # An index that cannot be read is rebuilt.
        damaged = (OSError, ValueError, LookupError, EOFError, zipfile.BadZipFile, zlib.error)
        with contextlib.suppress(*damaged), open(place, "rb") as file:
            kept = np.load(file, allow_pickle=False)
            if kept["about"].tolist() == [_VERSION, *stamp]:
                return _Index(*(kept[field] for field in _Index._fields))
    index = _read_index(tar)
    for place in places:
        with contextlib.suppress(OSError), _write_atomically(place) as unfinished, open(unfinished, "wb") as file:
            np.savez_compressed(file, about=np.array([_VERSION, *stamp]), **index._asdict())
            break
    return index


def _read_index(path: Path) -> _Index:
    """Build the index of a tar from its headers, with one member at a time in memory."""
    places: dict[str, tuple[int, int]] = {}
    left_out, others = [], []
    size = path.stat().st_size
    try:
        with (
            tarfile.open(path, "r:") as tar,
            tqdm(total=size, unit="B", unit_scale=True, desc=f"index of {path.name}", disable=None, delay=2) as bar,
        ):
            while (member := tar.next()) is not None:
                tar.members.clear()  # type: ignore[attr-defined]  # or tarfile would keep all members
                bar.update(member.offset - bar.n)
                name = os.path.normpath(member.name)
                if not _is_inside(member):
                    left_out.append(member.name[:_LONGEST_NAME])
                elif not member.isfile() or "/." in f"/{name}":
                    continue
                elif not is_image(name, functools.partial(_first_bytes, path, member)):
                    others.append(name)
                else:
                    if member.offset_data + member.size > size:
                        raise tarfile.ReadError(f"it ends in the middle of {name}")
                    # The last of several members with the same name wins, as in unpacking.
                    places[name] = (member.offset_data, member.size)
            _check_end(path, tar.offset)
    # tarfile raises its own error for most invalid numbers in headers, but not for all.
    except (tarfile.TarError, ValueError, EOFError, OverflowError) as error:
        raise ValueError(f"{path} is not a tar, or is damaged or truncated: {error}") from error
    order = sorted(places)
    top = {name.partition("/")[0] for name in order if "/" in name} if all("/" in name for name in order) else set()
    cut = len(name) + 1 if len(top) == 1 and (name := top.pop()).lower() not in MEANINGS else 0
    prefix = order[0][:cut] if order else ""
    return _Index(
        encoded([name[cut:] for name in order]),
        np.array([places[name][0] for name in order], dtype=np.int64),
        np.array([places[name][1] for name in order], dtype=np.int64),
        encoded(left_out),
        encoded([name.removeprefix(prefix) for name in others]),
    )


def _first_bytes(path: Path, member: tarfile.TarInfo) -> bytes:
    with open(path, "rb") as file:
        file.seek(member.offset_data)
        return file.read(min(64, member.size))


def _is_inside(member: tarfile.TarInfo) -> bool:
    """Tell whether a member is a plain file or folder inside the archive's own tree."""
    plain = member.isdir() or (member.isfile() and not member.issparse())
    inside = not member.name.startswith("/") and ".." not in member.name.split("/")
    return plain and inside and len(os.fsencode(member.name)) <= _LONGEST_NAME


def _check_end(path: Path, offset: int) -> None:
    """Raise ReadError unless the archive ends here: tarfile also stops at an invalid header, not only at zeros."""
    with open(path, "rb") as file:
        file.seek(offset)
        if file.read(tarfile.BLOCKSIZE).strip(b"\0"):
            raise tarfile.ReadError(f"no header where one should be, at byte {offset:,}")


# Compressed archives


def _decompressed(path: Path) -> Path:
    """Return ``path`` if it is a plain tar, else the path of its decompressed copy."""
    with open(path, "rb") as file:
        start = file.read(8)
    opener = next((opener for magic, opener in COMPRESSIONS.items() if start.startswith(magic)), None)
    if opener is None:
        return path
    status = path.stat()
    places = [_beside(path, ".uncompressed.tar"), _in_cache(path, ".uncompressed.tar")]
    for kept in places:
        # The copy has the archive's modification time, to the nanosecond; a newer archive does not match.
        if kept.exists() and kept.stat().st_mtime_ns == status.st_mtime_ns:
            return kept
    place = next(filter(_can_write, places), None)
    if place is None:
        raise ValueError(
            f"{path} is compressed, and its folder and {places[1].parent} are not writable; decompress it by hand"
        )
    print(f"{path} is compressed: uncompressing it once, to {place}", file=sys.stderr)
    try:
        with _write_atomically(place) as unfinished:
            _decompress(opener, path, unfinished)
            os.utime(unfinished, ns=(status.st_mtime_ns, status.st_mtime_ns))
    except (OSError, EOFError, lzma.LZMAError, zlib.error) as error:
        raise ValueError(f"{path} cannot be uncompressed to {place}: {error}") from error
    return place


def _decompress(opener: Callable[..., Any], path: Path, target: Path) -> None:
    check_room(target.parent, path.stat().st_size)
    with open(path, "rb") as packed, opener(packed) as source, open(target, "wb") as file:
        total = os.fstat(packed.fileno()).st_size
        with tqdm(total=total, unit="B", unit_scale=True, desc=path.name, disable=None, delay=2) as bar:
            while chunk := source.read(_CHUNK):
                check_room(target.parent, len(chunk))  # the final size is not known in advance
                file.write(chunk)
                bar.update(packed.tell() - bar.n)


def check_room(folder: Path, size: int) -> None:
    """Check that ``size`` bytes fit on the disk of ``folder``, with 1 GiB left free.

    Raises:
        ValueError: there is too little free space.
    """
    free = shutil.disk_usage(folder).free
    if free < size + _KEEP_FREE:
        raise ValueError(
            f"{folder} has {free / 1e9:.1f} GB of free disk, and {(size + _KEEP_FREE) / 1e9:.1f} GB are needed "
            "(1 GB of them stays free); free some space"
        )


# Where the index and the decompressed copy are stored


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def _in_cache(path: Path, suffix: str) -> Path:
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    # The hash tells archives of the same name in different folders apart.
    return root / "colorlab" / f"{hashlib.sha256(os.fsencode(path.resolve())).hexdigest()[:16]}-{path.name}{suffix}"


def _can_write(place: Path) -> bool:
    with contextlib.suppress(OSError):
        place.parent.mkdir(parents=True, exist_ok=True)
        return os.access(place.parent, os.W_OK)
    return False


@contextlib.contextmanager
def _write_atomically(place: Path) -> Iterator[Path]:
    """Yield a temporary path that is renamed to ``place`` on success and removed on failure."""
    place.parent.mkdir(parents=True, exist_ok=True)
    unfinished = place.with_name(f"{place.name}.{os.getpid()}.part")  # other processes may be writing it, too
    try:
        yield unfinished
        os.replace(unfinished, place)
    finally:
        unfinished.unlink(missing_ok=True)
