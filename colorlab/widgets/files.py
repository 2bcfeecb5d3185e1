"""Files that somebody has a widget write: from the name typed to a file that is whole or not there."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path


def typed_path(text: str, *, what: str, example: str, kinds: tuple[str, ...]) -> Path:
    """Where to write, from what somebody typed.

    Args:
        text: as typed; the first of ``kinds`` is added where there is no ending.
        what: is to be written; for messages.
        example: of a good answer; likewise.
        kinds: endings that are written, lower case and with their dot.

    Raises:
        ValueError: nothing typed, a folder, or the ending of another kind of file.
    """
    if not text.strip():
        raise ValueError(f"give {what} a file name, such as {example}")
    path = Path(text.strip()).expanduser()
    if path.is_dir() or text.strip().endswith(("/", os.sep)):
        raise ValueError(f"{path} is a folder; add a file name, such as {path / Path(example).name}")
    if path.suffix.lower() in kinds:
        return path
    if path.suffix[1:].isalpha():  # an ending, and not the number of "version 1.2"
        known = " or ".join(kind[1:].upper() for kind in kinds)
        raise ValueError(f"{what} can be saved as {known}; name the file {path.with_suffix(kinds[0])}")
    return path.with_name(path.name + kinds[0])


class OwnFiles:
    """Writes files, but never over one that it has not written itself."""

    def __init__(self) -> None:
        self._written: set[Path] = set()

    def save(self, contents: Mapping[Path, bytes]) -> None:
        """Write all of these files, or none where one of them is somebody else's.

        Raises:
            ValueError: a file is there already and was not written by this object.
            OSError: the disk is full, the folder cannot be written …; what was there is still there.
        """
        for path in contents:
            if path.exists() and path.resolve() not in self._written:
                raise ValueError(f"{path} exists already and was not saved from here; choose another name")
        for path, content in contents.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            unfinished = path.with_name(path.name + ".part")
            try:
                unfinished.write_bytes(content)
                os.replace(unfinished, path)
            finally:
                unfinished.unlink(missing_ok=True)
            self._written.add(path.resolve())
