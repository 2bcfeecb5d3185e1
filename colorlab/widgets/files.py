"""Save files under a name that the user typed: completely or not at all."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path


def typed_path(text: str, *, what: str, example: str, kinds: tuple[str, ...]) -> Path:
    """Return the path to write to, from the text that the user typed.

    Args:
        text: the text; the first of ``kinds`` is added if there is no extension.
        what: what is written, for messages.
        example: an example of a path, for messages.
        kinds: accepted extensions, lower case, with the dot.

    Raises:
        ValueError: the text is empty, a folder, or has another extension.
    """
    if not text.strip():
        raise ValueError(f"give {what} a file name, such as {example}")
    path = Path(text.strip()).expanduser()
    if path.is_dir() or text.strip().endswith(("/", os.sep)):
        raise ValueError(f"{path} is a folder; add a file name, such as {path / Path(example).name}")
    if path.suffix.lower() in kinds:
        return path
    if path.suffix[1:].isalpha():  # an extension, not the number in "version 1.2"
        known = " or ".join(kind[1:].upper() for kind in kinds)
        raise ValueError(f"{what} can be saved as {known}; name the file {path.with_suffix(kinds[0])}")
    return path.with_name(path.name + kinds[0])


class OwnFiles:
    """Write files, but never overwrite one that this object has not written."""

    def __init__(self) -> None:
        self._written: set[Path] = set()

    def save(self, contents: Mapping[Path, bytes]) -> None:
        """Write all of these files, or none if one of them exists and is not from this object.

        Raises:
            ValueError: a file exists and was not written by this object.
            OSError: the disk is full, the folder is not writable …; existing files are unchanged.
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
