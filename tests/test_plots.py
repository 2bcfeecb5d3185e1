"""Figures: what is drawn is what was given, in colors that everybody can tell apart."""

from __future__ import annotations

import base64
import io
import itertools
import warnings

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from PIL import Image
from skimage import data
from skimage.color import lab2rgb, rgb2lab
from traitlets.config import Config

from colorlab import plots
from colorlab.training import History

PHOTO = torch.arange(3 * 4 * 6, dtype=torch.uint8).reshape(3, 4, 6)


def history(epochs: int) -> History:
    rows = [{"epoch": i, "train_loss": 1 / i, "val_loss": 2 / i, "val_mae": 3 / i} for i in range(1, epochs + 1)]
    images = [torch.full((5, 3, 8, 8), i, dtype=torch.uint8) for i in range(epochs + 1)]
    return History(rows=rows, truth=torch.full((5, 3, 8, 8), 200, dtype=torch.uint8), images=images)


def rendered(figure: Figure) -> np.ndarray:
    """The figure's pixels; drawing also finds what only fails when drawn."""
    file = io.BytesIO()
    figure.savefig(file, format="png")
    return np.asarray(Image.open(file).convert("RGB"))


# ---- outside truth


def test_the_palette_is_okabe_and_itos():
    published = {to_hex(color).upper() for color in matplotlib.color_sequences["okabe_ito"]}
    assert set(plots.PALETTE) == published
    assert len(plots.PALETTE) == 8


@pytest.mark.parametrize("lightness", [0, 20, 50, 75, 97])
def test_the_slice_of_the_gamut_is_scikit_images(lightness):
    image = plots.gamut(lightness, pixels=45)
    axis = np.linspace(-110, 110, 45)
    a, b = np.meshgrid(axis, -axis)
    lab = np.dstack([np.full_like(a, lightness), a, b])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of colors that no light has
        rgb = lab2rgb(lab)
    # Inside is what comes back from clipped RGB; a rim where the two may decide differently is left out.
    error = np.abs(rgb2lab(rgb) - lab).max(axis=-1)
    inside, outside = error < 1e-4, error > 0.1
    assert inside.any()
    assert outside.any()
    np.testing.assert_allclose(image[inside], rgb[inside] * 255, atol=0.52)
    assert (image[outside] == 235).all()


# ---- what is drawn is what was given


def test_images_are_drawn_as_they_are():
    array = PHOTO.movedim(0, -1).numpy()
    gray = array[..., 0]
    row = [PHOTO, array, Image.fromarray(array), PHOTO[:1], gray, Image.fromarray(gray)]
    figure = plots.images({"first": row, "second": torch.stack([PHOTO] * 6)}, titles="abcdef")
    drawn = [axis.images[0].get_array() for axis in figure.axes]
    for image in [*drawn[:3], *drawn[6:]]:
        np.testing.assert_array_equal(image, array)
    for image in drawn[3:6]:
        np.testing.assert_array_equal(image, np.repeat(gray[..., None], 3, axis=2))
    assert [axis.get_title() for axis in figure.axes[:6]] == list("abcdef")
    assert [figure.axes[i].get_ylabel() for i in (0, 6)] == ["first", "second"]
    assert figure.get_figwidth() == plots.WIDTH
    assert rendered(figure).std() > 0


def test_images_in_ragged_rows_or_with_too_few_titles_are_refused():
    with pytest.raises(ValueError, match=r"the same number of images, got \[2, 1\]"):
        plots.images({"a": [PHOTO, PHOTO], "b": [PHOTO]})
    with pytest.raises(ValueError, match="zip"):
        plots.images({"a": [PHOTO, PHOTO]}, titles=["one"])


@pytest.mark.parametrize("epochs", [1, 5])
def test_losses(epochs):
    record = history(epochs)
    figure = plots.losses(record)
    (axis,) = figure.axes
    for line, column in zip(axis.lines, ("train_loss", "val_loss"), strict=True):
        np.testing.assert_array_equal(line.get_xdata(), record.table().index)
        np.testing.assert_array_equal(line.get_ydata(), record.table()[column])
    # Told apart without color as well.
    assert len({line.get_linestyle() for line in axis.lines}) == len({line.get_marker() for line in axis.lines}) == 2
    assert [text.get_text() for text in axis.get_legend().get_texts()] == ["training", "validation"]
    assert rendered(figure).std() > 0


def test_epochs_are_rows_from_before_training_to_the_truth():
    figure = plots.epochs(history(2), count=3)
    assert len(figure.axes) == 4 * 3
    rows = figure.axes[::3]
    assert [axis.get_ylabel() for axis in rows] == ["before", "epoch 1", "epoch 2", "truth"]
    assert [axis.images[0].get_array()[0, 0, 0] for axis in rows] == [0, 1, 2, 200]


def test_a_history_without_images_is_told_why():
    with pytest.raises(ValueError, match="max_images"):
        plots.epochs(History(rows=history(1).rows))


def test_lines_hold_their_series_each_in_its_own_way():
    x = torch.arange(4)
    series = {f"series {i}": (x, x * i) for i in range(8)}
    figure = plots.lines(series, xlabel="here", ylabel="there")
    (axis,) = figure.axes
    for (name, (_, y)), line in zip(series.items(), axis.lines, strict=True):
        assert line.get_label() == name
        np.testing.assert_array_equal(line.get_ydata(), y)
    looks = [(line.get_color(), line.get_linestyle()) for line in axis.lines]
    assert all(one != other for one, other in itertools.combinations(looks, 2))
    assert (axis.get_xlabel(), axis.get_ylabel()) == ("here", "there")
    assert rendered(figure).std() > 0


def test_means_have_bars_of_two_standard_errors():
    table = pd.DataFrame({"mae": [9.0, 7.0], "mae_se": [0.5, 0.25]}, index=["gray", "resnet"])
    figure = plots.means(table, "mae", xlabel="mean absolute error")
    (axis,) = figure.axes
    bars = [container.lines[2][0].get_segments()[0][:, 0].tolist() for container in axis.containers]
    assert bars == [[8.0, 10.0], [6.5, 7.5]]
    assert rendered(figure).std() > 0


def test_gamut_slices_and_moves():
    figure = plots.gamut_slices([20, 50, 80])
    assert [axis.get_title() for axis in figure.axes] == ["L = 20", "L = 50", "L = 80"]
    np.testing.assert_array_equal(figure.axes[1].images[0].get_array(), plots.gamut(50))
    assert rendered(figure).std() > 0

    lab = torch.tensor([[50.0, 100.0, 0.0], [50.0, 0.0, -100.0]]).T.unsqueeze(1)
    shorter, darker = lab * torch.tensor([1, 0.5, 0.5]).view(3, 1, 1), lab - torch.tensor([2.5, 0, 0]).view(3, 1, 1)
    figure = plots.gamut_moves(lab, {"shorter": shorter, "darker": darker})
    assert [axis.get_title() for axis in figure.axes] == [
        "shorter: L changes by up to 0.0",
        "darker: L changes by up to 2.5",
    ]
    assert rendered(figure).std() > 0


def test_figures_belong_to_no_pyplot_state():
    before = plt.get_fignums()
    plots.losses(history(2))
    plots.images({"row": [PHOTO]})
    assert plt.get_fignums() == before


# ---- in a notebook


def test_show_gives_a_image_with_its_alternative_text_and_caption():
    InteractiveShell.instance(config=Config(HistoryManager={"enabled": False}))
    figure = plots.images({"row": [PHOTO]})
    try:
        with capture_output() as captured:
            plots.show(figure, alt="a test chart", caption="Figure 1: a chart")
    finally:
        InteractiveShell.clear_instance()
    (shown,) = captured.outputs
    assert shown.metadata["image/png"]["alt"] == "a test chart"
    png = shown.data["image/png"]
    image = Image.open(io.BytesIO(base64.b64decode(png) if isinstance(png, str) else png))
    np.testing.assert_array_equal(np.asarray(image.convert("RGB")), rendered(plots.images({"row": [PHOTO]})))
    assert captured.stdout == "Figure 1: a chart\n"


def test_show_in_few_colors_is_much_smaller_and_looks_alike():
    InteractiveShell.instance(config=Config(HistoryManager={"enabled": False}))
    photograph = data.astronaut()[:256, :256]
    stored = {}
    try:
        for few in (False, True):
            with capture_output() as captured:
                plots.show(plots.images({"": [photograph]}), alt="a photograph", caption="a face", few_colors=few)
            png = captured.outputs[0].data["image/png"]
            stored[few] = base64.b64decode(png) if isinstance(png, str) else png
    finally:
        InteractiveShell.clear_instance()
    full, few = (
        np.asarray(Image.open(io.BytesIO(stored[kind])).convert("RGB"), dtype=float) for kind in (False, True)
    )
    assert len(np.unique(few.reshape(-1, 3), axis=0)) <= 256
    assert len(stored[True]) < 0.6 * len(stored[False])
    assert np.abs(full - few).mean() < 6


def test_show_as_jpeg_is_smaller_still_and_keeps_its_alternative_text():
    InteractiveShell.instance(config=Config(HistoryManager={"enabled": False}))
    drawn = plots.images({"": [data.astronaut()]}, width=4)
    try:
        with capture_output() as captured:
            plots.show(drawn, alt="a photograph", caption="a face", jpeg=True)
    finally:
        InteractiveShell.clear_instance()
    (shown,) = captured.outputs
    assert shown.metadata["image/jpeg"]["alt"] == "a photograph"
    stored = base64.b64decode(shown.data["image/jpeg"])
    assert len(stored) < 0.7 * len(plots.png(drawn, few_colors=True))
    full, lossy = (
        np.asarray(Image.open(io.BytesIO(kind)).convert("RGB"), dtype=float) for kind in (plots.png(drawn), stored)
    )
    assert np.abs(full - lossy).mean() < 6


# ---- intervals and correlations


def test_intervals_of_one_group_have_one_color():
    table = pd.DataFrame({"mean": [1.0, 1, 2], "low": [0.0, 0.5, 1], "high": [2.0, 1.5, 3]}, index=["a", "b", "c"])
    (axis,) = plots.intervals(table, xlabel="error", groups=["one", "one", "two"]).axes
    assert [line.get_color() for line in axis.lines if line.get_marker() == "o"] == [
        plots.PALETTE[0],
        plots.PALETTE[0],
        plots.PALETTE[1],
    ]


def test_intervals_may_be_uneven_and_are_marked():
    table = pd.DataFrame({"top1": [0.9, 0.5], "low": [0.7, 0.4], "high": [0.95, 0.6]}, index=["one", "two"])
    figure = plots.intervals(table, xlabel="accuracy", mark=0.5)
    (axis,) = figure.axes
    bars = [container.lines[2][0].get_segments()[0][:, 0] for container in axis.containers]
    np.testing.assert_allclose(bars, [[0.7, 0.95], [0.4, 0.6]])
    assert axis.lines[-1].get_xdata() == [0.5, 0.5]
    assert axis.get_xlabel() == "accuracy"
    assert rendered(figure).std() > 0


def test_correlations_name_rows_and_columns_and_show_their_numbers():
    table = pd.DataFrame([[1.0, -0.25], [-0.25, 1.0]], index=["MAE", "PSNR"], columns=["MAE", "PSNR"])
    figure = plots.correlations(table, label="rank correlation")
    axis, bar = figure.axes
    assert [text.get_text() for text in axis.texts] == ["1.0", "-0.2", "-0.2", "1.0"]
    assert [tick.get_text() for tick in axis.get_xticklabels()] == ["MAE", "PSNR"]
    assert [tick.get_text() for tick in axis.get_yticklabels()] == ["MAE", "PSNR"]
    assert bar.get_ylabel() == "rank correlation"
    assert rendered(figure).std() > 0


def test_a_leaderboard_shows_every_cell():
    board = pd.DataFrame({"PSNR (dB, ↑)": ["∞", "22.7 ± 0.4"], "n": ["20", "20"]}, index=["original", "gray"])
    (axis,) = plots.leaderboard(board).axes
    (table,) = axis.tables
    texts = {cell.get_text().get_text() for cell in table.get_celld().values()}
    assert texts >= {"PSNR (dB, ↑)", "original", "gray", "∞", "22.7 ± 0.4", "n", "20"}


def test_rounding_beyond_black_and_white_is_no_reason_to_warn():
    edge = torch.tensor([-6e-8, 1 + 6e-8]).view(1, 1, 2).expand(3, 2, 2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plots.images({"rounded": [edge]}).canvas.draw()


# ---- what the widgets show


def test_the_gamut_around_a_color_is_a_part_of_the_whole():
    whole, part = plots.gamut(60), plots.gamut(60, extent=20, pixels=5, center=(30, -40))
    steps = np.arange(-20, 21, 10)
    np.testing.assert_array_equal(part, whole[np.ix_(110 + 40 + steps, 110 + 30 + steps)])


def test_looks_are_tiles_of_their_colors_beside_the_slice_and_the_neighbors():
    seen = {
        "chosen": ((60.0, 100.0, 0.0), None),
        "clipped": ((55.5, 86.2, -7.4), (255, 0, 149)),
        "fitted": ((60.0, 73.1, 0.0), (255, 73, 147)),
        "gray": ((60.0, 0.0, -0.0), (145, 145, 145)),
    }
    figure = plots.looks(seen)
    plane, tiles, near = figure.axes
    ends = [line.get_xydata()[0].tolist() for line in plane.lines if line.get_marker() not in ("", "None", None)]
    assert ends == [[100, 0], [86.2, -7.4], [73.1, 0]]
    hatched, *colored = tiles.patches
    assert (hatched.get_fill(), hatched.get_hatch()) == (False, "////")
    assert [to_hex(tile.get_facecolor()) for tile in colored] == ["#ff0095", "#ff4993", "#919191"]
    assert tiles.texts[-1].get_text() == "gray\nL 60.0, a 0.0, b 0.0"
    np.testing.assert_allclose(near.images[0].get_extent(), (48.1, 98.1, -25, 25))
    assert rendered(figure).std() > 0


def test_a_run_in_progress_is_drawn_by_batch_and_by_epoch():
    batches = pd.DataFrame({"loss": [3.0, 2.0]}, index=[0.5, 1.0])
    figure = plots.training(history(2), batches)
    (axis,) = figure.axes
    drawn = {line.get_label(): line.get_xydata().tolist() for line in axis.lines}
    assert drawn["training"] == [[1, 1], [2, 1 / 2]]
    assert drawn["validation"] == [[1, 2], [2, 1]]
    assert [[0.5, 3], [1, 2]] in drawn.values()
    assert axis.get_yscale() == "log"
    assert rendered(figure).std() > 0


def test_a_game_in_progress_shows_what_its_discriminator_thinks():
    batches = pd.DataFrame({"l1": [0.2], "d_real": [0.7], "d_fake": [0.1]}, index=[0.5])
    figure = plots.training(History(), batches, sheet=PHOTO)
    left, right, below = figure.axes
    assert [line.get_label() for line in right.lines if not line.get_label().startswith("_")] == [
        "D(real)",
        "D(fake)",
    ]
    assert left.lines[0].get_xydata().tolist() == [[0.5, 0.2]]
    assert right.get_ylim() == (0, 1)
    np.testing.assert_array_equal(below.images[0].get_array(), PHOTO.movedim(0, -1))


def test_a_run_that_has_not_begun_is_an_empty_pair_of_axes():
    (axis,) = plots.training(History()).axes
    assert [line.get_xydata().size for line in axis.lines] == [0, 0]
