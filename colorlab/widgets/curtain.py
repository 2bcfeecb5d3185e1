"""Compare two images with a movable edge between them."""

from __future__ import annotations

from pathlib import Path

import anywidget
import traitlets
from PIL import Image

from colorlab.widgets.markup import data_url, shown_width


class Curtain(anywidget.AnyWidget):
    """Show one image to the left of an edge and another to its right; the edge is a slider.

    Args:
        label: name of the edge for screen readers.

    Attributes:
        position: position of the edge, from 0 at the left to 100.
    """

    _esm = Path(__file__).with_suffix(".js")

    before = traitlets.Unicode().tag(sync=True)
    before_alt = traitlets.Unicode().tag(sync=True)
    after = traitlets.Unicode().tag(sync=True)
    after_alt = traitlets.Unicode().tag(sync=True)
    label = traitlets.Unicode().tag(sync=True)
    width = traitlets.Int().tag(sync=True)
    position = traitlets.Float(50, min=0, max=100).tag(sync=True)

    def __init__(self, label: str) -> None:
        super().__init__(label=label)

    def __repr__(self) -> str:
        return f"Curtain({self.label!r}, position={self.position:g})"

    def show_before(self, image: Image.Image, *, alt: str) -> None:
        """Set the left image; both images must have the same shape."""
        with self.hold_sync():
            self.before, self.before_alt, self.width = data_url(image), alt, shown_width(image)

    def show_after(self, image: Image.Image, *, alt: str) -> None:
        """Set the right image."""
        with self.hold_sync():
            self.after, self.after_alt = data_url(image), alt
