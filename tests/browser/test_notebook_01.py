"""Somebody opens notebook 01 in a browser and looks around in Lab, by keyboard."""

import re

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser


def test_looking_around_in_lab(watched, lab):
    watched.open_and_run(lab, "01_lab_color_space.ipynb")
    explorer = watched.page.locator(".colorlab-lab-explorer")
    status = explorer.get_by_role("status")
    plane = explorer.get_by_role("img", name="The slice of the gamut")
    neighbors = explorer.get_by_role("img", name="Colors of the same L")

    # The widget, and not its stored image; a color that no screen shows.
    expect(explorer).to_have_count(1)
    expect(explorer).to_be_visible()
    expect(status).to_have_text(re.compile("L 60, a 100, b 0 is outside the gamut: clipping changes L by -4.5"))
    expect(plane).to_be_visible()
    assert neighbors.evaluate("async image => { await image.decode(); return image.naturalWidth; }") == 160
    rows = explorer.get_by_role("row")
    expect(rows).to_have_count(6)
    expect(rows.nth(1)).to_contain_text("none")

    # Down with a by arrow keys: into the gamut, and everything is drawn again.
    lightness, a, b = (explorer.get_by_role("slider").nth(i) for i in range(3))
    drawn = neighbors.get_attribute("src")
    a.focus()
    a.press("ArrowLeft")
    expect(status).to_contain_text("L 60, a 99, b 0 is outside")
    for value in range(94, 63, -5):
        a.press("PageDown")
        expect(status).to_contain_text(f"L 60, a {value}, b 0 is")
    expect(status).to_contain_text("L 60, a 64, b 0 is inside the gamut")
    expect(neighbors).not_to_have_attribute("src", drawn)
    expect(rows.nth(1)).not_to_contain_text("none")

    # The numbers beside the sliders: pure red, whose luma is far too dark.
    for name, value in (("L", "53"), ("a", "80"), ("b", "67")):
        number = explorer.get_by_role("spinbutton", name=name, exact=True)
        number.fill(value)
        number.press("Tab")
    expect(status).to_contain_text("L 53, a 80, b 67")
    expect(status).to_contain_text(re.compile(r"A gray of its luma has L 22\.\d, -30\.\d from its own"))
    for slider, value in ((lightness, "53"), (a, "80"), (b, "67")):
        expect(slider).to_have_attribute("aria-valuenow", re.compile(rf"^{value}(\.0)?$"))
    expect(plane).to_have_attribute("aria-label", re.compile("L 53 with the chosen color at a 80, b 67"))

    assert watched.problems == []
    assert watched.offsite == []
