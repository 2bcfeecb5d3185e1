"""The distribution probe without a browser: gestures arrive as the browser sends them."""

import base64
import html
import io
import math
import re

import IPython.display
import numpy as np
import pytest
import torch
from PIL import Image

from colorlab import color
from colorlab.inference import predict_ab
from colorlab.models import ConstantColor, DistributionColorizer
from colorlab.models.distribution import Answer, gamut_bins
from colorlab.widgets import DistributionProbe
from colorlab.widgets.base import Source
from colorlab.widgets.distribution_probe import LARGE_ENTROPY, believe, entropy_bits, plot_bins
from colorlab.widgets.likely_colors import SHOWN_MODES, Mode, color_name, modes

BINS = gamut_bins()
RED, BLUE, GRAY = (40.0, 30.0), (10.0, -40.0), (0.0, 0.0)


class RedOrBlue(DistributionColorizer):
    """Knows that what is bright is gray, and that what is dark is red (60 %) or blue (40 %)."""

    def answer(self, lightness):
        cells = torch.nn.functional.avg_pool2d(lightness, 4)
        dark, bright = mixture({RED: 0.6, BLUE: 0.4}), mixture({GRAY: 1.0})
        probabilities = torch.where(cells < 0, dark[:, None, None], bright[:, None, None])
        weights = torch.zeros(len(cells), 9, 16, *cells.shape[2:])
        weights[:, 4] = 50  # each pixel takes the color of its own cell
        return Answer((probabilities + 1e-12).log(), weights.flatten(1, 2), cells)


def mixture(weights):
    """Probabilities of the bins: those of a, b as given, 0 for the others."""
    probabilities = torch.zeros(len(BINS))
    for ab, weight in weights.items():
        probabilities[(torch.tensor(ab) == BINS).all(dim=1)] = weight
    return probabilities


@pytest.fixture(scope="module")
def model():
    return RedOrBlue().eval()


@pytest.fixture
def probe(tmp_path, monkeypatch, model):
    """A probe on an image of two halves, dark and bright."""
    monkeypatch.chdir(tmp_path)
    pixels = np.full((60, 80, 3), 70, dtype=np.uint8)
    pixels[:, 40:] = 180
    Image.fromarray(pixels).save("halves.png")
    return DistributionProbe("halves.png", model)


def gesture(pad, kind, **where):
    """As ipywidgets calls a widget when its front-end sends a message."""
    pad._handle_custom_msg({"kind": kind, **where}, [])


def said(probe):
    """The text of the status line."""
    found = re.fullmatch(r'<p role="status" aria-live="polite"[^>]*>(.*)</p>', probe.status.value)
    assert found, probe.status.value
    return html.unescape(found[1])


def shown(pad):
    """The image in a pad."""
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(pad.image.partition(",")[2])))).astype(int)


# ---- numbers


@pytest.mark.parametrize("count", [1, 2, 7, 226])
def test_the_entropy_of_equal_probabilities_is_log2_of_their_number(count):
    probabilities = torch.zeros(226)
    probabilities[:count] = 1 / count
    assert float(entropy_bits(probabilities)) == pytest.approx(math.log2(count), abs=1e-5)


def test_the_entropy_of_an_image_is_a_map():
    probabilities = torch.stack([mixture({RED: 0.6, BLUE: 0.4}), mixture({GRAY: 1})], dim=1)[..., None]
    entropy = entropy_bits(probabilities)
    assert entropy.shape == (2, 1)
    expected = -0.6 * math.log2(0.6) - 0.4 * math.log2(0.4)
    assert entropy.flatten().tolist() == pytest.approx([expected, 0])


def test_modes_of_a_mixture_come_in_order():
    found = modes(mixture({BLUE: 0.3, GRAY: 0.1, RED: 0.6}), BINS)
    assert [(mode.a, mode.b) for mode in found] == [RED, BLUE, GRAY]
    assert [mode.probability for mode in found] == pytest.approx([0.6, 0.3, 0.1])


def test_a_mode_counts_the_bins_around_it():
    # Blue's bin is the likeliest; red's is likelier together with its neighbors.
    found = modes(mixture({BLUE: 0.4, RED: 0.3, (40.0, 40.0): 0.2, (30.0, 20.0): 0.1}), BINS)
    assert found == [Mode(*RED, pytest.approx(0.6)), Mode(*BLUE, pytest.approx(0.4))]


def test_unlikely_modes_are_left_out_and_at_most_five_are_listed():
    assert modes(mixture({RED: 0.995, BLUE: 0.005}), BINS) == [Mode(*RED, pytest.approx(0.995))]
    found = modes(torch.full((len(BINS),), 1 / len(BINS)), BINS)
    assert len(found) == SHOWN_MODES
    assert max(mode.probability for mode in found) <= 9 / len(BINS) + 1e-6


@pytest.mark.parametrize(
    ("lab", "name"),
    [
        ((53, 80, 67), "red"),
        ((75, 24, 79), "orange"),
        ((97, -22, 94), "yellow"),
        ((46, -52, 50), "green"),
        ((91, -48, -14), "cyan"),
        ((32, 79, -108), "blue"),
        ((30, 59, -36), "purple"),
        ((70, 50, 0), "pink"),
        ((70, 50, -5), "pink"),
        ((38, 26, 41), "brown"),
        ((52, -13, 57), "olive"),
        ((60, -10, 0), "dull green"),
        ((60, 0, 0), "gray"),
        ((5, 0, 0), "black"),
        ((98, 0, 0), "white"),
    ],
)
def test_color_names(lab, name):
    assert color_name(*lab) == name


def test_the_plot_shows_a_bin_at_its_place_in_its_color():
    plot = np.asarray(plot_bins(mixture({RED: 0.64, BLUE: 0.16, (80.0, 90.0): 0.2}), BINS, 50, (-40, 40))).astype(int)
    assert plot.shape[0] == plot.shape[1]
    scale = plot.shape[0] / 230

    def at(a, b):
        return plot[round((115 - b) * scale), round((115 + a) * scale)]

    expected = color.to_uint8(color.lab_to_rgb(torch.tensor([50.0, *RED]).view(3, 1, 1))).flatten().tolist()
    assert at(*RED).tolist() == [*expected, 255]
    # Half as wide, since a quarter as likely; around it the bin is pale, as are those that are not likely at all.
    assert at(BLUE[0] + 1.5, BLUE[1])[3] == 255
    assert 0 < at(BLUE[0] + 3.5, BLUE[1])[3] < 128
    assert 0 < at(-20, 20)[3] < 128
    # No screen shows the third at this lightness: an empty frame.
    assert at(80, 90)[3] == 0
    assert at(-100, -100)[3] == 0


def test_what_is_believed_fits_what_is_predicted(model):
    # A size that is not a multiple of the cells' side.
    lightness = torch.linspace(20, 80, 50)[:, None].expand(50, 77).contiguous()
    belief = believe(lightness, model)
    assert belief.probabilities.shape == (len(BINS), 50, 77)
    assert float((belief.probabilities.sum(dim=0) - 1).abs().max()) < 1e-4
    assert torch.equal(belief.ab, predict_ab(lightness, model))
    # Before the style's temperature and prior correction:
    assert belief.probabilities[:, 0, 0].max() == pytest.approx(0.6, abs=1e-3)
    for size in ((300, 400), (1, 20_000)):
        large = torch.full(size, 50.0)
        assert believe(large, model).ab.shape == predict_ab(large, model).shape


def test_a_model_in_training_is_left_in_training(model):
    model.train()
    try:
        believe(torch.full((40, 40), 30.0), model)
        assert model.training
    finally:
        model.eval()


# ---- the widget


def test_the_first_line_shows_a_sample():
    probe = DistributionProbe()
    assert repr(probe) == "DistributionProbe(image='astronaut', 512×512)"
    assert probe._repr_mimebundle_()["text/plain"] == repr(probe)
    assert "colorlab-distribution-probe" in probe._dom_classes
    side = probe.canvas.rows
    assert (probe.canvas.columns, probe.canvas.selected) == (side, 0)
    assert said(probe).startswith(f"astronaut, row {side * 3 // 4}, column {side // 3}: L = ")


def test_a_click_and_the_arrows_move_the_spot(probe):
    gesture(probe.canvas, "press", x=10, y=20, index=-1)
    gesture(probe.canvas, "release")
    assert probe.spot == (20, 10)
    assert said(probe) == (
        "halves.png, row 20, column 10: L = 30, entropy 0.97 bits (at most 7.82), most likely red (60%), "
        "chosen a = 30, b = 6."
    )
    for text in ("red", "60%", "blue", "40%"):
        assert f">{text}</" in probe.modes.value
    plot = probe.plot.value
    assert "Colors at L = 30" in plot
    gesture(probe.canvas, "move", x=70, y=20)
    assert said(probe) == (
        "halves.png, row 20, column 70: L = 73, entropy 0.00 bits (at most 7.82), most likely gray (100%), "
        "chosen a = 0, b = 0."
    )
    assert probe.plot.value != plot
    (point,) = probe.canvas.points
    assert (point["x"], point["y"]) == (70, 20)
    for kind in ("drop", "delete", "undo"):
        gesture(probe.canvas, kind)
    assert probe.spot == (20, 70)


def test_views(probe):
    def saturation():
        return np.ptp(shown(probe.canvas), axis=2).mean(axis=0)

    assert saturation()[10] > 20
    assert saturation()[70] < 3
    probe.view.value = "gray"
    assert saturation().max() < 3
    assert probe.canvas.alt == "halves.png in gray"
    probe.view.value = "entropy"
    image = shown(probe.canvas)
    assert probe.legend.value == f"Entropy: dark 0 … bright {LARGE_ENTROPY:g} bits; mean 0.5"
    assert image[30, 10].sum() > image[30, 70].sum()


def test_the_network_runs_once_for_each_image(probe, monkeypatch):
    runs = []
    answer = RedOrBlue.answer
    monkeypatch.setattr(RedOrBlue, "answer", lambda model, *given: runs.append(1) or answer(model, *given))
    gesture(probe.canvas, "press", x=10, y=20, index=-1)
    probe.view.value = "entropy"
    assert len(runs) == 0
    probe.image.value = Source("sample", "cat")
    assert len(runs) == 1


def test_another_image(probe):
    probe.image.value = Source("sample", "coffee")
    assert said(probe).startswith("coffee, row ")
    assert probe.canvas.rows * probe.canvas.columns == pytest.approx(probe._network.working_size**2, rel=0.02)
    assert probe.canvas.width > probe.canvas.rows * 448 // probe.canvas.columns


def test_a_model_without_a_distribution_is_refused():
    with pytest.raises(ValueError, match="predicts a single color; DistributionProbe needs a model that predicts"):
        DistributionProbe("cat", ConstantColor())
    with pytest.raises(ValueError, match=r"missing\.png does not exist"):
        DistributionProbe("missing.png")


def test_a_stored_notebook_keeps_a_small_image(probe, monkeypatch, capsys):
    outputs = []
    monkeypatch.setattr(IPython.display, "display", lambda data, metadata, raw: outputs.append((data, metadata)))
    probe.view.value = "gray"
    probe._ipython_display_()
    ((data, metadata),) = outputs
    assert data["text/plain"] == repr(probe)
    assert len(data["image/jpeg"]) < 40_000
    assert Image.open(io.BytesIO(base64.b64decode(data["image/jpeg"]))).width > 400
    assert "halves.png in color" in metadata["image/jpeg"]["alt"]
    assert capsys.readouterr().out == (
        "halves.png: the probe shows the colors that the network considers possible at the spot.\n"
    )
