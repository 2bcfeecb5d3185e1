"""Somebody sets hints in a browser, by mouse and by keyboard."""

import base64
import io
import json
import re

import nbformat
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

SIZE = (200, 160)  # width and height of the image of two halves; it is not enlarged to set hints on


CONSTANT = "from colorlab.models import ConstantColor as Network"

# Knows that everything is red (60 %) or blue (40 %), and that everything has the color of any hint.
RED_OR_BLUE = """
import torch
from colorlab.models import DistributionColorizer
from colorlab.models.distribution import Answer

class Network(DistributionColorizer):
    def __init__(self):
        super().__init__()
        with torch.no_grad():
            self.hinting.learned.fill_(1)
            self.hinting.nearness.fill_(-9)  # distance does not matter,
            self.hinting.nothing.bias.fill_(-20)  # and every hint is heard

    def answer(self, lightness):
        probabilities = torch.full((len(self.bins), *lightness[0, 0, ::4, ::4].shape), 1e-9)
        for ab, probability in {(40, 30): 0.6, (10, -40): 0.4}.items():
            probabilities[(self.bins == torch.tensor(ab)).all(dim=1)] = probability
        mixture = torch.zeros(len(lightness), 9 * 16, *probabilities.shape[1:])
        features = torch.zeros(len(lightness), 240, *probabilities.shape[1:])
        return Answer(probabilities.log().expand(len(lightness), -1, -1, -1), mixture, features)
"""


@pytest.fixture
def network():
    """Code that makes a class ``Network``: one that sees no color in anything."""
    return CONSTANT


@pytest.fixture
def painter(watched, lab, network):
    """A painter on an image of two halves, dark and bright."""
    pixels = np.full((SIZE[1], SIZE[0], 3), 70, dtype=np.uint8)
    pixels[:, SIZE[0] // 2 :] = 180
    Image.fromarray(pixels).save(lab.folder / "halves.png")
    code = f"{network}\nfrom colorlab.widgets import HintPainter\n\nHintPainter('halves.png', Network().eval())"
    # Without a kernel's name JupyterLab would ask which.
    kernel = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)], metadata=kernel)
    nbformat.write(notebook, lab.folder / "painter.ipynb")
    watched.open_and_run(lab, "painter.ipynb")
    found = watched.page.locator(".colorlab-hint-painter")
    expect(found.get_by_role("status")).to_contain_text("halves.png, 200×160 pixels, no hints yet.")
    return found


def image(painter):
    """What the painter shows, without the marks on it."""
    source = painter.get_by_role("img", name="in the network's colors").get_attribute("src")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(source.partition(",")[2])))).astype(int)


def redness(pixels, x, y):
    """Red minus green about a pixel of the image."""
    part = pixels[y - 3 : y + 4, x - 3 : x + 4]
    return (part[..., 0] - part[..., 1]).mean()


def spot(painter, x, y):
    """Where a pixel of the image is on the page."""
    box = painter.get_by_role("img", name="in the network's colors").bounding_box()
    return box["x"] + (x + 0.5) * box["width"] / SIZE[0], box["y"] + (y + 0.5) * box["height"] / SIZE[1]


def test_by_mouse(watched, painter, lab):
    page, status = watched.page, painter.get_by_role("status")
    painter.scroll_into_view_if_needed()
    assert abs(redness(image(painter), 50, 80)) < 3

    # A click sets a hint: color near it and none behind the edge.
    page.mouse.click(*spot(painter, 50, 80))
    expect(status).to_contain_text("1 hint. Hint 1, row 80, column 50: L = 30, a = 35, b = 30.")
    colored = image(painter)
    assert redness(colored, 50, 80) > 30
    assert redness(colored, 70, 80) > 15
    assert abs(redness(colored, 110, 80)) < 3

    # A drag takes it to the other half, in one step of undo.
    page.mouse.move(*spot(painter, 50, 80))
    page.mouse.down()
    page.mouse.move(*spot(painter, 90, 70), steps=4)
    page.mouse.move(*spot(painter, 150, 60), steps=8)
    page.mouse.up()
    expect(status).to_contain_text("1 hint. Hint 1, row 60, column 150: L = 73, a = 35, b = 30.")
    dragged = image(painter)
    assert redness(dragged, 150, 60) > 30
    assert abs(redness(dragged, 50, 80)) < 3
    painter.get_by_role("button", name="Undo").click()
    expect(status).to_have_text(re.compile(r"1 hint\.$"))
    assert np.array_equal(image(painter), colored)

    # The palette changes the color of the hint that is taken up; what no screen shows is brought inside.
    page.mouse.click(*spot(painter, 50, 80))
    expect(status).to_contain_text("Hint 1, row 80, column 50")
    slice_ = painter.get_by_role("img", name="colors that a screen can show at L = 30")
    box = slice_.bounding_box()
    page.mouse.click(box["x"] + 20, box["y"] + box["height"] / 2)  # far outside the gamut, at b = 0
    expect(status).to_contain_text("L = 30, a = -24, b = 0.")
    assert redness(image(painter), 50, 80) < -15

    # A second hint, then nothing, then both again.
    page.mouse.click(*spot(painter, 150, 100))
    expect(status).to_contain_text("2 hints. Hint 2, row 100, column 150")
    two = image(painter)
    painter.get_by_role("button", name="Clear").click()
    expect(status).to_contain_text("no hints yet")
    assert abs(redness(image(painter), 50, 80)) < 3
    expect(painter.get_by_role("button", name="Clear")).to_be_disabled()
    painter.get_by_role("button", name="Undo").click()
    expect(status).to_have_text(re.compile(r"2 hints\.$"))
    assert np.array_equal(image(painter), two)

    # Saved, cleared, loaded; a broken file is a sentence.
    painter.get_by_role("textbox", name="Save as").fill("results/painted.png")
    painter.get_by_role("button", name="Save").click()
    expect(status).to_contain_text("(200×160 pixels), and the hints in painted.json.")
    saved = lab.folder / "results" / "painted.json"
    assert [hint["column"] for hint in json.loads(saved.read_text())["hints"]] == [50, 150]
    with Image.open(saved.with_suffix(".png")) as whole:
        assert whole.size == SIZE
        assert redness(np.asarray(whole).astype(int), 50, 80) < -15
    painter.get_by_role("button", name="Clear").click()
    expect(status).to_contain_text("no hints yet")
    broken = saved.with_name("broken.json")
    broken.write_text(saved.read_text()[:50])
    load(page, painter, broken)
    expect(status).to_contain_text("the file holds no hints: it is not JSON")
    load(page, painter, saved)
    expect(status).to_have_text(re.compile(r"2 hints\.$"))
    assert np.array_equal(image(painter), two)

    # The views: before there were hints, and the hints on gray.
    painter.get_by_role("button", name="before").click()
    expect(painter.get_by_role("img", name="in the network's colors, without hints")).to_be_visible()
    assert abs(redness(image(painter), 50, 80)) < 3
    painter.get_by_role("button", name="hints only").click()
    expect(painter.get_by_role("img", name="halves.png in gray, with 2 hints")).to_be_visible()
    painter.get_by_role("button", name="with hints").click()
    expect(painter.get_by_role("img", name="in the network's colors, with 2 hints")).to_be_visible()
    assert np.array_equal(image(painter), two)

    assert watched.problems == []
    assert watched.offsite == []


def load(page, painter, path):
    """Choose a file in the dialogue that the button opens."""
    button = painter.get_by_role("button", name="Load hints")
    if not button.is_visible():
        painter.get_by_role("button", name="More").click()
    with page.expect_file_chooser() as chooser:
        button.click()
    chooser.value.set_files(path)


def test_by_keyboard(watched, painter):
    page, status = watched.page, painter.get_by_role("status")
    pad = painter.get_by_role("application", name="Image")
    pad.focus()
    # From the middle, where the crosshair is at first.
    for key in ["Shift+ArrowLeft"] * 5 + ["ArrowUp"] * 3:
        page.keyboard.press(key)
    page.keyboard.press("Enter")
    expect(status).to_contain_text("1 hint. Hint 1, row 77, column 50: L = 30, a = 35, b = 30.")
    assert redness(image(painter), 50, 77) > 30

    # It is taken up, and moves with the arrows; Enter puts it down.
    page.keyboard.press("Shift+ArrowUp")
    page.keyboard.press("ArrowRight")
    expect(status).to_contain_text("Hint 1, row 67, column 51")
    page.keyboard.press("Enter")
    expect(status).to_have_text(re.compile(r"1 hint\.$"))
    page.keyboard.press("Shift+ArrowDown")
    page.keyboard.press("Shift+ArrowDown")
    page.keyboard.press("Enter")
    expect(status).to_contain_text("2 hints. Hint 2, row 87, column 51")

    # Tab leads to the palette, whose arrows change the color.
    page.keyboard.press("Tab")
    expect(painter.get_by_role("application", name="Palette")).to_be_focused()
    page.keyboard.press("Shift+ArrowLeft")
    page.keyboard.press("ArrowUp")
    expect(status).to_contain_text("a = 25, b = 31.")
    page.keyboard.press("Control+z")
    expect(status).to_have_text(re.compile(r"2 hints\.$"))

    # Back in the image, Enter takes up the hint under the crosshair, and Delete removes it.
    page.keyboard.press("Shift+Tab")
    expect(pad).to_be_focused()
    page.keyboard.press("Enter")
    expect(status).to_contain_text("Hint 2, row 87, column 51: L = 30, a = 35, b = 30.")
    page.keyboard.press("Delete")
    expect(status).to_have_text(re.compile(r"1 hint\.$"))
    page.keyboard.press("Control+z")
    expect(status).to_have_text(re.compile(r"2 hints\.$"))

    # None of these keys reached JupyterLab, to which they mean the notebook's cells.
    expect(page.locator(".jp-CodeCell")).to_have_count(1)
    assert watched.problems == []


@pytest.mark.parametrize("network", [RED_OR_BLUE])
def test_likely_colors_by_keyboard(watched, painter):
    page, status = watched.page, painter.get_by_role("status")
    likely = painter.get_by_role("group", name="Likely colors of this spot")
    expect(likely).to_contain_text("Click the image to see what the network considers likely there.")
    pad = painter.get_by_role("application", name="Image")
    pad.focus()
    page.keyboard.press("Enter")
    expect(likely.get_by_role("button")).to_have_count(5)
    expect(likely.get_by_role("button").first).to_have_accessible_name("red, 60%")

    # Tab leads from the image to the likeliest color, and on to the next; Enter gives it to the hint.
    page.keyboard.press("Tab")
    expect(likely.get_by_role("button", name="red, 60%")).to_be_focused()
    page.keyboard.press("Tab")
    blue = likely.get_by_role("button", name="blue, 40%")
    expect(blue).to_be_focused()
    assert blue.evaluate("button => getComputedStyle(button).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    expect(blue).to_have_attribute("aria-pressed", "true")
    expect(status).to_contain_text("a = 10, b = -40.")
    expect(blue).to_be_focused()

    # The network takes the rest for blue, but what it considers likely at the next spot it knew without hints.
    page.mouse.click(*spot(painter, 30, 30))
    expect(likely.get_by_role("button").first).to_have_accessible_name("red, 60%")
    painter.get_by_role("button", name="Remove").click()
    expect(status).to_have_text(re.compile(r"1 hint\.$"))
    told = image(painter)
    painter.get_by_role("button", name="More").click()
    source = painter.get_by_role("img", name="in the network's colors").get_attribute("src")
    painter.get_by_role("button", name="propagation only").click()
    expect(painter.get_by_role("img", name="in the network's colors")).not_to_have_attribute("src", source)
    assert redness(image(painter), 190, 10) > redness(told, 190, 10) + 10

    expect(page.locator(".jp-CodeCell")).to_have_count(1)
    assert watched.problems == []
    assert watched.offsite == []


def test_in_notebook_12(watched, lab):
    watched.open_and_run(lab, "12_colorize_your_own.ipynb")
    page, painter = watched.page, watched.page.locator(".colorlab-hint-painter")
    status = painter.get_by_role("status")
    shown = painter.get_by_role("img", name="in the network's colors")
    shown.scroll_into_view_if_needed()
    source, box = shown.get_attribute("src"), shown.bounding_box()
    page.mouse.click(box["x"] + box["width"] / 4, box["y"] + box["height"] / 3)
    expect(status).to_contain_text("Hint 1, ")
    expect(shown).not_to_have_attribute("src", source)

    # On a narrow page the image is smaller, and a click means the same.
    page.set_viewport_size({"width": 800, "height": 900})
    shown.scroll_into_view_if_needed()
    box = shown.bounding_box()
    assert box["x"] + box["width"] <= 800
    page.mouse.click(box["x"] + box["width"] * 0.75, box["y"] + box["height"] / 3)
    expect(status).to_contain_text("2 hints. Hint 2, ")
    assert watched.problems == []
    assert watched.offsite == []
