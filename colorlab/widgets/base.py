"""What several widgets have in common: a line that says what goes on, and an image that somebody chooses."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, NamedTuple

import ipywidgets

from colorlab.data.placeholder import PHOTOGRAPHS, photograph
from colorlab.image import LoadedImage, read_image
from colorlab.widgets.markup import sentence, status_html
from colorlab.widgets.subject import read_upload

SHOWN_ERRORS = (ValueError, ArithmeticError, OSError, MemoryError, RuntimeError)
"""What is shown to the user rather than raised. RuntimeError is how torch says that memory does not suffice."""

NARROW = {"description_width": "auto"}
"""Style of a control whose name takes no more room than it needs."""

WRAPPED = {"flex_flow": "row wrap", "align_items": "center", "grid_gap": "0 12px"}
"""Layout of a row of controls that becomes two where the page is narrow."""


class Source(NamedTuple):
    """Where an image comes from; a sample and an own image may have the same name."""

    kind: Literal["sample", "own"]
    name: str


class StatusBox(ipywidgets.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """A widget that says what goes on, and what went wrong, in its status line."""

    def __init__(self) -> None:
        super().__init__()
        self.status = ipywidgets.HTML(layout={"width": "auto"})

    def _say(self, text: str) -> None:
        self.status.value = status_html(text)

    @contextmanager
    def _told(self, outcome: str = "Nothing was changed.") -> Iterator[None]:
        """Errors as a sentence in the status line: raised in a callback, they would end in a log nobody reads."""
        try:
            yield
        except SHOWN_ERRORS as error:
            self._say(f"{sentence(error)} {outcome}")
        self._settle()

    def _settle(self) -> None:
        """Make the controls tell what is there, also after a choice that failed."""


class ImageBox(StatusBox):
    """A widget about one image, a sample or somebody's own, with the two controls that choose it.

    A subclass lays out :attr:`image` and :attr:`upload`, says in :meth:`_put` what is to be done with an image,
    and calls :meth:`_open` with the first one.
    """

    _source: Source

    def __init__(self) -> None:
        super().__init__()
        self._own: tuple[Source, LoadedImage] | None = None
        # While True the program, not a person, is setting the controls.
        self._settling = False
        self.image = ipywidgets.Dropdown(
            options=self._sources(), description="Image", style=NARROW, layout={"width": "222px"}
        )
        self.upload = ipywidgets.FileUpload(
            description="Upload", accept="image/*,.tif,.tiff", tooltip="Upload an image", layout={"width": "112px"}
        )

    def _put(self, source: Source, image: LoadedImage) -> None:
        """Show an image; where that raises, everything must be as it was, but for the status line."""
        raise NotImplementedError

    def _open(self, image: str | Path) -> None:
        """Begin with the sample of a name or the file of a path, and from then on listen to the controls."""
        if image in PHOTOGRAPHS:
            self._take(Source("sample", str(image)), sample(str(image)))
        else:
            self._take(Source("own", Path(image).name), read_image(Path(image)))
        self._settle()
        self.image.observe(self._on_image, "value")
        self.upload.observe(self._on_upload, "value")

    def _take(self, source: Source, image: LoadedImage) -> None:
        self._put(source, image)
        self._source = source
        if source.kind == "own":
            self._own = source, image

    def _sources(self) -> list[tuple[str, Source]]:
        samples = [(name, Source("sample", name)) for name in PHOTOGRAPHS]
        own = [] if self._own is None else [(f"{self._own[0].name} (own)", self._own[0])]
        return samples + own

    def _on_image(self, _: object) -> None:
        source = self.image.value
        if self._settling or source == self._source:
            return
        with self._told():
            self._take(*(self._own if self._own and source.kind == "own" else (source, sample(source.name))))

    def _on_upload(self, change: Mapping[str, Any]) -> None:
        if self._settling or not change["new"]:
            return
        file = change["new"][0]
        name = str(file["name"]) or "upload"
        with self._told():
            self._say(f"Reading {name} …")
            self._take(Source("own", name), read_upload(name, bytes(file["content"])))

    @contextmanager
    def _unheard(self) -> Iterator[None]:
        """Set controls without being told of it."""
        self._settling = True
        try:
            yield
        finally:
            self._settling = False

    def _settle(self) -> None:
        with self._unheard():
            self.image.options = self._sources()
            self.image.value = self._source
            # A file is forgotten once it was read; else it could not be uploaded a second time.
            self.upload.value = ()


@functools.cache
def sample(name: str) -> LoadedImage:
    """One of the photographs that ship, read once."""
    return read_image(photograph(name))
