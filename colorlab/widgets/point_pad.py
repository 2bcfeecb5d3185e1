"""An image with points that the user sets and moves; ipywidgets' own images do not report clicks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import anywidget
import traitlets
from PIL import Image

from colorlab.widgets.markup import data_url


class PointPad(anywidget.AnyWidget):
    """Report clicks, drags and keys on an image to ``act``.

    Each call gets one gesture, a mapping with a ``kind``: ``press`` (at column ``x`` and row ``y``, on the point
    ``index`` or, if that is -1, on no point), ``move`` (of the selected point, to x and y), ``release`` (of the mouse
    button), and from the keyboard ``drop`` (Enter or Escape on the selected point), ``delete`` and ``undo``.

    Args:
        act: called with each gesture; must update this widget before it returns.
        label: purpose of the pad, for screen readers.
    """

    _esm = Path(__file__).with_suffix(".js")

    image = traitlets.Unicode().tag(sync=True)
    alt = traitlets.Unicode().tag(sync=True)
    label = traitlets.Unicode().tag(sync=True)
    columns = traitlets.Int(1).tag(sync=True)
    rows = traitlets.Int(1).tag(sync=True)
    width = traitlets.Int(256).tag(sync=True)
    points = traitlets.List().tag(sync=True)
    selected = traitlets.Int(-1).tag(sync=True)

    def __init__(self, act: Callable[[Mapping[str, Any]], None], label: str) -> None:
        super().__init__(label=label)
        self._act = act
        self._shown: Image.Image | None = None
        self.on_msg(self._on_gesture)

    def __repr__(self) -> str:
        return f"PointPad({self.columns}×{self.rows}, {len(self.points)} points)"

    def show(
        self,
        image: Image.Image,
        *,
        alt: str,
        grid: tuple[int, int],
        points: Sequence[tuple[int, int, str, str]],
        selected: int,
        width: int,
    ) -> None:
        """Show an image and its points, all in one message to the browser.

        Args:
            image: RGB or RGBA.
            alt: text alternative of the image.
            grid: number of rows and columns for the points; ``image`` may be larger.
            points: row, column, color (as in CSS) and description of each.
            selected: index of the selected point, or -1.
            width: largest width in CSS pixels.
        """
        with self.hold_sync():
            if image is not self._shown:  # encoding is slow
                self.image, self._shown = data_url(image), image
            self.alt, self.width = alt, width
            self.rows, self.columns = grid
            self.points = [{"x": x, "y": y, "color": color, "title": title} for y, x, color, title in points]
            self.selected = selected

    def _on_gesture(self, _: object, gesture: Mapping[str, Any], __: object) -> None:
        try:
            self._act(gesture)
        finally:
            # The browser waits for this message before it sends the next move.
            self.send({"kind": "answered"})
