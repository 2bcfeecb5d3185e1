"""The hint painter: set the colors of a few pixels, and the image follows.

A click on the image sets a hint. Beside the image are the colors that the network considers likely at that spot, and
all colors that a screen can show at its lightness. The network decides which pixels take the color of a hint; the
remaining difference is propagated along the lightness (:mod:`colorlab.hints`). For comparison, hints can act by
propagation only.

:class:`colorlab.widgets.sketch.Sketch` applies gestures to the hints and
:class:`colorlab.widgets.hinted_image.HintedImage` computes the colors; neither depends on widgets. During a drag the
image is drawn at :data:`HINT_SIZE`, afterward at the size it is shown.

Used in notebook ``12_colorize_your_own``.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import ipywidgets
from PIL import Image, ImageDraw
from torch import Tensor

from colorlab.hints import Hint, to_json
from colorlab.image import LoadedImage
from colorlab.inference import Painter, network_of, render
from colorlab.models import DistributionColorizer
from colorlab.strokes import load_hints
from colorlab.widgets.base import ImageBox, Source, fold, row, save_controls
from colorlab.widgets.files import OwnFiles, typed_path
from colorlab.widgets.hinted_image import HintedImage
from colorlab.widgets.likely_colors import css_color, gamut_image, showable
from colorlab.widgets.markup import png
from colorlab.widgets.point_pad import PointPad
from colorlab.widgets.sketch import Sketch
from colorlab.widgets.still import contact_sheet, display_with_still
from colorlab.widgets.subject import Subject, prepare, reduce, uploaded_file
from colorlab.widgets.swatch_list import SwatchList

HINT_SIZE = 256
"""Longer side, in pixels, of the image that hints are set on and that is drawn during a drag."""

SHOWN_SIZE = 560
"""Longer side of the image on the page, in pixels."""

PALETTE_REACH = 110
"""The palette shows a and b from minus this to this, one pixel per unit, gray in the center."""

PALETTE_WIDTH = 248
"""The palette's width on the page, in CSS pixels."""

VIEWS = {"with hints": "The colors with the hints", "before": "The network's colors", "hints only": "Hints on gray"}
"""Views of the image → tooltips."""

METHODS = {"network + propagation": True, "propagation only": False}
"""How hints act → whether the network receives them."""

_HELP = (
    "<b>Mouse:</b> click to set a hint, drag to move it, click a likely color or the palette to color it. "
    "<b>Keys</b> in image and palette: arrows move, with Shift by 10; <kbd>Enter</kbd> sets a hint, puts it down "
    "or takes it up again; <kbd>Delete</kbd> removes it; <kbd>Ctrl</kbd>+<kbd>Z</kbd> undoes."
)


@functools.lru_cache(maxsize=101)
def palette(lightness: float) -> Image.Image:
    """Return the gamut at one L: a to the right, b upward, one pixel per unit; outside, only the axes are opaque."""
    gamut = gamut_image(lightness, reach=PALETTE_REACH)
    axes = Image.new("RGBA", gamut.size)
    axes.paste((128, 128, 128, 128), (0, PALETTE_REACH, gamut.width, PALETTE_REACH + 1))
    axes.paste((128, 128, 128, 128), (PALETTE_REACH, 0, PALETTE_REACH + 1, gamut.height))
    return Image.alpha_composite(axes, gamut)


class HintPainter(ImageBox):
    """Correct a network's colors by hints: ``HintPainter()`` as the last line of a cell.

    A click sets a hint. Its color comes from the list of five likely colors of that spot or from the palette. The
    image is shown with the hints, without them, or in gray with the hints only. The painter keeps the hints of each
    image. *Save* writes the image at full resolution and its hints, as JSON, beside it. *More* has the method, hints
    from a file (JSON, or an image of strokes), *?* the keys. The status line shows errors.

    Args:
        image: the name of a sample (:data:`colorlab.data.samples.SAMPLES`) or the path of an image file.
        model: the colorizer: a network, or the name or path of weights; ``None`` is the best pretrained one.
        hints: initial hints, in pixels of the image reduced to :data:`HINT_SIZE`, like :attr:`hints`.

    Raises:
        ValueError: the image cannot be read, the model is unknown, or the hints do not fit the image.
    """

    def __init__(self, image: str | Path = "coffee", model: Painter = None, *, hints: Sequence[Hint] = ()) -> None:
        super().__init__()
        self._network = network_of(model)
        self._subject: Subject
        self._dragging = False  # whether the mouse button is down
        self._sketches: dict[Source, Sketch] = {}
        self._files = OwnFiles()
        self._make_controls()
        self._open(image)
        self._sketches[self._source] = self._sketch = Sketch(reduce(self._subject.lightness, HINT_SIZE), hints)
        self._draw()
        self._watch_controls()

    def __repr__(self) -> str:
        # The text/plain output of the cell; notebook tests compare it, so it must be the same on every machine.
        return f"HintPainter(image={self._subject.name!r}, {self._subject.dimensions}, hints={len(self.hints)})"

    def _ipython_display_(self) -> None:
        name, sketch = self._subject.name, self._sketch
        image = self._preview.convert("RGB")
        scale = image.height / sketch.shape[0]
        draw = ImageDraw.Draw(image)
        for hint in sketch.hints:
            draw.circle((hint.x * scale, hint.y * scale), 0.02 * image.width, fill="white", outline="black", width=2)
        slice_ = palette(60)
        paper = Image.new("RGBA", slice_.size, "white")
        paper.alpha_composite(slice_)
        display_with_still(
            self,
            contact_sheet([("image", image), ("palette", paper)], width=130),
            alt=f"{name} in color, with a dot for each hint, beside the colors of one lightness.",
            caption=f"{name}: a click on the image sets a hint, and the palette gives it its color.",
        )

    @property
    def hints(self) -> tuple[Hint, ...]:
        """Return the current hints, in pixels of the image reduced to :data:`HINT_SIZE`."""
        return self._sketch.hints

    def _make_controls(self) -> None:
        def button(name: str, icon: str, tooltip: str) -> ipywidgets.Button:
            return ipywidgets.Button(description=name, icon=icon, tooltip=tooltip, layout={"width": "auto"})

        self.view = ipywidgets.ToggleButtons(options=[*VIEWS], tooltips=[*VIEWS.values()])
        self.canvas = PointPad(self._on_canvas, "Image: arrows move, Enter sets a hint, Delete removes it")
        self.likely = SwatchList(
            self._on_likely,
            "Likely colors of this spot",
            "Click the image to see what the network considers likely there."
            if isinstance(self._network, DistributionColorizer)
            else "This network predicts a single color, so there is nothing to choose from.",
        )
        self.legend = ipywidgets.HTML()
        self.legend.add_class("colorlab-caption")
        self.swatches = PointPad(self._on_palette, "Palette: arrows change the color")
        self.undo = button("Undo", "undo", "Undo the last change of hints")
        self.remove = button("Remove", "times", "Remove the selected hint")
        self.clear = button("Clear", "trash", "Remove all hints")
        self.target, self.save = save_controls("Save the image at full resolution, and its hints as JSON beside it")
        self.method = ipywidgets.ToggleButtons(
            options=[*METHODS],
            tooltips=("The network decides what else takes a hint's color", "Hints spread along the lightness alone"),
        )
        self.method.disabled = not isinstance(self._network, DistributionColorizer)
        self.load = ipywidgets.FileUpload(
            description="Load hints",
            accept=".json,application/json,image/*",
            tooltip="Load hints",
            layout={"width": "112px"},
        )
        keys, help_text = fold("?", "Mouse and keys", ipywidgets.HTML(_HELP))
        self.more, self.folded = fold(
            "More",
            "Load hints, compare methods",
            row("bar", ipywidgets.Label("Hints act by"), self.method, self.load),
            ipywidgets.HTML("Hints are a JSON file, or an image of strokes on a transparent layer."),
        )
        # Tab moves from the image to its colors.
        left = ipywidgets.VBox([self.canvas, self.status])
        right = ipywidgets.VBox([self.likely, self.legend, self.swatches])
        left.layout.width, right.layout.width = f"{SHOWN_SIZE}px", f"{PALETTE_WIDTH}px"
        self._lay_out(
            "hint-painter",
            row("bar", self.image, self.upload, self.view, row("bar", self.undo, self.remove, self.clear), keys),
            help_text,
            row("columns", left, right),
            row("foot", self.target, self.save, self.more),
            self.folded,
        )

    def _watch_controls(self) -> None:
        self.load.observe(self._on_load, "value")
        self.save.on_click(self._on_save)
        self.undo.on_click(lambda _: self._edit(self._sketch.undo))
        self.remove.on_click(lambda _: self._edit(self._sketch.delete))
        self.clear.on_click(lambda _: self._edit(lambda: self._sketch.replace(())))
        self.view.observe(self._on_view, "value")
        self.method.observe(self._on_view, "value")

    def _on_canvas(self, gesture: Mapping[str, Any]) -> None:
        kind, sketch = gesture["kind"], self._sketch
        self._track_drag(kind)
        if kind == "press":
            self._edit(lambda: sketch.press(gesture["y"], gesture["x"], gesture["index"]))
        elif kind == "move":
            self._edit(lambda: sketch.move(gesture["y"], gesture["x"]))
        else:
            self._edit(getattr(sketch, kind))

    def _on_palette(self, gesture: Mapping[str, Any]) -> None:
        kind, sketch = gesture["kind"], self._sketch
        self._track_drag(kind)
        if kind in ("press", "move"):
            self._edit(lambda: sketch.choose(gesture["x"] - PALETTE_REACH, PALETTE_REACH - gesture["y"]))
        elif kind in ("release", "undo", "delete"):
            self._edit(getattr(sketch, kind))

    def _track_drag(self, kind: str) -> None:
        """Track whether the mouse button is down; moves without it come from the arrow keys."""
        self._dragging = kind == "press" or (kind == "move" and self._dragging)

    def _on_likely(self, index: int) -> None:
        a, b, *_ = self._suggestions[index]
        self._edit(lambda: self._sketch.choose(a, b))
        self._sketch.release()  # the next choice is a separate undo step

    def _on_view(self, _: object) -> None:
        if not self._updating:
            with self._report_errors():
                self._draw()

    def _on_load(self, change: Mapping[str, Any]) -> None:
        if self._updating or not change["new"]:
            return
        file = change["new"][0]

        def replace() -> None:
            with uploaded_file(str(file["name"]) or "upload", bytes(file["content"])) as path:
                hints = load_hints(path, self._sketch.shape)
            self._sketch.replace(hints)

        self._edit(replace)

    def _on_save(self, _: object) -> None:
        with self._report_errors():
            path = typed_path(self.target.value, what="the image", example="colorized/image.png", kinds=(".png",))
            self._set_status(f"Saving {path} …")
            beside = path.with_suffix(".json")
            image = render(self._subject.lightness, self._predict(self.hints), alpha=self._subject.alpha)
            hints = to_json(self.hints, self._sketch.shape)
            self._files.save({path: png(image), beside: hints.encode()})
            self._set_status(
                f"Saved {path.resolve()} ({self._subject.dimensions} pixels), and the hints in {beside.name}."
            )

    def _edit(self, change: Callable[[], None]) -> None:
        """Change the sketch and redraw."""
        with self._report_errors():
            before = self.hints
            change()
            if self.hints != before and self.view.value == "before":
                with self._ignore_events():
                    self.view.value = "with hints"
            self._draw()

    def _show_image(self, source: Source, image: LoadedImage) -> None:
        """Show another image with its earlier hints, but not with those of another file of the same name."""
        self._set_status(f"Coloring {source.name} …")
        subject = prepare(source.name, image, SHOWN_SIZE)
        hinted = HintedImage(subject.lightness, self._network)
        lightness = reduce(subject.lightness, HINT_SIZE)
        new = source.kind == "own" and (self._own_image is None or image is not self._own_image[1])
        known = None if new else self._sketches.get(source)
        self._sketches[source] = self._sketch = Sketch(lightness) if known is None else known
        self._subject, self._hinted = subject, hinted
        self._drawn_state: object = None
        self._dragging = False
        self.target.value = f"colorized/{Path(subject.name).stem}.png"
        self._draw()

    def _predict(self, hints: Sequence[Hint]) -> Tensor:
        return self._hinted.predict(hints, self._sketch.shape, network=METHODS[self.method.value])

    def _draw(self) -> None:
        """Show the current state; during a drag, draw a smaller image and keep the list of likely colors."""
        subject, sketch, view = self._subject, self._sketch, str(self.view.value)
        hints = sketch.hints if view == "with hints" else ()
        drawn = hints, view, self.method.value, self._dragging
        if drawn != self._drawn_state:
            small, alpha = subject.preview(HINT_SIZE if self._dragging else SHOWN_SIZE)
            chroma = 0.0 if view == "hints only" else 1.0
            self._preview = render(small, self._predict(hints), alpha=alpha, chroma=chroma)
            self._drawn_state = drawn
        lightness = sketch.lightness_at(*sketch.place)
        a, b = showable(lightness, *sketch.chosen)
        height, width = subject.small_lightness.shape
        count = f"with {_hint_count(len(sketch.hints))}" if sketch.hints and view != "before" else "without hints"
        what = "gray" if view == "hints only" else "the network's colors"
        self.canvas.show(
            self._preview,
            alt=f"{subject.name} in {what}, {count}",
            grid=sketch.shape,
            points=[
                (h.y, h.x, css_color(sketch.lightness_at(h.y, h.x), h.a, h.b), f"hint {number}")
                for number, h in enumerate(sketch.hints, start=1)
            ],
            selected=sketch.selected,
            width=SHOWN_SIZE * width // max(height, width),
        )
        side = 2 * PALETTE_REACH + 1
        self.swatches.show(
            palette(float(round(lightness))),
            alt=f"The colors that a screen can show at L = {lightness:.0f}",
            grid=(side, side),
            points=[(PALETTE_REACH - round(b), PALETTE_REACH + round(a), css_color(lightness, a, b), "the color")],
            selected=0,
            width=PALETTE_WIDTH,
        )
        self.legend.value = f"Colors at L = {lightness:.0f}: a right, b up"
        if not self._dragging:
            self._suggest(lightness, a, b)
        self.undo.disabled, self.remove.disabled = not sketch.can_undo, sketch.selected < 0
        self.clear.disabled = not sketch.hints
        self._set_status(f"{subject.name}, {subject.dimensions} pixels, {self._hints_in_words()}")

    def _suggest(self, lightness: float, a: float, b: float) -> None:
        """List the likely colors at the selected hint, and mark its current color."""
        sketch = self._sketch
        self._suggestions = (
            [] if sketch.selected < 0 else self._hinted.suggestions(*sketch.place, lightness, sketch.shape)
        )
        self.likely.show(
            [
                (css_color(lightness, s.a, s.b), s.name, f"{s.probability:.0%}" if s.probability >= 0.005 else "< 1%")
                for s in self._suggestions
            ],
            chosen=next((i for i, s in enumerate(self._suggestions) if math.dist((a, b), s[:2]) < 1), -1),
        )

    def _hints_in_words(self) -> str:
        sketch = self._sketch
        count = _hint_count(len(sketch.hints)) if sketch.hints else "no hints yet"
        if sketch.selected < 0:
            return f"{count}."
        hint = sketch.hints[sketch.selected]
        return (
            f"{count}. Hint {sketch.selected + 1}, row {hint.y}, column {hint.x}: "
            f"L = {sketch.lightness_at(hint.y, hint.x):.0f}, a = {hint.a:z.0f}, b = {hint.b:z.0f}."
        )

    def _update_controls(self) -> None:
        super()._update_controls()
        with self._ignore_events():
            self.load.value = ()


def _hint_count(hints: int) -> str:
    return f"{hints} hint{'s' * (hints > 1)}"
