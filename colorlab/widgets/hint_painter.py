"""The hint painter: say what color a few pixels have, and see the image follow.

A click on the image sets a hint, the palette gives it a color that a screen can show at that pixel's lightness,
and :mod:`colorlab.hints` spreads it. The network runs, and the matrix is factorized, once for each image. What a
gesture does to the hints is decided by :class:`colorlab.widgets.sketch.Sketch`, which knows nothing of widgets.

Used in notebook ``11_colorize_your_own``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import ipywidgets
import torch
from PIL import Image, ImageDraw
from torch import nn

from colorlab import color, pretrained
from colorlab.hints import Hint, Propagation, from_json, to_json
from colorlab.image import LoadedImage
from colorlab.inference import HINT_SIZE, enlarge, predict_ab, render
from colorlab.models import create_colorizer
from colorlab.widgets.base import NARROW, WRAPPED, ImageBox, Source
from colorlab.widgets.files import OwnFiles, typed_path
from colorlab.widgets.markup import png
from colorlab.widgets.point_pad import PointPad
from colorlab.widgets.sketch import Sketch, showable
from colorlab.widgets.still import contact_sheet, display_with_still
from colorlab.widgets.subject import PREVIEW_SIZE, Subject, prepare, reduce

PALETTE_REACH = 110
"""The palette shows a and b from minus this to this, a pixel a unit: all colors of a screen, gray in the middle."""

PALETTE_WIDTH = 300
"""The palette's width on the page, in CSS pixels."""

_HELP = (
    "<b>Mouse:</b> click to set a hint in the palette's color, drag to move it. "
    "<b>Keys</b> in image and palette: arrows move, with Shift by 10; <kbd>Enter</kbd> sets a hint, puts it down "
    "or takes it up again; <kbd>Delete</kbd> removes it; <kbd>Ctrl</kbd>+<kbd>Z</kbd> undoes."
)


def css_color(lightness: float, a: float, b: float) -> str:
    """A Lab color as ``rgb(…)``."""
    rgb = color.to_uint8(color.lab_to_rgb(torch.tensor([lightness, a, b]).view(3, 1, 1)))
    return "rgb({}, {}, {})".format(*rgb.flatten().tolist())


def palette(lightness: float) -> Image.Image:
    """The gamut at one L: a to the right, b upward, a pixel a unit; transparent but for axes where no color is."""
    axis = torch.arange(-PALETTE_REACH, PALETTE_REACH + 1.0)
    a, b = torch.meshgrid(axis, -axis, indexing="xy")
    lab = torch.stack([torch.full_like(a, lightness), a, b])
    inside = color.in_gamut(lab)
    axes = (a == 0) | (b == 0)
    rgb = torch.where(inside, color.to_uint8(color.lab_to_rgb(lab)), torch.tensor(128, dtype=torch.uint8))
    opacity = torch.where(inside, 255, torch.where(axes, 128, 0)).to(torch.uint8)
    return Image.fromarray(torch.cat([rgb, opacity[None]]).movedim(0, -1).numpy())


class HintPainter(ImageBox):
    """Correct a network's colors by hints: ``HintPainter()`` as the last line of a cell.

    Each image keeps its hints while the painter lives; *Save* writes the image at full resolution and its hints,
    as JSON, beside it. What goes wrong is said in the status line.

    Args:
        image: the name of a sample (:data:`colorlab.data.placeholder.PHOTOGRAPHS`) or the path of an image file.
        model: what predicts the colors that hints correct: a network, or the name or path of weights; ``None``
            is the best of them.
        hints: to begin with, in pixels of the image reduced to :data:`HINT_SIZE`, as :attr:`hints` gives them.

    Raises:
        ValueError: an image that cannot be read, an unknown model, or hints that do not fit the image.
    """

    def __init__(
        self, image: str | Path = "coffee", model: nn.Module | str | Path | None = None, *, hints: Sequence[Hint] = ()
    ) -> None:
        super().__init__()
        self._network = create_colorizer(model) if isinstance(model, nn.Module) else pretrained.load(model)
        self._subject: Subject
        self._sketches: dict[Source, Sketch] = {}
        self._files = OwnFiles()
        self._make_controls()
        self._open(image)
        self._sketches[self._source] = self._sketch = Sketch(reduce(self._subject.lightness, HINT_SIZE), hints)
        self._draw()
        self._watch_controls()

    def __repr__(self) -> str:
        # text/plain of the cell: the same on every machine, so that tests of notebooks can compare it.
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
        """The hints as they are now, in pixels of the image reduced to :data:`HINT_SIZE`."""
        return self._sketch.hints

    def _make_controls(self) -> None:
        def button(name: str, icon: str, tooltip: str) -> ipywidgets.Button:
            return ipywidgets.Button(description=name, icon=icon, tooltip=tooltip, layout={"width": "92px"})

        self.canvas = PointPad(self._on_canvas, "Image: arrows move, Enter sets a hint, Delete removes it")
        self.legend = ipywidgets.HTML()
        self.swatches = PointPad(self._on_palette, "Palette: arrows change the color")
        self.undo = button("Undo", "undo", "Undo the last change of hints")
        self.remove = button("Remove", "times", "Remove the selected hint")
        self.clear = button("Clear", "trash", "Remove all hints")
        self.target = ipywidgets.Text(
            description="Save as", style=NARROW, layout={"flex": "1 1 240px", "max_width": "460px"}
        )
        self.save = button("Save", "save", "Save the image at full resolution, and its hints as JSON beside it")
        self.load = ipywidgets.FileUpload(
            description="Load hints",
            accept=".json,application/json",
            tooltip="Load hints from a JSON file",
            layout={"width": "128px"},
        )
        desk = {"flex_flow": "row wrap", "align_items": "flex-start", "grid_gap": "8px 16px", "padding": "4px"}
        # Never wider than the page; an image that is cut off could not be hit everywhere.
        self.canvas.layout.max_width = self.swatches.layout.max_width = "100%"
        buttons = ipywidgets.HBox([self.undo, self.remove, self.clear], layout={"flex_flow": "row wrap"})
        side = ipywidgets.VBox([self.legend, self.swatches, buttons], layout={"max_width": "100%"})
        self.children = (
            ipywidgets.HBox([self.image, self.upload], layout=WRAPPED),
            ipywidgets.HBox([self.canvas, side], layout=desk),
            self.status,
            ipywidgets.HBox([self.target, self.save, self.load], layout=WRAPPED),
            ipywidgets.HTML(f'<p style="margin:0;line-height:1.5">{_HELP}</p>'),
        )
        self.add_class("colorlab-hint-painter")

    def _watch_controls(self) -> None:
        self.load.observe(self._on_load, "value")
        self.save.on_click(self._on_save)
        self.undo.on_click(lambda _: self._do(self._sketch.undo))
        self.remove.on_click(lambda _: self._do(self._sketch.delete))
        self.clear.on_click(lambda _: self._do(lambda: self._sketch.replace(())))

    def _on_canvas(self, gesture: Mapping[str, Any]) -> None:
        kind, sketch = gesture["kind"], self._sketch
        if kind == "press":
            self._do(lambda: sketch.press(gesture["y"], gesture["x"], gesture["index"]))
        elif kind == "move":
            self._do(lambda: sketch.move(gesture["y"], gesture["x"]))
        else:
            self._do(getattr(sketch, kind))

    def _on_palette(self, gesture: Mapping[str, Any]) -> None:
        kind, sketch = gesture["kind"], self._sketch
        if kind in ("press", "move"):
            self._do(lambda: sketch.choose(gesture["x"] - PALETTE_REACH, PALETTE_REACH - gesture["y"]))
        elif kind in ("release", "undo", "delete"):
            self._do(getattr(sketch, kind))

    def _on_load(self, change: Mapping[str, Any]) -> None:
        if self._settling or not change["new"]:
            return
        content = bytes(change["new"][0]["content"])
        self._do(lambda: self._sketch.replace(from_json(content, self._sketch.shape)))

    def _on_save(self, _: object) -> None:
        with self._told():
            path = typed_path(self.target.value, what="the image", example="colorized/image.png", kinds=(".png",))
            self._say(f"Saving {path} …")
            beside = path.with_suffix(".json")
            image = render(self._subject.lightness, self._ab, alpha=self._subject.alpha)
            hints = to_json(self.hints, self._sketch.shape)
            self._files.save({path: png(image), beside: hints.encode()})
            self._say(f"Saved {path.resolve()} ({self._subject.dimensions} pixels), and the hints in {beside.name}.")

    def _do(self, change: Callable[[], None]) -> None:
        """Change the sketch, and show it."""
        with self._told():
            change()
            self._draw()

    def _put(self, source: Source, image: LoadedImage) -> None:
        """Another image, with the hints that it had; those of another file of the same name mean nothing on it."""
        self._say(f"Coloring {source.name} …")
        subject = prepare(source.name, image)
        lightness = reduce(subject.lightness, HINT_SIZE)
        new = source.kind == "own" and (self._own is None or image is not self._own[1])
        known = None if new else self._sketches.get(source)
        small = predict_ab(subject.lightness, self._network)
        ab = enlarge(small, lightness)
        self._propagation, self._predicted = Propagation(lightness), ab
        self._sketches[source] = self._sketch = Sketch(lightness) if known is None else known
        self._subject = subject
        self._drawn: tuple[Hint, ...] | None = None
        self.target.value = f"colorized/{Path(subject.name).stem}.png"
        self._draw()

    def _draw(self) -> None:
        subject, sketch = self._subject, self._sketch
        if sketch.hints != self._drawn:
            self._ab = self._propagation.spread(self._predicted, sketch.hints)
            self._preview = render(subject.small_lightness, self._ab, alpha=subject.small_alpha)
            self._drawn = sketch.hints
        lightness = sketch.lightness_at(*sketch.place)
        a, b = showable(lightness, *sketch.chosen)
        height, width = subject.small_lightness.shape
        self.canvas.show(
            self._preview,
            alt=f"{subject.name} in the network's colors, with {len(sketch.hints)} hints",
            grid=sketch.shape,
            points=[
                (h.y, h.x, css_color(sketch.lightness_at(h.y, h.x), h.a, h.b), f"hint {number}")
                for number, h in enumerate(sketch.hints, start=1)
            ],
            selected=sketch.selected,
            width=PREVIEW_SIZE * width // max(height, width),
        )
        side = 2 * PALETTE_REACH + 1
        self.swatches.show(
            palette(lightness),
            alt=f"The colors that a screen can show at L = {lightness:.0f}",
            grid=(side, side),
            points=[(PALETTE_REACH - round(b), PALETTE_REACH + round(a), css_color(lightness, a, b), "the color")],
            selected=0,
            width=PALETTE_WIDTH,
        )
        self.legend.value = f"Colors at L = {lightness:.0f}: a to the right, b upward"
        self.undo.disabled, self.remove.disabled = not sketch.can_undo, sketch.selected < 0
        self.clear.disabled = not sketch.hints
        self._say(f"{subject.name}, {subject.dimensions} pixels, {self._hints_in_words()}")

    def _hints_in_words(self) -> str:
        sketch = self._sketch
        count = "no hints yet" if not sketch.hints else f"{len(sketch.hints)} hint{'s' * (len(sketch.hints) > 1)}"
        if sketch.selected < 0:
            return f"{count}."
        hint = sketch.hints[sketch.selected]
        return (
            f"{count}. Hint {sketch.selected + 1}, row {hint.y}, column {hint.x}: "
            f"L = {sketch.lightness_at(hint.y, hint.x):.0f}, a = {hint.a:z.0f}, b = {hint.b:z.0f}."
        )

    def _settle(self) -> None:
        super()._settle()
        with self._unheard():
            self.load.value = ()
