"""An own folder of pictures, or a tar of one, as a data set held in memory.

The layout is the seed's, ``{train,val,test}/<class>/<picture>``, with any folders above it; where one of ``val`` and
``test`` is missing, the other serves as both. Without such folders the pictures are divided by a hash of their names,
80 : 10 : 10, so that a picture stays where it is when others come or go. The class is the folder that a picture lies
in.
"""

from __future__ import annotations

import functools
import hashlib
import io
import sys
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import get_args

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from colorlab.data.pictures import PictureDataset, Split
from colorlab.pictures import SUFFIXES, read_picture

# A picture's name inside the folder or tar, and what opens it.
_Entry = tuple[PurePosixPath, Callable[[], Image.Image]]


@functools.lru_cache(maxsize=4)
def picture_files(path: Path, split: Split, size: int) -> PictureDataset:
    """The pictures of one split below a folder or in a tar, each reduced to ``size × size``.

    The shorter side becomes ``size`` and the middle is kept. Files that are no readable pictures are left out, and
    their number is said on standard error.

    Raises:
        ValueError: there is no such folder or tar, or no pictures of that split in it.
    """
    if not path.exists():
        raise ValueError(f"there is no folder or tar at {path}")
    stand_in = {"val": "test", "test": "val"}.get(split, split)
    for wanted in (split, stand_in):
        pictures: list[Tensor] = []
        folders: list[str] = []
        unreadable: list[str] = []
        everywhere: set[str] = set()
        for name, opener in _entries(path):
            everywhere.add(name.parent.name)
            if _split_of(name) != wanted:
                continue
            try:
                pictures.append(_square(opener, size))
                folders.append(name.parent.name)
            except Exception:  # a damaged file makes decoders raise anything, from TypeError to zlib.error
                unreadable.append(str(name))
        if unreadable:
            print(f"{path}: left out {len(unreadable)} unreadable files, first {unreadable[0]}", file=sys.stderr)
        if pictures:
            # Of all splits together: a class without pictures in this one must not renumber the others.
            classes = sorted(everywhere)
            index = {name: i for i, name in enumerate(classes)}
            return PictureDataset(torch.stack(pictures), torch.tensor([index[f] for f in folders]), classes)
    raise ValueError(f"{path} holds no pictures for {split!r}; it needs {split}/<class>/<picture>, or just pictures")


def _split_of(name: PurePosixPath) -> str:
    for part in name.parts[:-1]:
        if part in get_args(Split):
            return part
    share = hashlib.sha256(str(name).encode()).digest()[0] / 256
    return "train" if share < 0.8 else "val" if share < 0.9 else "test"


def _entries(path: Path) -> Iterator[_Entry]:
    if path.is_file():
        yield from _tar_entries(path)
        return
    for file in sorted(path.rglob("*")):
        if file.suffix.lower() in SUFFIXES and file.is_file():
            yield PurePosixPath(file.relative_to(path).as_posix()), functools.partial(Image.open, file)


def _tar_entries(path: Path) -> Iterator[_Entry]:
    try:
        with tarfile.open(path) as tar:
            for member in tar:
                name = PurePosixPath(member.name)
                # Links and devices are no files, and nothing is ever written under a member's name.
                if not member.isfile() or name.suffix.lower() not in SUFFIXES:
                    continue

                def opener(member: tarfile.TarInfo = member) -> Image.Image:
                    content = tar.extractfile(member)
                    return Image.open(io.BytesIO(content.read() if content is not None else b""))

                yield name, opener
    except tarfile.TarError as error:
        raise ValueError(f"{path} is not a tar that can be read: {error}") from error


def _square(opener: Callable[[], Image.Image], size: int) -> Tensor:
    with opener() as image:
        rgb = read_picture(image).rgb
    if rgb.dtype != np.uint8:
        rgb = (rgb / 257).round().astype(np.uint8)
    upright = Image.fromarray(np.ascontiguousarray(rgb))
    if upright.size != (size, size):
        upright = ImageOps.fit(upright, (size, size), Image.Resampling.BICUBIC)
    return torch.from_numpy(np.array(upright)).movedim(-1, 0)
