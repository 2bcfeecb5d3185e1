"""The colorization bench: color your own photograph, adjust the chroma, save the result.

The network runs when the image, the model, the working size or the style changes. A new chroma gain only redraws the
image. Only *Save* works at full resolution.

Used in notebook ``12_colorize_your_own``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

import ipywidgets
import numpy as np
import torch
from matplotlib import colormaps
from PIL import Image
from torch import Tensor, nn

from colorlab import color, pretrained
from colorlab.image import LoadedImage
from colorlab.inference import choose_style, predict_ab, render
from colorlab.models import DEFAULT_STYLE, STYLES, Colorizer, DistributionColorizer, Style, create_colorizer
from colorlab.widgets.base import NARROW, ImageBox, Source, fold, row, save_controls, slider
from colorlab.widgets.curtain import Curtain
from colorlab.widgets.files import OwnFiles, typed_path
from colorlab.widgets.markup import image_html, png
from colorlab.widgets.still import contact_sheet, display_with_still
from colorlab.widgets.subject import PREVIEW_SIZE, Subject, as_tensor, prepare, true_lab

WORKING_SIZES = (32, 48, 64, 96, 128, 192, 256, 384, 512)
"""Working sizes to choose from."""

LARGE_DIFFERENCE = 20.0
"""CIEDE2000 difference that is shown as the brightest; colors this far apart have different names."""


_OWN_SIZE = "model's own"  # ipywidgets takes None as no choice
_COLORS_ONLY = "colors alone, at L = 50"
_DIFFERENCE = f"CIEDE2000, 0 dark … {LARGE_DIFFERENCE:g} bright"


class Choice(NamedTuple):
    """Hold the settings of a prediction; ``style`` is None if the model predicts a single color."""

    model: str
    size: int | str
    style_name: str
    style: Style | None


def difference(true: Tensor, shown: Image.Image) -> tuple[Image.Image, float]:
    """Return the CIEDE2000 color difference of two images, as a map from dark (0) to bright, and its mean.

    Args:
        true: ``(3, H, W)`` Lab.
        shown: image of the same size.
    """
    from skimage.color import deltaE_ciede2000

    lab = color.rgb_to_lab(as_tensor(shown))
    distance = deltaE_ciede2000(true.movedim(0, -1).numpy(), lab.movedim(0, -1).numpy())
    brightness = (255 * np.clip(distance / LARGE_DIFFERENCE, 0, 1)).astype(np.uint8)
    return Image.fromarray(colormaps["viridis"](brightness, bytes=True)[..., :3].copy()), float(distance.mean())


def own_style(model: Colorizer, name: str) -> Style | None:
    """Return a model's own style of this name; None for a model that predicts a single color."""
    return choose_style(model, name) if isinstance(model, DistributionColorizer) else None


class ColorizeBench(ImageBox):
    """Color an image in a notebook: ``ColorizeBench()`` as the last line of a cell.

    The chosen model colors a sample or an upload. The user can move an edge between before and after over the image.
    Beside it are the colors alone, or their difference from the true colors. *Save* writes the result at full
    resolution with the original lightness. The status line shows errors.

    Args:
        image: the name of a sample (:data:`colorlab.data.samples.SAMPLES`) or the path of an image file.
            Jupyter servers silently drop uploads above 10 MB unless configured otherwise, as `make lab` does.
        model: initial model; ``None`` is the best pretrained one.
        models: name → network from lightness to a and b: your own models, offered beside
            :data:`colorlab.pretrained.NAMES`.
        size: initial working size, as in :func:`colorlab.colorize`; by default each model's own.
        style: initial style, as in :func:`colorlab.colorize`; the bench has controls for its temperature, prior
            correction and random seed.

    Raises:
        ValueError: the image cannot be read, the model or style is unknown, a style is given for a model that
            predicts a single color, or the size is below 1.
    """

    def __init__(
        self,
        image: str | Path = "astronaut",
        model: str | None = None,
        *,
        models: Mapping[str, nn.Module] | None = None,
        size: int | None = None,
        style: str | None = None,
    ) -> None:
        super().__init__()
        # Models by name; each is loaded when it is first chosen.
        self._networks: dict[str, Colorizer | None] = dict.fromkeys(pretrained.NAMES)
        self._networks |= {name: create_colorizer(network) for name, network in (models or {}).items()}
        model = pretrained.NAMES[0] if model is None else model
        if model not in self._networks:
            raise ValueError(f"no model {model!r}; there are {', '.join(self._networks)}")
        network = self._network(model)
        choose_style(network, style)  # raises if the model has no such style
        self._files = OwnFiles()
        self._make_controls(model, size, style or DEFAULT_STYLE)
        self._set_style(own_style(network, self.style_name.value))
        self._open(image)
        self._watch_controls()

    def __repr__(self) -> str:
        # The text/plain output of the cell; notebook tests compare it, so it must be the same on every machine.
        return f"ColorizeBench(image={self._subject.name!r}, model={self._shown.model!r}, {self._subject.dimensions})"

    def _ipython_display_(self) -> None:
        name, model = self._subject.name, self._shown.model
        images = [("before", self._render_preview(0)), (f"after: {model}", self._render_preview(1))]
        display_with_still(
            self,
            contact_sheet(images, width=130),
            alt=f"{name} in gray, and in the colors that {model} predicts.",
            caption=f"The bench as it opened: {name}, colored by {model}.",
        )

    def _make_controls(self, model: str, size: int | None, style: str) -> None:
        self.model = ipywidgets.Dropdown(
            options=list(self._networks), value=model, description="Model", style=NARROW, layout={"width": "190px"}
        )
        self.size = ipywidgets.Dropdown(
            options=[
                (_OWN_SIZE, _OWN_SIZE),
                *((f"{side} px", side) for side in sorted({*WORKING_SIZES, *([] if size is None else [size])})),
            ],
            value=_OWN_SIZE if size is None else size,
            description="Working size",
            style=NARROW,
            layout={"width": "215px"},
        )
        self.style_name = ipywidgets.Dropdown(
            options=list(STYLES), value=style, description="Style", style=NARROW, layout={"width": "150px"}
        )
        self.temperature = ipywidgets.BoundedFloatText(
            min=0.05, max=2.0, step=0.05, description="Temperature", style=NARROW, layout={"width": "150px"}
        )
        self.prior_correction = ipywidgets.BoundedFloatText(
            min=0.0, max=1.0, step=0.05, description="Prior correction", style=NARROW, layout={"width": "170px"}
        )
        self.seed = ipywidgets.BoundedIntText(
            min=0, max=10**6, description="Seed", style=NARROW, layout={"width": "120px"}
        )
        self.chroma, self.chroma_number = slider("Chroma gain", instant=False, value=1.0, min=0.0, max=2.0, step=0.05)
        self.curtain = Curtain("Edge between before and after, in percent of the width")
        self.beside = ipywidgets.HTML()
        self.view = ipywidgets.Dropdown(description="Beside it", style=NARROW, layout={"width": "300px"})
        # Side by side if the page is wide enough, else stacked.
        half = {"flex": "1 1 300px", "max_width": f"{PREVIEW_SIZE}px"}
        gain = ipywidgets.HBox([self.chroma, self.chroma_number], layout={"flex": "0 1 330px"})
        caption = ipywidgets.Label("Before | after: move the edge")
        self.target, self.save = save_controls("Save at full resolution")
        # The kernel gets no event for a dropped upload, so it cannot show an error.
        hint = ipywidgets.HTML('Some servers drop uploads above 10 MB; then: <code>ColorizeBench("photo.tif")</code>')
        self.more, self.folded = fold(
            "More",
            "Working size, temperature, prior correction",
            row("bar", self.size, self.temperature, self.prior_correction),
            hint,
        )
        self._lay_out(
            "colorize-bench",
            row("bar", self.image, self.upload, self.model, self.style_name, gain, self.seed),
            row(
                "columns",
                ipywidgets.VBox([caption, self.curtain], layout=half),
                ipywidgets.VBox([self.view, self.beside], layout=half),
            ),
            self.status,
            row("foot", self.target, self.save, self.more),
            self.folded,
        )

    def _watch_controls(self) -> None:
        for control in (self.size, self.temperature, self.prior_correction, self.seed):
            control.observe(self._on_choice, "value")
        for control in (self.model, self.style_name):
            control.observe(self._on_style, "value")
        for control in (self.chroma, self.view):
            control.observe(self._on_look, "value")
        self.save.on_click(self._on_save)

    def _on_choice(self, _: object) -> None:
        if not self._updating:
            with self._report_errors():
                self._show(self._subject, self._true)

    def _on_style(self, _: object) -> None:
        """Predict with the default values of the chosen style, not with those of the previous style."""
        if not self._updating:
            with self._report_errors():
                self._set_style(own_style(self._network(self.model.value), self.style_name.value))
                self._show(self._subject, self._true)

    def _on_look(self, _: object) -> None:
        if not self._updating:
            with self._report_errors():
                self._draw()

    def _on_save(self, _: object) -> None:
        with self._report_errors():
            path = typed_path(self.target.value, what="the image", example="colorized/image.png", kinds=(".png",))
            self._set_status(f"Saving {path} …")
            image = render(
                self._subject.lightness, self._ab, alpha=self._subject.alpha, chroma=float(self.chroma.value)
            )
            self._files.save({path: png(image)})
            self._set_status(f"Saved {path.resolve()} ({self._subject.dimensions} pixels).")

    def _show_image(self, source: Source, image: LoadedImage) -> None:
        """Show another image and suggest a file name for its result."""
        subject = prepare(source.name, image)
        self._show(subject, true_lab(image, subject))
        self.target.value = f"colorized/{Path(subject.name).stem}.png"

    def _network(self, name: str) -> Colorizer:
        """Return a model by its name; load it on first use."""
        network = self._networks[name]
        if network is None:
            self._set_status(f"Loading {name} …")
            network = self._networks[name] = pretrained.load(name)
        return network

    def _chosen_style(self, network: Colorizer) -> Style | None:
        """Return the style set by the controls; None for a model that predicts a single color."""
        style = own_style(network, self.style_name.value)
        if style is None:
            return None
        seed = None if style.seed is None else self.seed.value
        temperature, correction = self.temperature.value, self.prior_correction.value
        return replace(style, temperature=temperature, prior_correction=correction, seed=seed)

    def _set_style(self, style: Style | None) -> None:
        """Set the controls to this style; None disables them."""
        with self._ignore_events():
            for control in (self.style_name, self.temperature, self.prior_correction):
                control.disabled = style is None
            self.seed.layout.display = "none" if style is None or style.seed is None else None
            if style is not None:
                self.temperature.value, self.prior_correction.value = style.temperature, style.prior_correction
                self.seed.value = style.seed or 0

    def _show(self, subject: Subject, true: Tensor | None) -> None:
        """Predict colors, then update the bench; an error changes nothing."""
        name = str(self.model.value)
        size = None if self.size.value == _OWN_SIZE else self.size.value
        self._set_status(f"Coloring {subject.name} with {name} …")
        network = self._network(name)
        style = self._chosen_style(network)
        began = perf_counter()
        ab = predict_ab(subject.lightness, network, size=size, style=style)
        self._seconds = perf_counter() - began
        self._subject, self._true, self._ab = subject, true, ab
        self._shown = Choice(name, self.size.value, self.style_name.value, style)
        self._side = network.working_size if size is None else size
        self.curtain.show_before(self._render_preview(0), alt=f"{subject.name} without color: its lightness")
        with self._ignore_events():
            chosen = self.view.value
            self.view.options = [_COLORS_ONLY] if true is None else [_COLORS_ONLY, _DIFFERENCE]
            self.view.value = chosen if chosen in self.view.options else _COLORS_ONLY
        self._draw()

    def _render_preview(self, chroma: float) -> Image.Image:
        subject = self._subject
        return render(subject.small_lightness, self._ab, alpha=subject.small_alpha, chroma=chroma)

    def _colors_only(self, chroma: float) -> Image.Image:
        """Return the colors without the image, all at L = 50."""
        return render(torch.full_like(self._subject.small_lightness, 50), self._ab, chroma=chroma)

    def _draw(self) -> None:
        subject, model, chroma = self._subject, self._shown.model, float(self.chroma.value)
        result = self._render_preview(chroma)
        self.curtain.show_after(
            result, alt=f"{subject.name} in the colors that {model} predicts, chroma gain {chroma:.2f}"
        )
        text = (
            f"{subject.name}, {subject.dimensions} pixels, colored by {model}{self._style_in_words()} "
            f"at working size {self._side} px in {self._seconds:.2f} s, chroma gain {chroma:.2f}."
        )
        if self.view.value == _DIFFERENCE and self._true is not None:
            beside, mean = difference(self._true, result)
            alt = "Where the colors are far from the true ones: the brighter, the farther"
            text += f" CIEDE2000 to the true colors: {mean:.1f} in the mean."
        else:
            beside, alt = self._colors_only(chroma), f"The colors of {subject.name} alone, all at L = 50"
        self.beside.value = image_html(beside, alt=alt, caption="")
        self._set_status(text)

    def _style_in_words(self) -> str:
        _, _, name, style = self._shown
        if style is None:
            return ""
        return f" in style {name}" + (f", seed {style.seed}," if style.seed is not None else "")

    def _update_controls(self) -> None:
        super()._update_controls()
        with self._ignore_events():
            self.model.value, self.size.value, self.style_name.value, style = self._shown
        self._set_style(style)
