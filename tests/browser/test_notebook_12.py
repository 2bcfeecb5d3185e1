"""Somebody opens notebook 12 in a browser and colors an image of their own, mostly by keyboard."""

import re

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from colorlab import pretrained
from colorlab.data.samples import photograph
from colorlab.image import read_image
from colorlab.inference import full_lightness

pytestmark = pytest.mark.browser


def test_coloring_a_image_of_ones_own(watched, lab, tmp_path):
    original = photograph("coffee").crop((40, 0, 440, 300))
    photo = tmp_path / "my breakfast.jpg"
    original.save(photo, quality=95)
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(photo.read_bytes()[:3000])

    page = watched.page
    watched.open_and_run(lab, "12_colorize_your_own.ipynb")
    bench = page.locator(".colorlab-colorize-bench")
    status = bench.get_by_role("status")
    before = bench.get_by_role("img", name="without color")
    after = bench.get_by_role("img", name="in the colors that")

    # The first state: a sample, before and after, both really decoded by the browser.
    expect(status).to_contain_text("astronaut, 512×512 pixels, colored by")
    for image in (before, after):
        expect(image).to_be_visible()
        assert image.evaluate("async image => { await image.decode(); return image.naturalWidth; }") == 512

    # The edge between them: before to its left, after to its right; by keyboard and by mouse.
    edge = bench.get_by_role("slider", name="Edge between before and after")
    expect(edge).to_have_value("50")
    expect(after).to_have_css("clip-path", "inset(0px 0px 0px 50%)")
    edge.focus()
    edge.press("ArrowRight")
    expect(edge).to_have_value("51")
    expect(after).to_have_css("clip-path", "inset(0px 0px 0px 51%)")
    box = edge.bounding_box()
    page.mouse.move(box["x"] + 0.51 * box["width"], box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.25 * box["width"], box["y"] + box["height"] / 3, steps=4)
    page.mouse.up()
    expect(edge).to_have_value("25")
    expect(before).to_have_css("clip-path", "inset(0px 75% 0px 0px)")

    # Beside it the colors alone, or how far they are from the true ones.
    expect(bench.get_by_role("img", name="The colors of astronaut alone")).to_be_visible()
    view = bench.get_by_role("combobox", name="Beside it")
    view.focus()
    view.press("End")
    expect(status).to_contain_text(re.compile(r"CIEDE2000 to the true colors: \d+\.\d in the mean"))
    expect(bench.get_by_role("img", name="Where the colors are far from the true ones")).to_be_visible()

    # Another sample, another model.
    src = after.get_attribute("src")
    bench.get_by_role("combobox", name="Image").select_option(label="rocket")
    expect(status).to_contain_text("rocket, 640×427 pixels")
    expect(after).not_to_have_attribute("src", src)
    src = after.get_attribute("src")
    other = pretrained.NAMES[-1]
    bench.get_by_role("combobox", name="Model").select_option(label=other)
    expect(status).to_contain_text(f"colored by {other}")
    expect(after).not_to_have_attribute("src", src)

    # The chroma gain, by keyboard on the slider and in the number beside it.
    src = after.get_attribute("src")
    slider = bench.locator(".widget-slider").get_by_role("slider")
    slider.focus()
    slider.press("ArrowRight")
    expect(status).to_contain_text("chroma gain 1.05")
    expect(after).not_to_have_attribute("src", src)
    slider.press("Home")
    expect(status).to_contain_text("chroma gain 0.00")
    number = bench.get_by_role("spinbutton", name="Chroma gain")
    expect(number).to_have_value("0")
    number.fill("1.4")
    number.press("Tab")
    expect(status).to_contain_text("chroma gain 1.40")
    expect(slider).to_have_attribute("aria-valuenow", re.compile(r"^1\.40?$"))

    # An image of one's own.
    upload(page, bench, photo)
    expect(status).to_contain_text("my breakfast.jpg, 400×300 pixels")
    expect(after).to_have_attribute("alt", re.compile(r"^my breakfast\.jpg in the colors that"))
    expect(bench.get_by_role("combobox", name="Image").locator("option:checked")).to_have_text(
        "my breakfast.jpg (own)"
    )

    # A broken one: a sentence, and everything stays.
    src = after.get_attribute("src")
    upload(page, bench, broken)
    expect(status).to_contain_text(re.compile(r"broken\.jpg is damaged.*: .*\. Nothing was changed\."))
    expect(after).to_have_attribute("src", src)
    expect(bench).not_to_contain_text("Traceback")

    # Saved at full resolution, into the notebook's folder, with the lightness of the original.
    name = bench.get_by_role("textbox", name="Save as")
    expect(name).to_have_value("colorized/my breakfast.png")
    name.fill("results/breakfast.png")
    bench.get_by_role("button", name="Save").click()
    target = lab.folder / "results" / "breakfast.png"
    expect(status).to_contain_text(f"Saved {target} (400×300 pixels).")
    with Image.open(target) as saved:
        assert saved.size == (400, 300)
        assert np.ptp(np.asarray(saved).astype(int), axis=2).mean() > 3
        difference = full_lightness(read_image(saved)) - full_lightness(read_image(photo))
    assert float(difference.abs().max()) < 0.3

    assert watched.problems == []
    assert watched.offsite == []


def upload(page, bench, path):
    """Choose a file in the dialogue that the upload button opens."""
    with page.expect_file_chooser() as chooser:
        bench.get_by_role("button", name="Upload").click()
    chooser.value.set_files(path)
