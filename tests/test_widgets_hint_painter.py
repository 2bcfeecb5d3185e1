"""The hint painter without a browser: gestures arrive as the browser sends them, traits are set as it sets them."""

import base64
import datetime
import html
import io
import json
import re

import IPython.display
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch.nn.modules.module import register_module_forward_hook

from colorlab import color, pretrained
from colorlab.data.samples import SAMPLES, photograph
from colorlab.hints import Hint, Propagation, reduce_hints, to_json
from colorlab.image import read_image
from colorlab.inference import full_lightness, predict_ab
from colorlab.models import Colorizer, ConstantColor, DistributionColorizer
from colorlab.models.distribution import Answer
from colorlab.widgets import HintPainter
from colorlab.widgets.base import Source
from colorlab.widgets.distribution_probe import believe
from colorlab.widgets.hint_painter import HINT_SIZE, PALETTE_REACH, SHOWN_SIZE, palette
from colorlab.widgets.hinted_image import HintedImage
from colorlab.widgets.likely_colors import modes, showable, suggest
from colorlab.widgets.sketch import FIRST_COLOR, Sketch

DARK, BRIGHT = 30, 73  # L of the two halves


@pytest.fixture
def quick(monkeypatch):
    """Hints set on small images, whose matrices are factorized at once."""
    monkeypatch.setattr("colorlab.widgets.hint_painter.HINT_SIZE", 64)


@pytest.fixture
def painter(tmp_path, monkeypatch, quick):
    """A painter in an empty folder, on an image of two halves, with a network that gives them a little green."""
    monkeypatch.chdir(tmp_path)
    halves().save("halves.png")
    return HintPainter("halves.png", ConstantColor((-10, 0)))


def halves(width=40, height=30):
    pixels = np.full((height, width, 3), 70, dtype=np.uint8)
    pixels[:, width // 2 :] = 180
    return Image.fromarray(pixels)


def gesture(pad, kind, **where):
    """As ipywidgets calls a widget when its front-end sends a message."""
    pad._handle_custom_msg({"kind": kind, **where}, [])


def click(pad, x, y, index=-1):
    gesture(pad, "press", x=x, y=y, index=index)
    gesture(pad, "release")


def upload(button, name, content):
    """Hand a file to an upload button as ipywidgets 8 does."""
    button.value = (
        {
            "name": name,
            "type": "",
            "size": len(content),
            "content": memoryview(content),
            "last_modified": datetime.datetime(2026, 5, 17, tzinfo=datetime.UTC),
        },
    )


def said(painter):
    """The text of the status line."""
    found = re.fullmatch(r'<p role="status" aria-live="polite"[^>]*>(.*)</p>', painter.status.value)
    assert found, painter.status.value
    return html.unescape(found[1])


def shown(pad):
    """The image in a pad."""
    return Image.open(io.BytesIO(base64.b64decode(pad.image.partition(",")[2])))


def greenness(painter, x, y):
    """Green minus red of a pixel."""
    red, green, _ = shown(painter.canvas).getpixel((x, y))
    return green - red


# ---- the image and its palette


def test_the_first_line_shows_the_networks_colors():
    painter = HintPainter()
    assert repr(painter) == "HintPainter(image='coffee', 600×400, hints=0)"
    assert painter._repr_mimebundle_()["text/plain"] == repr(painter)
    assert "colorlab-hint-painter" in painter._dom_classes
    assert said(painter) == "coffee, 600×400 pixels, no hints yet."
    assert (painter.canvas.rows, painter.canvas.columns, painter.canvas.width) == (171, HINT_SIZE, SHOWN_SIZE)
    assert shown(painter.canvas).size == (SHOWN_SIZE, 373)
    assert (painter.undo.disabled, painter.remove.disabled, painter.clear.disabled) == (True, True, True)


def test_a_click_sets_a_hint_that_stays_on_its_side_of_the_edge(painter):
    before = greenness(painter, 10, 10), greenness(painter, 30, 10)
    assert min(before) > 5
    click(painter.canvas, 10, 12)
    assert painter.hints == (Hint.of(10, 12, *FIRST_COLOR),)
    assert greenness(painter, 10, 10) < -20
    assert abs(greenness(painter, 30, 10) - before[1]) < 3  # JPEG
    assert said(painter) == (
        f"halves.png, 40×30 pixels, 1 hint. Hint 1, row 12, column 10: L = {DARK}, a = 35, b = 30."
    )
    (point,) = painter.canvas.points
    assert (point["x"], point["y"], point["title"]) == (10, 12, "hint 1")
    red, green, blue = map(int, re.fullmatch(r"rgb\((\d+), (\d+), (\d+)\)", point["color"]).groups())
    assert red > green > blue
    assert painter.canvas.selected == 0


def test_a_drag_moves_the_hint_and_is_one_step_of_undo(painter):
    click(painter.canvas, 10, 12)
    gesture(painter.canvas, "press", x=10, y=12, index=0)
    for x in (15, 25, 33):
        gesture(painter.canvas, "move", x=x, y=14)
    gesture(painter.canvas, "release")
    assert (painter.hints[0].y, painter.hints[0].x) == (14, 33)
    assert greenness(painter, 10, 10) > 5
    painter.undo.click()
    assert painter.hints == (Hint.of(10, 12, *FIRST_COLOR),)
    painter.undo.click()
    assert painter.hints == ()
    assert painter.undo.disabled
    painter.undo.click()
    assert painter.hints == ()


def test_the_palette_colors_the_hint_that_is_taken_up_and_those_to_come(painter):
    click(painter.canvas, 10, 12)
    click(painter.swatches, PALETTE_REACH - 5, PALETTE_REACH + 20)
    assert painter.hints[0] == Hint.of(10, 12, -5, -20)
    click(painter.canvas, 30, 12)
    assert painter.hints[1] == Hint.of(30, 12, -5, -20)
    # Put down: the color is for the next one.
    gesture(painter.canvas, "drop")
    assert painter.canvas.selected == -1
    click(painter.swatches, PALETTE_REACH + 10, PALETTE_REACH)
    assert [hint.a for hint in painter.hints] == [-5, -5]
    click(painter.canvas, 35, 20)
    assert painter.hints[2] == Hint.of(35, 20, 10, 0)


def test_the_palette_is_the_slice_at_the_lightness_of_the_hint(painter):
    click(painter.canvas, 10, 12)
    dark = painter.swatches.image
    assert painter.legend.value.startswith(f"Colors at L = {DARK}:")
    click(painter.canvas, 30, 12)
    assert painter.legend.value.startswith(f"Colors at L = {BRIGHT}:")
    assert painter.swatches.image != dark
    click(painter.canvas, 10, 12, index=0)
    assert painter.swatches.image == dark
    assert painter.swatches.points[0]["x"] == PALETTE_REACH + 35
    assert painter.swatches.points[0]["y"] == PALETTE_REACH - 30


def test_a_color_that_no_screen_shows_is_brought_inside(painter):
    click(painter.canvas, 10, 12)
    click(painter.swatches, 0, 0)  # a = -110, b = 110
    (hint,) = painter.hints
    assert hint.a == pytest.approx(-hint.b)
    assert -60 < hint.a < -10
    # The point on the palette is where the color is, not where the hand was.
    assert painter.swatches.points[0]["x"] == PALETTE_REACH + round(hint.a)


def test_keys_put_down_and_remove(painter):
    click(painter.canvas, 10, 12)
    click(painter.canvas, 30, 12)
    gesture(painter.canvas, "drop")
    assert said(painter) == "halves.png, 40×30 pixels, 2 hints."
    gesture(painter.canvas, "delete")
    assert len(painter.hints) == 2  # none is taken up
    click(painter.canvas, 10, 12, index=0)
    gesture(painter.canvas, "delete")
    assert [hint.x for hint in painter.hints] == [30]
    gesture(painter.swatches, "undo")
    assert [hint.x for hint in painter.hints] == [10, 30]
    click(painter.canvas, 30, 12, index=1)
    painter.remove.click()
    assert [hint.x for hint in painter.hints] == [10]
    painter.clear.click()
    assert painter.hints == ()
    gesture(painter.canvas, "undo")
    assert [hint.x for hint in painter.hints] == [10]


def test_every_gesture_is_answered(painter, monkeypatch):
    answers = []
    monkeypatch.setattr(type(painter.canvas), "send", lambda _, content: answers.append(content))
    click(painter.canvas, 10, 12)
    gesture(painter.canvas, "move", x=11, y=12)
    # ipywidgets logs what a callback raises; the browser must hear of it all the same, or it would wait for ever.
    monkeypatch.setattr(painter._hinted, "predict", lambda *_: 1 / 0)
    gesture(painter.canvas, "move", x=12, y=12)
    assert answers == [{"kind": "answered"}] * 4


def test_the_network_runs_and_the_matrix_is_factorized_once_an_image(painter, monkeypatch):
    runs = []
    hook = register_module_forward_hook(
        lambda module, *_: runs.append(module) if isinstance(module, Colorizer) else None
    )
    factorized = []
    monkeypatch.setattr(
        "colorlab.widgets.hinted_image.Propagation", lambda image: factorized.append(image) or Propagation(image)
    )
    click(painter.canvas, 10, 12)
    gesture(painter.canvas, "move", x=12, y=12)
    click(painter.swatches, 100, 100)
    assert (runs, factorized) == ([], [])
    painter.image.value = Source("sample", "cat")
    assert (len(runs), len(factorized)) == (1, 1)
    hook.remove()


# ---- likely colors


RED, BLUE = (40.0, 30.0), (10.0, -40.0)


class RedOrBlue(DistributionColorizer):
    """Knows that everything is red (60 %) or blue (40 %), and that everything has the color of any hint."""

    def answer(self, lightness):
        probabilities = torch.full((len(self.bins), *lightness[0, 0, ::4, ::4].shape), 1e-9)
        for ab, probability in {RED: 0.6, BLUE: 0.4}.items():
            probabilities[(self.bins == torch.tensor(ab)).all(dim=1)] = probability
        mixture = torch.zeros(len(lightness), 9 * 16, *probabilities.shape[1:])
        features = torch.zeros(len(lightness), 240, *probabilities.shape[1:])
        return Answer(probabilities.log().expand(len(lightness), -1, -1, -1), mixture, features)


@pytest.fixture(scope="module")
def red_or_blue():
    model = RedOrBlue().eval()
    with torch.no_grad():
        model.hinting.learned.fill_(1)
        model.hinting.nearness.fill_(-9)  # distance does not matter,
        model.hinting.nothing.bias.fill_(-20)  # and every hint is heard
    return model


@pytest.fixture
def chooser(tmp_path, monkeypatch, quick, red_or_blue):
    """A painter with a network that predicts a distribution."""
    monkeypatch.chdir(tmp_path)
    halves().save("halves.png")
    return HintPainter("halves.png", red_or_blue)


def listed(painter, count=2):
    """Names and notes of the first likely colors."""
    return [(item["name"], item["note"]) for item in painter.likely.items[:count]]


def test_a_click_lists_the_likely_colors_of_that_spot(chooser):
    assert chooser.likely.items == []
    click(chooser.canvas, 30, 12)
    assert listed(chooser) == [("red", "60%"), ("blue", "40%")]
    assert len(chooser.likely.items) == 5
    assert chooser.likely.items[4]["note"] == "< 1%"
    gesture(chooser.canvas, "drop")
    assert chooser.likely.items == []


def test_a_likely_color_is_one_click_away_and_one_step_of_undo(chooser):
    click(chooser.canvas, 30, 12)
    assert chooser.likely.chosen == -1
    for index, (a, b) in [(1, BLUE), (0, RED)]:
        chooser.likely._handle_custom_msg({"index": index}, [])
        assert (chooser.hints[0].a, chooser.hints[0].b) == pytest.approx(showable(BRIGHT, a, b), abs=1)
        assert chooser.likely.chosen == index
    chooser.undo.click()
    assert (chooser.hints[0].a, chooser.hints[0].b) == pytest.approx(showable(BRIGHT, *BLUE), abs=1)
    chooser.undo.click()
    assert (chooser.hints[0].a, chooser.hints[0].b) == FIRST_COLOR
    # The next hint begins with the color that was chosen last.
    click(chooser.canvas, 30, 12, index=0)
    chooser.likely._handle_custom_msg({"index": 0}, [])
    click(chooser.canvas, 35, 20)
    assert (chooser.hints[1].a, chooser.hints[1].b) == pytest.approx(showable(BRIGHT, *RED), abs=1)


def test_a_button_that_is_no_longer_there_does_nothing(chooser):
    chooser.likely._handle_custom_msg({"index": 0}, [])
    click(chooser.canvas, 30, 12)
    chooser.likely._handle_custom_msg({"index": 5}, [])
    assert (chooser.hints[0].a, chooser.hints[0].b) == FIRST_COLOR


def test_the_network_is_told_of_hints_or_not(chooser):
    click(chooser.canvas, 2, 2)
    chooser.remove.click()
    reddish = greenness(chooser, 38, 25)
    click(chooser.canvas, 2, 2)
    told = shown(chooser.canvas)
    # Far away and behind an edge: the network's doing. A new hint is red.
    assert greenness(chooser, 38, 25) < reddish - 15
    chooser.method.value = "propagation only"
    assert abs(greenness(chooser, 38, 25) - reddish) < 3
    chooser.method.value = "network + propagation"
    assert np.array_equal(shown(chooser.canvas), told)


def test_a_network_of_a_single_color_has_nothing_to_choose_from(painter):
    click(painter.canvas, 10, 12)
    assert painter.likely.items == []
    assert "predicts a single color" in painter.likely.empty
    assert painter.method.disabled


def test_suggestions_look_different_and_can_be_shown():
    bins = torch.cartesian_prod(*[torch.arange(-100.0, 101, 10)] * 2)
    for lightness in (1.0, 50.0, 99.0):
        found = suggest(torch.full((len(bins),), 1 / len(bins)), bins, lightness)
        assert 1 <= len(found) <= 5
        for i, suggestion in enumerate(found):
            assert suggestion[:2] == pytest.approx(showable(lightness, *suggestion[:2]), abs=1e-6)
            assert all(np.hypot(*np.subtract(suggestion[:2], other[:2])) > 5 for other in found[:i])


@pytest.mark.parametrize("name", ["distribution", "unet32"])
def test_the_painter_colors_as_colorize_does(name):
    lightness = full_lightness(read_image(photograph("coffee")))
    model = pretrained.load(name)
    hints = [Hint.of(300, 200, 25.0, -30.0), Hint.of(60, 50, 0.0, 0.0)]
    hinted, shape = HintedImage(lightness, model), tuple(lightness.shape)
    for some in (hints, [], hints[:1]):
        expected = predict_ab(lightness, model, hints=some)
        torch.testing.assert_close(hinted.predict(some, shape), expected, atol=1e-3, rtol=0)
    guess = predict_ab(lightness, model)
    small = torch.nn.functional.interpolate(lightness[None, None], guess.shape[1:], mode="bilinear", antialias=True)
    expected = Propagation(small[0, 0]).spread(guess, reduce_hints(hints, shape, guess.shape[1:]))
    torch.testing.assert_close(hinted.predict(hints, shape, network=False), expected, atol=1e-3, rtol=0)


def test_the_painter_believes_what_the_probe_shows():
    whole = full_lightness(read_image(photograph("coffee")))
    model = pretrained.load("distribution")
    hinted, belief = HintedImage(whole, model), believe(whole, model)
    height, width = shape = tuple(belief.lightness.shape)
    for row, column in [(0, 0), (height - 1, width - 1), (height // 2, 7), (5, width // 2)]:
        expected = modes(belief.probabilities[:, row, column], model.bins)[0]
        lightness = float(belief.lightness[row, column])
        first = hinted.suggestions(row, column, lightness, shape)[0]
        assert first.probability == pytest.approx(expected.probability, abs=1e-4)
        assert first[:2] == pytest.approx(showable(lightness, *expected[:2]), abs=1e-3)


# ---- views


def test_the_views(painter):
    before = shown(painter.canvas)
    click(painter.canvas, 10, 12)
    after = shown(painter.canvas)
    painter.view.value = "before"
    assert np.array_equal(shown(painter.canvas), before)
    assert painter.canvas.alt == "halves.png in the network's colors, without hints"
    assert len(painter.canvas.points) == 1
    painter.view.value = "hints only"
    pixels = np.asarray(shown(painter.canvas)).astype(int)
    assert np.abs(pixels[..., 0] - pixels[..., 1]).max() <= 2  # JPEG
    assert painter.canvas.alt == "halves.png in gray, with 1 hint"
    painter.view.value = "with hints"
    assert np.array_equal(shown(painter.canvas), after)


def test_a_change_is_not_made_unseen(painter):
    painter.view.value = "before"
    click(painter.canvas, 10, 12)
    assert painter.view.value == "with hints"
    assert greenness(painter, 10, 10) < -20
    painter.view.value = "hints only"
    click(painter.canvas, 12, 20)
    assert painter.view.value == "hints only"


def test_what_is_saved_has_the_hints_in_any_view(painter, tmp_path):
    click(painter.canvas, 10, 12)
    painter.view.value = "before"
    painter.save.click()
    with Image.open(tmp_path / "colorized" / "halves.png") as saved:
        red, green, _ = saved.getpixel((10, 10))
    assert red > green + 20


def test_while_a_hand_moves_the_image_is_small(quick):
    painter = HintPainter("coffee", ConstantColor())
    gesture(painter.canvas, "press", x=10, y=12, index=-1)
    gesture(painter.canvas, "move", x=12, y=12)
    assert shown(painter.canvas).width == 64
    gesture(painter.canvas, "release")
    assert shown(painter.canvas).width == SHOWN_SIZE
    gesture(painter.swatches, "press", x=100, y=100)
    assert shown(painter.canvas).width == 64
    gesture(painter.swatches, "release")
    # Arrow keys come without a press: each of their moves may be the last.
    gesture(painter.canvas, "move", x=13, y=12)
    assert shown(painter.canvas).width == SHOWN_SIZE


def test_more_is_folded_away(painter):
    assert painter.folded.layout.display == "none"
    painter.more.value = True
    assert painter.folded.layout.display == ""
    painter.more.value = False
    assert painter.folded.layout.display == "none"


# ---- images


def test_each_image_keeps_its_hints(painter):
    click(painter.canvas, 10, 12)
    painter.image.value = Source("sample", "cat")
    assert said(painter) == "cat, 451×300 pixels, no hints yet."
    assert painter.target.value == "colorized/cat.png"
    click(painter.canvas, 40, 30)
    painter.image.value = Source("own", "halves.png")
    assert [(hint.y, hint.x) for hint in painter.hints] == [(12, 10)]
    assert greenness(painter, 10, 10) < -20
    painter.image.value = Source("sample", "cat")
    assert [(hint.y, hint.x) for hint in painter.hints] == [(30, 40)]


def test_an_upload_begins_without_hints(painter):
    click(painter.canvas, 10, 12)
    content = io.BytesIO()
    halves(24, 20).save(content, "PNG")
    upload(painter.upload, "halves.png", content.getvalue())  # another image of the same name
    assert said(painter) == "halves.png, 24×20 pixels, no hints yet."
    assert painter.upload.value == ()
    assert tuple(name for name, _ in painter.image.options) == (*SAMPLES, "halves.png (own)")


def test_a_broken_upload_is_a_sentence_and_changes_nothing(painter):
    click(painter.canvas, 10, 12)
    state = painter.hints, painter.canvas.image, repr(painter)
    upload(painter.upload, "notes.txt", b"no image at all")
    assert said(painter).startswith("notes.txt is not an image")
    assert said(painter).endswith("Nothing was changed.")
    assert (painter.hints, painter.canvas.image, repr(painter)) == state


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (300, 2), (3, 600)])
def test_images_of_odd_shapes(tmp_path, size):
    halves(*size).save(tmp_path / "odd.png")
    painter = HintPainter(tmp_path / "odd.png", ConstantColor())
    click(painter.canvas, painter.canvas.columns - 1, painter.canvas.rows - 1)
    assert len(painter.hints) == 1
    assert "1 hint" in said(painter)


def test_a_transparent_image_stays_transparent(tmp_path):
    image = halves().convert("RGBA")
    image.putalpha(90)
    image.save(tmp_path / "clear.png")
    painter = HintPainter(tmp_path / "clear.png", ConstantColor())
    assert shown(painter.canvas).getpixel((3, 3))[3] == 90


def test_mistakes_in_the_first_line(quick):
    with pytest.raises(ValueError, match=r"missing\.png does not exist"):
        HintPainter("missing.png")
    with pytest.raises(ValueError, match="nonesuch"):
        HintPainter("cat", "nonesuch")
    with pytest.raises(ValueError, match="hint 1 is at row 500"):
        HintPainter("cat", ConstantColor(), hints=[Hint.of(0, 500, 1, 1)])


def test_hints_to_begin_with(quick):
    painter = HintPainter("cat", ConstantColor(), hints=[Hint.of(6, 5, 10, 5)])
    assert painter.hints == (Hint.of(6, 5, 10, 5),)
    assert painter.undo.disabled
    assert repr(painter).endswith("hints=1)")


# ---- files


def test_save_writes_the_whole_image_and_the_hints_and_load_reads_them(tmp_path, monkeypatch, quick):
    monkeypatch.chdir(tmp_path)
    painter = HintPainter("coffee", ConstantColor())
    click(painter.canvas, 30, 20)
    hints = painter.hints
    painter.save.click()
    target = tmp_path / "colorized" / "coffee.png"
    assert said(painter) == f"Saved {target} (600×400 pixels), and the hints in coffee.json."
    assert sorted(path.name for path in target.parent.iterdir()) == ["coffee.json", "coffee.png"]
    with Image.open(target) as saved:
        assert saved.size == (600, 400)
        difference = full_lightness(read_image(saved)) - full_lightness(read_image(photograph("coffee")))
    assert float(difference.abs().max()) < 0.3
    assert json.loads((target.parent / "coffee.json").read_text())["width"] == 64
    painter.clear.click()
    for _ in range(2):  # the same file a second time
        upload(painter.load, "coffee.json", (target.parent / "coffee.json").read_bytes())
        assert painter.hints == hints
        assert painter.load.value == ()
    painter.undo.click()
    assert painter.hints == ()
    # What was saved from here may be replaced.
    painter.save.click()
    assert said(painter).startswith("Saved ")
    assert json.loads((target.parent / "coffee.json").read_text())["hints"] == []


@pytest.mark.parametrize("name", ["taken.png", "taken.json"])
def test_files_that_were_there_are_not_overwritten(painter, tmp_path, name):
    (tmp_path / name).write_bytes(b"precious")
    painter.target.value = "taken"
    painter.save.click()
    assert said(painter) == (
        f"{name} exists already and was not saved from here; choose another name. Nothing was changed."
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["halves.png", name]
    assert (tmp_path / name).read_bytes() == b"precious"


def test_a_name_that_cannot_be_written_is_a_sentence(painter):
    painter.target.value = ""
    painter.save.click()
    assert said(painter).startswith("give the image a file name")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"blue coat", "hints.json holds no hints; give JSON that the painter saved, or a PNG of strokes"),
        (b"{", "hints.json: the file holds no hints: it is not JSON"),
        (b"\x89PNG\r\n\x1a\n", "hints.json begins like PNG, but"),
        (
            to_json([], (1000, 1000)).encode(),
            "hints.json: the hints are for an image of 1000×1000 pixels, but this one has 40×30",
        ),
    ],
)
def test_hints_that_cannot_be_loaded_are_a_sentence_and_change_nothing(painter, content, sentence):
    click(painter.canvas, 10, 12)
    before = painter.hints
    upload(painter.load, "hints.json", content)
    assert said(painter).startswith(sentence)
    assert said(painter).endswith("Nothing was changed.")
    assert painter.hints == before


def test_strokes_drawn_elsewhere_are_loaded(painter):
    strokes, content = Image.new("RGBA", (80, 60)), io.BytesIO()
    strokes.putpixel((20, 24), (200, 40, 40, 255))
    strokes.save(content, "PNG")
    upload(painter.load, "strokes.png", content.getvalue())
    (hint,) = painter.hints
    assert (hint.y, hint.x) == (12, 10)
    assert greenness(painter, 10, 10) < -20


def test_loaded_colors_are_brought_into_the_gamut(painter):
    upload(painter.load, "hints.json", to_json([Hint.of(3, 3, 100, 100), Hint.of(30, 4, 1, 1)], (30, 40)).encode())
    assert painter.hints[0].a < 60
    assert painter.hints[1] == Hint.of(30, 4, 1, 1)


# ---- the sketch


@given(st.floats(0, 100), st.floats(-110, 110), st.floats(-110, 110))
def test_showable_colors_can_be_shown_and_keep_their_hue(lightness, a, b):
    fitted = showable(lightness, a, b)
    assert bool(color.in_gamut(torch.tensor([lightness, *fitted], dtype=torch.float64).view(3, 1, 1)))
    assert fitted[0] * b == pytest.approx(fitted[1] * a, abs=1e-6)
    assert np.hypot(*fitted) <= np.hypot(a, b) + 1e-9


def test_the_palette_shows_the_colors_of_the_gamut():
    pixels = np.asarray(palette(60.0))
    lab = color.rgb_to_lab(torch.from_numpy(pixels[..., :3].copy()).movedim(-1, 0))
    inside = torch.from_numpy(pixels[..., 3] == 255)
    places = torch.arange(-PALETTE_REACH, PALETTE_REACH + 1.0)
    assert float((lab[1] - places)[inside].abs().max()) < 2
    assert float((lab[2] + places[:, None])[inside].abs().max()) < 2
    assert inside[PALETTE_REACH, PALETTE_REACH]
    assert not inside[0, 0]


def test_a_hint_gets_its_color_back_when_it_leaves_the_dark():
    lightness = torch.tensor([[60.0, 2.0, 60.0]])
    sketch = Sketch(lightness)
    sketch.press(0, 0)
    sketch.move(0, 1)
    assert np.hypot(sketch.hints[0].a, sketch.hints[0].b) < 10
    sketch.move(0, 2)
    assert sketch.hints == (Hint.of(2, 0, *FIRST_COLOR),)


def test_a_hint_does_not_move_onto_another():
    sketch = Sketch(torch.full((3, 3), 50.0))
    sketch.press(0, 0)
    sketch.press(1, 1)
    sketch.move(0, 0)
    assert [(hint.y, hint.x) for hint in sketch.hints] == [(0, 0), (1, 1)]


gestures = st.lists(
    st.one_of(
        st.tuples(st.just("press"), st.integers(0, 3), st.integers(0, 4)),
        st.tuples(st.just("move"), st.integers(0, 3), st.integers(0, 4)),
        st.tuples(st.just("choose"), st.integers(-110, 110), st.integers(-110, 110)),
        st.tuples(st.sampled_from(["release", "drop", "delete", "undo"])),
    ),
    max_size=25,
)


@settings(deadline=None)
@given(gestures)
def test_whatever_is_done_hints_can_be_shown_and_all_of_it_undone(steps):
    lightness = torch.linspace(0, 100, 20).view(4, 5)
    sketch = Sketch(lightness)
    for name, *where in steps:
        if name == "press":
            taken = [(hint.y, hint.x) for hint in sketch.hints]
            where.append(taken.index(tuple(where)) if tuple(where) in taken else -1)
        getattr(sketch, name)(*where)
        assert len({(hint.y, hint.x) for hint in sketch.hints}) == len(sketch.hints)
        assert -1 <= sketch.selected < len(sketch.hints)
        for hint in sketch.hints:
            lab = torch.tensor([float(lightness[hint.y, hint.x]), hint.a, hint.b], dtype=torch.float64)
            assert bool(color.in_gamut(lab.view(3, 1, 1)))
    while sketch.can_undo:
        sketch.undo()
    assert sketch.hints == ()


def test_a_stored_notebook_keeps_a_small_image_with_the_hints_on_it(painter, monkeypatch, capsys):
    outputs = []
    monkeypatch.setattr(IPython.display, "display", lambda data, metadata, raw: outputs.append((data, metadata)))
    painter._ipython_display_()
    click(painter.canvas, 10, 15)
    painter._ipython_display_()
    (without, _), (with_hint, metadata) = outputs
    assert without["text/plain"] == "HintPainter(image='halves.png', 40×30, hints=0)"
    assert without["image/jpeg"] != with_hint["image/jpeg"]
    assert len(with_hint["image/jpeg"]) < 10_000
    assert "with a dot for each hint" in metadata["image/jpeg"]["alt"]
    assert "a click on the image sets a hint" in capsys.readouterr().out
