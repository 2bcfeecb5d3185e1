"""Report which extra installs a missing package."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def extra(name: str) -> Iterator[None]:
    """Import packages of an extra inside this block.

    Args:
        name: the extra's name in ``pyproject.toml``.

    Raises:
        ImportError: a package is not installed; the message names the command that installs it.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] == "colorlab":
            raise
        package = error.name.partition(".")[0]
        raise ImportError(f"{package} is not installed: pip install 'colorlab[{name}]'", name=package) from error
