"""Base classes of the widgets: their look, a status line, and controls to choose an image."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, NamedTuple

import ipywidgets
from traitlets import link

from colorlab.data.samples import SAMPLES, photograph
from colorlab.image import LoadedImage, read_image
from colorlab.widgets.markup import sentence, status_html
from colorlab.widgets.subject import read_upload

SHOWN_ERRORS = (ValueError, ArithmeticError, OSError, MemoryError, RuntimeError)
"""Errors that are shown to the user rather than raised. torch raises RuntimeError when memory runs out."""

NARROW = {"description_width": "auto"}
"""Style of a control whose label takes no more space than it needs."""

_STYLE = (Path(__file__).parent / "widgets.css").read_text(encoding="utf-8")


def row(look: Literal["bar", "columns", "foot", "pair"], *children: ipywidgets.Widget) -> ipywidgets.HBox:
    """Return widgets side by side; ``widgets.css`` says how each look is laid out on wide and narrow pages."""
    box = ipywidgets.HBox(children)
    box.add_class(f"colorlab-{look}")
    return box


def slider(
    name: str, *, kind: Literal["Float", "Int"] = "Float", instant: bool = True, **bounds: float
) -> tuple[ipywidgets.Widget, ipywidgets.Widget]:
    """Return a slider and a number with the same value: screen readers find no name on an ipywidgets slider."""
    left = getattr(ipywidgets, f"{kind}Slider")(
        **bounds,
        description=name,
        readout=False,
        continuous_update=instant,
        style=NARROW,
        layout={"flex": "1 1 240px"},
    )
    right = getattr(ipywidgets, f"Bounded{kind}Text")(**bounds, tooltip=name, layout={"width": "72px"})
    link((left, "value"), (right, "value"))
    return left, right


def fold(name: str, tooltip: str, *children: ipywidgets.Widget) -> tuple[ipywidgets.ToggleButton, ipywidgets.VBox]:
    """Return a button, such as *More* or *?*, and the box that it unfolds."""
    button = ipywidgets.ToggleButton(description=name, tooltip=tooltip, layout={"width": "auto"})
    box = ipywidgets.VBox(children, layout={"display": "none"})
    box.add_class("colorlab-folded")

    def unfold(_: object) -> None:
        box.layout.display = "" if button.value else "none"

    button.observe(unfold, "value")
    return button, box


def save_controls(tooltip: str, description: str = "Save") -> tuple[ipywidgets.Text, ipywidgets.Button]:
    """Return a field for the name of a file, and the button that saves it."""
    target = ipywidgets.Text(description="Save as", style=NARROW, layout={"flex": "1 1 200px", "max_width": "400px"})
    button = ipywidgets.Button(
        description=description, icon="save", tooltip=tooltip, button_style="primary", layout={"width": "auto"}
    )
    return target, button


class Source(NamedTuple):
    """Identify an image; a sample and a user's own image may have the same name."""

    kind: Literal["sample", "own"]
    name: str


class StatusBox(ipywidgets.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """Show progress and errors in a status line."""

    def __init__(self) -> None:
        super().__init__()
        self.status = ipywidgets.HTML()
        self.status.add_class("colorlab-status")

    def _lay_out(self, name: str, *parts: ipywidgets.Widget) -> None:
        """Show these parts, one below the other, in the look of ``widgets.css``."""
        style = ipywidgets.HTML(f"<style>{_STYLE}</style>", layout={"display": "none"})
        self.children = (style, *parts)
        self.add_class("colorlab-widget")
        self.add_class(f"colorlab-{name}")

    def _set_status(self, text: str) -> None:
        self.status.value = status_html(text)

    @contextmanager
    def _report_errors(self, outcome: str = "Nothing was changed.") -> Iterator[None]:
        """Show errors in the status line; errors raised in a callback would only reach a log."""
        try:
            yield
        except SHOWN_ERRORS as error:
            self._set_status(f"{sentence(error)} {outcome}")
        self._update_controls()

    def _update_controls(self) -> None:
        """Set the controls to the current state, also after a choice that failed."""


class ImageBox(StatusBox):
    """Let the user choose an image: a sample or an upload.

    A subclass lays out :attr:`image` and :attr:`upload`, implements :meth:`_show_image`, and calls :meth:`_open` with
    the first image.
    """

    _source: Source

    def __init__(self) -> None:
        super().__init__()
        self._own_image: tuple[Source, LoadedImage] | None = None
        # True while the program, not the user, sets the controls.
        self._updating = False
        self.image = ipywidgets.Dropdown(
            options=self._sources(), description="Image", style=NARROW, layout={"width": "210px"}
        )
        self.upload = ipywidgets.FileUpload(
            description="Upload", accept="image/*,.tif,.tiff", tooltip="Upload", layout={"width": "96px"}
        )

    def _show_image(self, source: Source, image: LoadedImage) -> None:
        """Show an image; if this raises, only the status line may have changed."""
        raise NotImplementedError

    def _open(self, image: str | Path) -> None:
        """Show a sample by its name or a file by its path, then start to observe the controls."""
        if image in SAMPLES:
            self._set_image(Source("sample", str(image)), sample(str(image)))
        else:
            self._set_image(Source("own", Path(image).name), read_image(Path(image)))
        self._update_controls()
        self.image.observe(self._on_image, "value")
        self.upload.observe(self._on_upload, "value")

    def _set_image(self, source: Source, image: LoadedImage) -> None:
        self._show_image(source, image)
        self._source = source
        if source.kind == "own":
            self._own_image = source, image

    def _sources(self) -> list[tuple[str, Source]]:
        samples = [(name, Source("sample", name)) for name in SAMPLES]
        own = [] if self._own_image is None else [(f"{self._own_image[0].name} (own)", self._own_image[0])]
        return samples + own

    def _on_image(self, _: object) -> None:
        source = self.image.value
        if self._updating or source == self._source:
            return
        with self._report_errors():
            self._set_image(
                *(self._own_image if self._own_image and source.kind == "own" else (source, sample(source.name)))
            )

    def _on_upload(self, change: Mapping[str, Any]) -> None:
        if self._updating or not change["new"]:
            return
        file = change["new"][0]
        name = str(file["name"]) or "upload"
        with self._report_errors():
            self._set_status(f"Reading {name} …")
            self._set_image(Source("own", name), read_upload(name, bytes(file["content"])))

    @contextmanager
    def _ignore_events(self) -> Iterator[None]:
        """Ignore the events of controls that are set in this context."""
        self._updating = True
        try:
            yield
        finally:
            self._updating = False

    def _update_controls(self) -> None:
        with self._ignore_events():
            self.image.options = self._sources()
            self.image.value = self._source
            # Clear the upload, or the same file could not be uploaded again.
            self.upload.value = ()


@functools.cache
def sample(name: str) -> LoadedImage:
    """Return a sample photograph, read only once."""
    return read_image(photograph(name))
