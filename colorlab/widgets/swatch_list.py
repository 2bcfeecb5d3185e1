"""A list of named colors to choose from; ipywidgets' buttons cannot show a color beside its name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import anywidget
import traitlets


class SwatchList(anywidget.AnyWidget):
    """Show a column of buttons, each with a color, its name and a note.

    Args:
        choose: called with the index of the pressed button.
        heading: text above the buttons; screen readers use it as the name of the group.
        empty: text shown while there are no colors.
    """

    _esm = Path(__file__).with_suffix(".js")

    heading = traitlets.Unicode().tag(sync=True)
    empty = traitlets.Unicode().tag(sync=True)
    items = traitlets.List().tag(sync=True)
    chosen = traitlets.Int(-1).tag(sync=True)

    def __init__(self, choose: Callable[[int], None], heading: str, empty: str) -> None:
        super().__init__(heading=heading, empty=empty)
        self._choose = choose
        self.on_msg(self._on_press)

    def __repr__(self) -> str:
        return f"SwatchList({self.heading!r}, {len(self.items)} colors)"

    def show(self, items: Sequence[tuple[str, str, str]], *, chosen: int = -1) -> None:
        """Show other colors.

        Args:
            items: color (as in CSS), name and note of each.
            chosen: index of the current color, or -1.
        """
        with self.hold_sync():
            self.items = [{"color": color, "name": name, "note": note} for color, name, note in items]
            self.chosen = chosen

    def _on_press(self, _: object, message: Mapping[str, Any], __: object) -> None:
        # The list may have changed since the browser drew it.
        if 0 <= message["index"] < len(self.items):
            self._choose(message["index"])
