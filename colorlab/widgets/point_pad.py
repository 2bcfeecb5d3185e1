"""An image with points on it that a person sets and moves; ipywidgets' own images do not say where one clicks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import anywidget
import traitlets
from PIL import Image

from colorlab.widgets.markup import data_url


class PointPad(anywidget.AnyWidget):
    """An image that reports clicks, drags and keys; what they mean is decided by ``act``.

    It is told of one gesture at a time, as a mapping with a ``kind``: ``press`` (at column ``x`` and row ``y``, on
    the point ``index`` or, if that is -1, beside all points), ``move`` (of the selected point, to x and y),
    ``release`` (the hand is off the mouse), and by keyboard ``drop`` (Enter or Escape on the selected point),
    ``delete`` and ``undo``.

    Args:
        act: called with each gesture, after which what this widget shows must be up to date.
        label: what the pad is for; said by screen readers.
    """

    _esm = Path(__file__).with_suffix(".js")
    _css = Path(__file__).with_suffix(".css")

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
            alt: what one would tell somebody on the telephone.
            grid: rows and columns that points are counted in; not those of ``image``, which may be larger.
            points: row, column, color (as in CSS) and description of each.
            selected: the number of the point that is being worked on, or -1.
            width: in CSS pixels, where the page has room for it.
        """
        with self.hold_sync():
            if image is not self._shown:  # encoding it takes longer than all the rest
                self.image, self._shown = data_url(image), image
            self.alt, self.width = alt, width
            self.rows, self.columns = grid
            self.points = [{"x": x, "y": y, "color": color, "title": title} for y, x, color, title in points]
            self.selected = selected

    def _on_gesture(self, _: object, gesture: Mapping[str, Any], __: object) -> None:
        try:
            self._act(gesture)
        finally:
            # The browser waits for this before it tells of the next move.
            self.send({"kind": "answered"})
