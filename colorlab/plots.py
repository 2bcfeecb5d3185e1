"""Draw the figures of the project in one style, color-blind-safe wherever color is not the subject.

Functions return a :class:`Figure`, which draws itself as the last line of a cell; :func:`show` displays it with a
caption and alternative text.
"""

from __future__ import annotations

import base64
import io
import math
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from PIL import Image
from torch import Tensor

from colorlab import color
from colorlab.extras import extra

with extra("notebooks"):
    from matplotlib.axes import Axes
    from matplotlib.colors import LogNorm
    from matplotlib.figure import Figure as BaseFigure
    from matplotlib.layout_engine import ConstrainedLayoutEngine
    from matplotlib.patches import Rectangle
    from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

# Okabe and Ito's colors, distinguishable with all common kinds of color vision; https://jfly.uni-koeln.de/color/
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442", "#000000")
DASHES = ("-", "--", "-.", ":")

WIDTH = 8.0
"""Width of every figure in inches."""

if TYPE_CHECKING:
    from typing import Protocol

    class History(Protocol):
        """The part of a run's history that figures use (:class:`colorlab.training.History`)."""

        truth: Tensor | None
        images: list[Tensor]

        def table(self) -> pd.DataFrame:
            """Return one row per epoch."""


Drawable = Tensor | npt.NDArray[Any] | Image.Image


class Figure(BaseFigure):
    """A matplotlib figure without pyplot state, displayed as the last line of a cell."""

    # IPython can display a Figure only if pyplot was imported with its inline backend, which an MPLBACKEND in the
    # environment prevents.
    def _repr_png_(self) -> bytes:
        return png(self)


def png(figure: BaseFigure, *, few_colors: bool = False) -> bytes:
    """Return a figure as an opaque PNG for a notebook, with 256 colors if it shows no photographs.

    Args:
        figure: of matplotlib.
        few_colors: use 256 colors even for photographs, which takes a third of the bytes.
    """
    drawn, stored = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="png")
    raster = Image.open(drawn).convert("RGB")
    photographs = any(np.asarray(shown.get_array()).ndim == 3 for axis in figure.axes for shown in axis.images)
    if few_colors or not photographs:
        raster = raster.quantize(256, dither=Image.Dither.NONE)
    raster.save(stored, format="png", optimize=True)
    return stored.getvalue()


def figure(what: object) -> BaseFigure:
    """Return the figure of a result, an image, several images or a batch.

    Args:
        what: a result of ``train`` or ``evaluate``; a PIL image, an array ``H×W×3`` or a tensor
            ``3×H×W``; a list of them; a batch ``(N, 3, H, W)``, also with its labels; or rows of images by name.

    Raises:
        TypeError: ``what`` is none of these.
    """
    if isinstance(what, BaseFigure):
        return what
    history: Any = getattr(what, "history", what)
    board: Any = getattr(what, "board", what)
    if hasattr(history, "table") and hasattr(history, "rows"):
        return training(history)
    if isinstance(board, pd.DataFrame):
        return leaderboard(board)
    if isinstance(what, tuple) and len(what) == 2 and isinstance(what[0], Tensor) and what[0].dim() == 4:
        what = what[0]
    if isinstance(what, Mapping):
        return images(what)
    if isinstance(what, Image.Image) or (isinstance(what, Tensor | np.ndarray) and what.ndim == 3):
        what = [what]
    if isinstance(what, Tensor | np.ndarray) and what.ndim == 4:
        what = list(what)
    if not isinstance(what, Sequence) or not what or isinstance(what, str):
        raise TypeError(
            f"there is no figure of {type(what).__name__}; give a result of train or evaluate, an image, a list of "
            "images, or a batch"
        )
    columns = min(len(what), 8)
    shown = [_as_array(image) for image in what]
    while len(shown) % columns:
        shown.append(np.full_like(shown[0], 255))
    return images({" " * line: shown[line * columns :][:columns] for line in range(len(shown) // columns)})


def show(what: object, *, alt: str = "", caption: str = "", few_colors: bool = False, jpeg: bool = False) -> None:
    """Display a figure, or the figure of a result or of images, in a notebook; elsewhere, in an image viewer.

    Args:
        what: as for :func:`figure`.
        alt: alternative text, stored with the image.
        caption: the line under it.
        few_colors: store 256 colors even for photographs, which takes a third of the bytes. Not for figures about
            fine shades.
        jpeg: store a JPEG, for large figures of photographs: all colors, in even fewer bytes.
    """
    drawn = figure(what)
    stored = png(drawn, few_colors=few_colors and not jpeg)
    kind = "image/png"
    if jpeg:
        encoded = io.BytesIO()
        Image.open(io.BytesIO(stored)).save(encoded, format="jpeg", quality=82, optimize=True, progressive=True)
        stored, kind = encoded.getvalue(), "image/jpeg"
    if "IPython" in sys.modules:
        from IPython.display import display

        data = {kind: base64.b64encode(stored).decode(), "text/plain": repr(drawn)}
        display(data, metadata={kind: {"alt": alt}} if alt else None, raw=True)
    else:
        Image.open(io.BytesIO(stored)).show()
    if caption:
        print(caption)


def images(
    rows: Mapping[str, Sequence[Drawable] | Tensor], *, titles: Sequence[str] | None = None, width: float = WIDTH
) -> Figure:
    """Draw images in a grid with one labeled row per entry of ``rows``.

    Args:
        rows: name → images: tensors ``3×H×W``, arrays ``H×W×3`` or PIL images. All rows have the same length.
        titles: a title for each column.
        width: of the figure in inches.
    """
    grid = {name: [_as_array(image) for image in row] for name, row in rows.items()}
    columns = max(len(row) for row in grid.values())
    if any(len(row) != columns for row in grid.values()):
        raise ValueError(f"rows must have the same number of images, got {[len(row) for row in grid.values()]}")
    height, wide = next(iter(grid.values()))[0].shape[:2]
    cell = (width - 0.25 * any(grid)) / columns  # beside the names of the rows
    top = 0.3 if titles else 0.05
    figure = Figure(
        figsize=(width, len(grid) * cell * height / wide + top),
        layout=ConstrainedLayoutEngine(w_pad=0.02, h_pad=0.02, wspace=0, hspace=0),
    )
    axes = figure.subplots(len(grid), columns, squeeze=False)
    for line, (name, row) in zip(axes, grid.items(), strict=True):
        for axis, image in zip(line, row, strict=True):
            axis.imshow(image, vmin=0, vmax=255, interpolation="nearest" if max(image.shape) <= 64 else None)
            axis.set(xticks=[], yticks=[])
            for spine in axis.spines.values():
                spine.set_visible(False)
        fits = 72 * cell * height / wide / (0.58 * max(1, len(name)))  # points, for letters of that mean width
        line[0].set_ylabel(name, fontsize=min(9, fits))
    if titles is not None:
        for axis, title in zip(axes[0], titles, strict=True):
            axis.set_title(title, fontsize=9)
    return figure


def lines(
    series: Mapping[str, tuple[Sequence[float] | Tensor, Sequence[float] | Tensor]],
    *,
    xlabel: str,
    ylabel: str,
    height: float = 3.0,
) -> Figure:
    """Draw curves in one pair of axes, each with its own color and dash.

    Args:
        series: name → x and y, one-dimensional and equally long.
        xlabel: label of the x axis, with its unit.
        ylabel: label of the y axis, with its unit.
        height: of the figure in inches.
    """
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    axis = figure.subplots()
    for i, (name, (x, y)) in enumerate(series.items()):
        axis.plot(np.asarray(x), np.asarray(y), PALETTE[i % 8], linestyle=DASHES[i % 4], linewidth=2, label=name)
    axis.set(xlabel=xlabel, ylabel=ylabel)
    axis.grid(alpha=0.3)
    axis.legend(frameon=False)
    return figure


def means(table: pd.DataFrame, score: str, *, xlabel: str) -> Figure:
    """Draw the mean scores of models, one per line, with bars of ±2 standard errors.

    Args:
        table: from :func:`colorlab.evaluation.summary`.
        score: a column of it that has a standard error, such as ``mae``.
        xlabel: the score, with its unit and the direction that is better.
    """
    figure = Figure(figsize=(WIDTH, 0.8 + 0.35 * len(table)), layout="constrained")
    axis = figure.subplots()
    for i, (name, row) in enumerate(table.iterrows()):
        two_errors = 2 * row[f"{score}_se"]
        axis.errorbar(row[score], str(name), xerr=two_errors, color=PALETTE[i % 8], marker="o", capsize=4)
    axis.set(xlabel=xlabel)
    axis.invert_yaxis()
    axis.margins(y=0.15)
    axis.grid(axis="x", alpha=0.3)
    return figure


def losses(history: History) -> Figure:
    """Draw the training and validation loss by epoch."""
    table = history.table()
    figure = Figure(figsize=(WIDTH, 3), layout="constrained")
    axis = figure.subplots()
    for column, label, shade, dash, marker in (
        ("train_loss", "training", PALETTE[0], "-", "o"),
        ("val_loss", "validation", PALETTE[1], "--", "s"),
    ):
        axis.plot(table.index, table[column], color=shade, linestyle=dash, marker=marker, label=label)
    axis.set(xlabel="epoch", ylabel="loss (network units)", yscale="log", xticks=table.index)
    axis.grid(alpha=0.3)
    axis.legend(frameon=False)
    return figure


def epochs(history: History, *, count: int = 6, width: float = 6.0) -> Figure:
    """Draw the watched validation images before training, after each epoch, and in their true colors, a row each.

    Args:
        history: of a run that kept images.
        count: how many of the images to show.
        width: of the figure in inches.
    """
    if history.truth is None or not history.images:
        raise ValueError("this history holds no images; train with max_images above 0")
    rows: dict[str, Tensor] = {f"epoch {i}" if i else "before": p[:count] for i, p in enumerate(history.images)}
    return images({**rows, "truth": history.truth[:count]}, width=width)


def gamut(
    lightness: float, *, extent: float = 110, pixels: int = 221, center: tuple[float, float] = (0, 0)
) -> npt.NDArray[np.uint8]:
    r"""Return the slice of the sRGB gamut at one L\* as an image ``pixels × pixels × 3``.

    a increases to the right and b upward, both from ``-extent`` to ``extent`` around ``center``. Colors outside the
    gamut are light gray.
    """
    axis = torch.linspace(-extent, extent, pixels)
    a, b = (axis + center[0]).expand(pixels, -1), (center[1] - axis)[:, None].expand(-1, pixels)
    lab = torch.stack([torch.full((pixels, pixels), float(lightness)), a, b])
    shown = color.to_uint8(color.lab_to_rgb(lab))
    image = torch.where(color.in_gamut(lab), shown, torch.tensor(235, dtype=torch.uint8))
    return image.movedim(0, -1).numpy()


def gamut_slices(lightnesses: Sequence[float]) -> Figure:
    r"""Draw slices of the sRGB gamut at several L\* side by side, with axes in Lab units."""
    figure = Figure(figsize=(WIDTH, WIDTH / len(lightnesses) + 0.45), layout="constrained")
    for axis, lightness in zip(
        figure.subplots(1, len(lightnesses), sharey=True, squeeze=False)[0], lightnesses, strict=True
    ):
        axis.imshow(gamut(lightness), extent=(-110, 110, -110, 110))
        axis.plot(0, 0, marker="+", color="black")
        axis.set(xlabel="a", title=f"L = {lightness:g}", xticks=(-100, 0, 100), yticks=(-100, 0, 100))
    figure.axes[0].set_ylabel("b")
    return figure


def gamut_moves(lab: Tensor, moved: Mapping[str, Tensor]) -> Figure:
    r"""Draw how colors of one L\* change: an arrow from old to new color over the slice of the gamut at that L\*.

    Args:
        lab: ``(3, 1, n)`` Lab, all of the same L.
        moved: name → the changed colors, ``(3, 1, n)``; a pair of axes each. The title gives the largest change of L.
    """
    figure = Figure(figsize=(0.8 * WIDTH, 0.8 * WIDTH / len(moved) + 0.2), layout="constrained")
    lightness = float(lab[0, 0, 0])
    for axis, (name, after) in zip(
        figure.subplots(1, len(moved), sharey=True, squeeze=False)[0], moved.items(), strict=True
    ):
        axis.imshow(gamut(lightness), extent=(-110, 110, -110, 110))
        axis.plot(0, 0, marker="+", color="black")
        for (_, a, b), (_, new_a, new_b) in zip(lab[:, 0].T.tolist(), after[:, 0].T.tolist(), strict=True):
            axis.annotate("", (new_a, new_b), (a, b), arrowprops={"arrowstyle": "->", "linewidth": 1.2})
            axis.plot(a, b, marker="o", markersize=4, color="black")
        change = (after[0] - lab[0]).abs().max()
        axis.set_title(f"{name}: L changes by up to {change:.1f}", fontsize=10)
        axis.set(xlabel="a", xticks=(-100, 0, 100), yticks=(-100, 0, 100), xlim=(-112, 112), ylim=(-112, 112))
    figure.axes[0].set_ylabel("b")
    return figure


def ab_histograms(lab: Mapping[str, Tensor], *, columns: int = 4) -> Figure:
    """Draw the joint histogram of a and b for each set of images, in one pair of axes each.

    Cells of two Lab units are darker for more pixels, on a shared logarithmic scale. The curve at the bottom is the
    histogram of a alone, that on the left of b alone, each to its own scale.

    Args:
        lab: name → Lab ``(N, 3, H, W)``.
        columns: pairs of axes beside each other.
    """
    chroma = {name: values[:, 1:].movedim(1, 0).flatten(1).cpu().numpy() for name, values in lab.items()}
    reach = 10 * math.ceil(max(float(np.abs(values).max()) for values in chroma.values()) / 10)
    edges = np.arange(-reach, reach + 2.0, 2.0)
    counts = {name: np.histogram2d(a, b, bins=[edges, edges])[0] for name, (a, b) in chroma.items()}
    scale = LogNorm(1, max(2.0, *(count.max() for count in counts.values())))
    rows = -(-len(counts) // columns)
    figure = Figure(figsize=(WIDTH, 0.9 * rows * WIDTH / columns + 0.3), layout="constrained")
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    for axis in grid.flat[len(counts) :]:
        axis.set_axis_off()
    for axis, (name, count) in zip(grid.flat, counts.items(), strict=False):
        mesh = axis.pcolormesh(edges, edges, np.where(count > 0, count, np.nan).T, norm=scale, cmap="viridis_r")
        axis.axhline(0, color="black", linewidth=0.5)
        axis.axvline(0, color="black", linewidth=0.5)
        for along, shade, horizontal in ((count.sum(1), PALETTE[1], True), (count.sum(0), PALETTE[0], False)):
            height = along / along.max() * reach / 3 - reach
            orientation: Literal["vertical", "horizontal"] = "vertical" if horizontal else "horizontal"
            axis.stairs(height, edges, baseline=-reach, color=shade, orientation=orientation)
        axis.set(title=name, aspect="equal", xlim=(-reach, reach), ylim=(-reach, reach))
    for axis in grid[-1]:
        axis.set_xlabel("a")
    for axis in grid[:, 0]:
        axis.set_ylabel("b")
    figure.colorbar(mesh, ax=list(grid.flat), label="pixels per cell", aspect=30)
    return figure


def _as_array(image: Drawable) -> npt.NDArray[Any]:
    if isinstance(image, Image.Image):
        return np.asarray(image.convert("RGB"))
    array = image.detach().cpu().numpy() if isinstance(image, Tensor) else image
    if isinstance(image, Tensor) and array.ndim == 3:
        array = array.transpose(1, 2, 0)
    if array.dtype.kind == "f":
        # Clip rounding errors, so that matplotlib warns only about values further outside 0…1.
        array = np.where(np.abs(array - 0.5) < 0.5 + 1e-4, array.clip(0, 1), array)
    return np.repeat(
        array[..., None] if array.ndim == 2 else array, 3 if array.ndim == 2 or array.shape[2] == 1 else 1, 2
    )


def intervals(
    table: pd.DataFrame, *, xlabel: str, mark: float | None = None, groups: Sequence[str] | None = None
) -> Figure:
    """Draw estimates and their intervals, one per line; the intervals may be asymmetric.

    Args:
        table: a row for each line; its first three columns are the estimate and the low and high end, as from
            :func:`colorlab.evaluation.differences`.
        xlabel: what is estimated, with its unit.
        mark: position of a vertical reference line, for instance 0.
        groups: for each row, what it belongs to; rows of one group have one color. By default each row has its own.
    """
    figure = Figure(figsize=(WIDTH, 0.8 + 0.35 * len(table)), layout="constrained")
    axis = figure.subplots()
    members = [str(name) for name in table.index] if groups is None else list(groups)
    shades = {group: PALETTE[i % 8] for i, group in enumerate(dict.fromkeys(members))}
    for (name, row), group in zip(table.iterrows(), members, strict=True):
        estimate, low, high = (float(value) for value in row.iloc[:3])
        ends = [[estimate - low], [high - estimate]]
        axis.errorbar([estimate], [str(name)], xerr=ends, color=shades[group], marker="o", capsize=4)
    if mark is not None:
        axis.axvline(mark, color="black", linewidth=1, linestyle="--")
    axis.set(xlabel=xlabel)
    axis.invert_yaxis()
    axis.margins(y=0.15)
    axis.grid(axis="x", alpha=0.3)
    return figure


def correlations(table: pd.DataFrame, *, label: str) -> Figure:
    """Draw a square table of correlations in colors from orange (-1) over white (0) to purple (1), with numbers.

    Args:
        table: correlations in -1…1, rows and columns of the same names.
        label: of the color bar.
    """
    figure = Figure(figsize=(WIDTH, 0.7 * WIDTH), layout="constrained")
    axis = figure.subplots()
    raster = axis.imshow(table.to_numpy(dtype="float64"), cmap="PuOr", vmin=-1, vmax=1)
    names = [str(name) for name in table.columns]
    axis.set_xticks(range(len(names)), names, rotation=40, ha="right")
    axis.set_yticks(range(len(table)), [str(name) for name in table.index])
    for (i, j), value in np.ndenumerate(table.to_numpy(dtype="float64")):
        axis.text(j, i, f"{value:.1f}", ha="center", va="center", color="white" if abs(value) > 0.45 else "black")
    figure.colorbar(raster, ax=axis, label=label)
    return figure


def leaderboard(board: pd.DataFrame) -> Figure:
    """Draw a table of text, as from :func:`colorlab.evaluation.leaderboard`, one row per score.

    Args:
        board: text cells, indexed by model.
    """
    turned = board.transpose()
    longest = max(len(str(name)) for name in turned.index)
    figure = Figure(
        figsize=(0.4 + 0.07 * longest + 1.3 * turned.shape[1], 0.5 + 0.3 * len(turned)), layout="constrained"
    )
    axis = figure.subplots()
    axis.set_axis_off()
    cells = axis.table(
        turned.to_numpy().tolist(),
        rowLabels=[str(name) for name in turned.index],
        colLabels=[str(name) for name in turned.columns],
        cellLoc="right",
        loc="center",
        edges="horizontal",
    )
    cells.auto_set_font_size(False)
    cells.set_fontsize(8)
    cells.auto_set_column_width(list(range(-1, turned.shape[1])))
    return figure


def show_widget(widget: Any, figure: Figure, *, alt: str, caption: str) -> None:  # noqa: ANN401  ipywidgets is untyped
    """Display a widget with a fallback image for stored notebooks, which keep no widgets.

    Args:
        widget: of ipywidgets.
        figure: the fallback image.
        alt: as in :func:`show`.
        caption: as in :func:`show`.
    """
    with extra("notebooks"):
        from IPython.display import display

    # In few colors, so that notebooks stay small.
    sketch = base64.b64encode(png(figure, few_colors=True)).decode()
    data = {**widget._repr_mimebundle_(), "image/png": sketch}
    display(data, metadata={"image/png": {"alt": alt}}, raw=True)
    print(caption)


def looks(seen: Mapping[str, tuple[tuple[float, float, float], tuple[int, int, int] | None]]) -> Figure:
    """Draw a color in the slice of its L, a tile for each of its conversions, and the neighbors of the fitted one.

    Args:
        seen: from :func:`colorlab.widgets.lab_explorer.looks`: name → Lab, and RGB in 0…255 or ``None``. The slice
            shows the color (the first) and the next two, the second of which is ``fitted``.
    """
    figure = Figure(figsize=(WIDTH, 2.7), layout="constrained")
    plane, tiles, near = figure.subplots(1, 3, width_ratios=(1, 1.1, 0.9))
    (lightness, a, b), _ = next(iter(seen.values()))
    plane.imshow(gamut(lightness), extent=(-110, 110, -110, 110))
    for (_, (lab, _)), marker, fill in zip(seen.items(), "oxo", ("none", "black", "black"), strict=False):
        plane.plot([a, lab[1]], [b, lab[2]], color="black", linewidth=1)
        plane.plot(lab[1], lab[2], marker=marker, color="black", markerfacecolor=fill, markersize=6)
    plane.set(title=f"L = {lightness:g}", xlabel="a", ylabel="b", xticks=(-100, 0, 100), yticks=(-100, 0, 100))
    for line, (name, (lab, rgb)) in enumerate(seen.items()):
        paint: dict[str, Any] = {"fill": False, "hatch": "////", "edgecolor": "0.6"}  # no screen shows it
        if rgb is not None:
            paint = {"color": [value / 255 for value in rgb]}
        tiles.add_patch(Rectangle((0, line + 0.1), 0.8, 0.8, **paint))
        tiles.text(
            1,
            line + 0.5,
            f"{name}\nL {lab[0]:.1f}, a {lab[1] + 0.0:.1f}, b {lab[2] + 0.0:.1f}",
            va="center",
            fontsize=8,
        )
    tiles.set(xlim=(0, 3), ylim=(len(seen), 0))
    tiles.set_axis_off()
    (_, a, b), _ = seen["fitted"]
    near.imshow(gamut(lightness, extent=20, pixels=5, center=(a, b)), extent=(a - 25, a + 25, b - 25, b + 25))
    near.set(title="neighbors", xlabel="a")
    return figure


def training(history: History, batches: pd.DataFrame | None = None, *, sheet: Drawable | None = None) -> Figure:
    """Draw the losses of a run, also an unfinished one; for a GAN also the discriminator's probabilities of "real".

    Args:
        history: of the epochs so far, drawn as dots.
        batches: statistics within epochs, drawn as pale lines; indexed by the time in epochs.
        sheet: an image to draw below.
    """
    batches = pd.DataFrame() if batches is None else batches
    table = history.table()
    panels = [("loss (network units)", {"training": "loss", "validation": ""})]
    if "d_real" in batches or "train_d_real" in table:
        panels = [
            ("L1 (network units)", {"training": "l1", "validation": ""}),
            ("probability of real", {"D(real)": "d_real", "D(fake)": "d_fake"}),
        ]
    figure = Figure(figsize=(WIDTH, 2.4 if sheet is None else 4), layout="constrained")
    layout = [[label for label, _ in panels]] + ([] if sheet is None else [["sheet"] * len(panels)])
    axes: dict[str, Axes] = figure.subplot_mosaic(layout, height_ratios=[2.2, 1.8][: len(layout)])
    now = max([1.0, *batches.index, *table.index])
    for ylabel, curves in panels:
        axis = axes[ylabel]
        for i, (name, column) in enumerate(curves.items()):
            if column in batches:
                axis.plot(batches.index, batches[column], color=PALETTE[i], alpha=0.4, linewidth=1)
            values = table.get(f"train_{column}" if column else "val_loss", pd.Series(dtype=float))
            axis.plot(values.index, values, color=PALETTE[i], linestyle=DASHES[i], marker="os"[i], label=name)
        axis.set(xlabel="epoch", ylabel=ylabel, xlim=(0, 1.03 * now))
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        axis.grid(alpha=0.3)
        axis.legend(frameon=False)
    if len(panels) == 2:
        axes[panels[1][0]].set_ylim(0, 1)
    elif len(table) + len(batches):
        axis = axes[panels[0][0]]
        axis.set_yscale("log")
        axis.yaxis.set(major_locator=LogLocator(subs=(1, 2, 5)), major_formatter="{x:g}", minor_locator=NullLocator())
    if sheet is not None:
        axes["sheet"].imshow(_as_array(sheet), interpolation="nearest")
        axes["sheet"].set_axis_off()
    return figure
