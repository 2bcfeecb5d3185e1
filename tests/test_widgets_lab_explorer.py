"""The Lab explorer without a browser: numbers against scikit-image, and what the sliders change."""

import base64
import html
import io
import math
import re

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from PIL import Image
from skimage.color import lab2rgb, rgb2gray, rgb2lab
from traitlets.config import Config

from colorlab import plots
from colorlab.widgets import LabExplorer
from colorlab.widgets.lab_explorer import looks, looks_html, verdict

VALUES = {"lightness": st.floats(0, 100), "a": st.floats(-110, 110), "b": st.floats(-110, 110)}


def said(explorer):
    """The text of the status line."""
    return html.unescape(re.sub("<[^>]*>", "", explorer.status.value))


def neighbors(explorer):
    """The 5 × 5 colors of the image of neighbors, RGBA."""
    data = re.search(r'src="data:image/png;base64,([^"]+)"', explorer.neighbors.value)
    image = Image.open(io.BytesIO(base64.b64decode(data[1])))
    return np.asarray(image)[16::32, 16::32]


# ---- outside truth: scikit-image


@pytest.mark.parametrize("place", [(60.0, 20.0, 30.0), (40.0, -30.0, 20.0), (80.0, 0.0, 60.0), (25.0, 30.0, -50.0)])
def test_a_color_inside_the_gamut_is_scikit_images_and_stays(place):
    rgb = lab2rgb(np.array(place)[None, None])
    seen = looks(*place)
    for name in ("chosen", "clipped", "fitted"):
        np.testing.assert_allclose(seen[name].rgb, rgb[0, 0] * 255, atol=0.52)
        np.testing.assert_allclose(seen[name].lab, place, atol=1e-3)
    gray = np.repeat(rgb2gray(rgb)[..., None], 3, axis=-1)
    np.testing.assert_allclose(seen["gray of its luma"].lab, rgb2lab(gray)[0, 0], atol=0.01)
    assert seen["gray of its L"].lab == (place[0], 0, 0)


@pytest.mark.parametrize("place", [(60, 100, 0), (80, 80, 0), (30, -60, -60), (50, -80, 60)])
def test_a_color_outside_is_clipped_as_scikit_image_does(place):
    seen = looks(*place)
    assert seen["chosen"].rgb is None
    clipped = lab2rgb(np.array(place, dtype=float)[None, None])
    np.testing.assert_allclose(seen["clipped"].lab, rgb2lab(clipped)[0, 0], atol=0.02)
    np.testing.assert_allclose(seen["clipped"].rgb, clipped[0, 0] * 255, atol=0.52)


def test_pure_red_is_where_luma_and_lightness_differ_most():
    # L, a and b of red; 100 times its luma is 21.25, and a gray of that level has the L of 54 of 255.
    seen = looks(53.24, 80.09, 67.2)
    assert seen["gray of its luma"].rgb == pytest.approx((54, 54, 54), abs=1)
    assert seen["gray of its luma"].lab[0] == pytest.approx(22.5, abs=0.5)


# ---- properties


@given(**VALUES)
@example(lightness=0, a=0, b=0)
@example(lightness=100, a=110, b=110)
@example(lightness=0, a=-110, b=110)
def test_fitting_keeps_lightness_and_hue_and_never_adds_chroma(lightness, a, b):
    seen = looks(lightness, a, b)
    chosen, fitted = seen["chosen"], seen["fitted"]
    assert fitted.lab[0] == pytest.approx(lightness, abs=1e-9)
    assert fitted.chroma <= chosen.chroma + 1e-9
    if fitted.chroma > 1e-3:
        turn = (fitted.hue - chosen.hue + 180) % 360 - 180
        assert turn == pytest.approx(0, abs=1e-3)
    assert (chosen.rgb is None) or fitted.lab == pytest.approx(chosen.lab, abs=0.05)
    assert "nan" not in looks_html(seen) + verdict(seen)


def test_hue_and_chroma_are_polar_coordinates():
    look = looks(50, -3, 4)["chosen"]
    assert look.chroma == pytest.approx(5)
    assert look.hue == pytest.approx(180 - math.degrees(math.atan(4 / 3)))


# ---- the widget


def test_it_opens_on_a_color_outside():
    explorer = LabExplorer()
    assert repr(explorer) == "LabExplorer(L=60, a=100, b=0)"
    assert said(explorer).startswith(
        "L 60, a 100, b 0 is outside the gamut: clipping changes L by -4.5 and hue by 4.9°"
    )
    assert ">none<" in explorer.table.value


def test_a_color_that_no_screen_shows_is_hatched_and_not_white():
    first, second = re.findall(r"<td [^>]*></td>", looks_html(looks(60, 100, 0)))[:2]
    assert first == '<td class="swatch colorlab-hatch"></td>'
    assert second == '<td class="swatch" style="background:rgb(255,0,149)"></td>'
    assert "hatch" not in looks_html(looks(60, 10, 0))


def test_sliders_and_numbers_move_together_and_all_is_drawn_again():
    explorer = LabExplorer(50, 10, 10)
    numbers = {box.tooltip: box for box in explorer.numbers.values()}
    views = ("slice", "table", "neighbors", "status")
    for name, value in (("L", 70), ("a", -20), ("b", 25)):
        before = [getattr(explorer, view).value for view in views]
        explorer.sliders[name].value = value
        assert numbers[name].value == value
        assert all(getattr(explorer, view).value != old for view, old in zip(views, before, strict=True))
    numbers["a"].value = 5
    assert explorer.value == (70, 5, 25)
    assert said(explorer).startswith("L 70, a 5, b 25 is inside the gamut: clipping and fit_to_gamut leave it")


def test_neighbors_are_ten_units_apart_to_the_right_and_up():
    explorer = LabExplorer(60, 0, 0)
    colors = neighbors(explorer)
    for row, b in enumerate((20, 10, 0, -10, -20)):
        for column, a in enumerate((-20, -10, 0, 10, 20)):
            expected = lab2rgb(np.array([60.0, a, b])[None, None])[0, 0] * 255
            np.testing.assert_allclose(colors[row, column], [*expected, 255], atol=0.6)


def test_neighbors_of_a_color_outside_are_those_of_the_fitted_one():
    explorer = LabExplorer(60, 100, 0)
    colors = neighbors(explorer)
    np.testing.assert_allclose(colors[2, 2], [*looks(60, 100, 0)["fitted"].rgb, 255], atol=1)
    assert colors[2, 4, 3] == 0


@pytest.mark.parametrize(
    ("place", "sentence"), [((101, 0, 0), "L must"), ((50, -111, 0), "a must"), ((50, 0, 1e9), "b must")]
)
def test_a_value_out_of_range_is_named_with_the_range(place, sentence):
    with pytest.raises(ValueError, match=rf"^{sentence} lie in -?\d+…1\d0, got "):
        LabExplorer(*place)


def test_it_leaves_a_image_a_text_and_a_caption_in_the_notebook():
    config = Config()
    config.HistoryManager.enabled = False
    shell = InteractiveShell.instance(config=config)
    try:
        with capture_output() as captured:
            shell.display_formatter.format(LabExplorer())
    finally:
        InteractiveShell.clear_instance()
    (output,) = captured.outputs
    assert output.data["text/plain"] == "LabExplorer(L=60, a=100, b=0)"
    assert "application/vnd.jupyter.widget-view+json" in output.data
    image = Image.open(io.BytesIO(base64.b64decode(output.data["image/png"])))
    assert image.size[0] == 100 * plots.WIDTH
    assert len(output.metadata["image/png"]["alt"]) > 20
    assert captured.stdout.startswith("The explorer at L 60, a 100, b 0: ")
