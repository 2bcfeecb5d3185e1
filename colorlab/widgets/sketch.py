"""Edit the hints of an image, with undo; without widgets."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from colorlab.hints import Hint, check_hints
from colorlab.widgets.likely_colors import showable

FIRST_COLOR = (35.0, 30.0)
"""a and b of the first hint: an orange that stands out on any image."""

COLORFUL = 60.0
"""A lightness at which a screen shows many colors."""


class Sketch:
    """Edit hints on an image; all colors stay inside the gamut.

    Args:
        lightness: ``(H, W)`` L in 0…100.
        hints: initial hints.

    Raises:
        ValueError: the hints do not fit the image.

    Attributes:
        hints: the current hints.
        selected: index of the selected hint, or -1.
        place: row and column of the last gesture.
        chosen: a and b that were chosen last; a hint gets as much of their chroma as its lightness allows.
    """

    def __init__(self, lightness: Tensor, hints: Sequence[Hint] = ()) -> None:
        self.shape: tuple[int, int] = (lightness.shape[0], lightness.shape[1])
        self._lightness = lightness
        # Start at a lightness with many colors; at black or white the palette would be almost empty.
        row, column = divmod(int((lightness - COLORFUL).abs().argmin()), self.shape[1])
        self.place = row, column
        self.chosen = FIRST_COLOR
        self.selected = -1
        self.hints: tuple[Hint, ...] = ()
        self._past: list[tuple[Hint, ...]] = []
        # The kind of change that a drag repeats; all its changes are one undo step.
        self._ongoing = ""
        self.replace(hints)
        self._past.clear()

    @property
    def can_undo(self) -> bool:
        """Tell whether there is something to undo."""
        return bool(self._past)

    def lightness_at(self, row: int, column: int) -> float:
        """Return L of a pixel."""
        return float(self._lightness[row, column])

    @property
    def others(self) -> tuple[Hint, ...]:
        """Return the hints without the selected one."""
        return tuple(hint for index, hint in enumerate(self.hints) if index != self.selected)

    def press(self, row: int, column: int, index: int = -1) -> None:
        """Select hint ``index``; if that is -1, set a hint here and select it."""
        self.release()
        if index < 0:
            self._change((*self.hints, self._fitted(row, column)))
            index = len(self.hints) - 1
        self._select(index)

    def move(self, row: int, column: int) -> None:
        """Move the selected hint, unless the new place has a hint already."""
        if self.selected >= 0 and all((row, column) != (hint.y, hint.x) for hint in self.hints):
            self._change_selected(self._fitted(row, column), "move")
            self.place = row, column

    def choose(self, a: float, b: float) -> None:
        """Set the color of the selected hint and of later ones."""
        self.chosen = showable(self.lightness_at(*self.place), a, b)
        if self.selected >= 0:
            self._change_selected(self._fitted(*self.place), "choose")

    def release(self) -> None:
        """End a drag."""
        self._ongoing = ""

    def drop(self) -> None:
        """Select no hint."""
        self.release()
        self.selected = -1

    def delete(self) -> None:
        """Remove the selected hint."""
        if self.selected >= 0:
            self.replace(self.others)

    def replace(self, hints: Sequence[Hint]) -> None:
        """Replace all hints."""
        check_hints(hints, self.shape)
        self.drop()
        self._change(tuple(Hint.of(h.x, h.y, *showable(self.lightness_at(h.y, h.x), h.a, h.b)) for h in hints))

    def undo(self) -> None:
        """Undo the last change; a drag is one change."""
        if self._past:
            self.drop()
            self.hints = self._past.pop()

    def _fitted(self, row: int, column: int) -> Hint:
        return Hint.of(column, row, *showable(self.lightness_at(row, column), *self.chosen))

    def _select(self, index: int) -> None:
        self.selected = index
        hint = self.hints[index]
        self.place, self.chosen = (hint.y, hint.x), (hint.a, hint.b)

    def _change_selected(self, hint: Hint, how: str) -> None:
        hints = list(self.hints)
        hints[self.selected] = hint
        self._change(tuple(hints), how)

    def _change(self, hints: tuple[Hint, ...], how: str = "") -> None:
        if hints == self.hints:
            return
        if not how or how != self._ongoing:
            self._past.append(self.hints)
        self._ongoing = how
        self.hints = hints
