"""Somebody opens the course's start page in a browser, colors a photograph there, and follows the map."""

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser


def test_the_start_page_colors_a_photograph_and_leads_to_the_lessons(watched, lab):
    page = watched.page
    watched.open_and_run(lab, "index.ipynb")
    bench = page.locator(".colorlab-colorize-bench")
    expect(bench.get_by_role("img", name="in the colors that")).to_be_visible()
    page.get_by_role("link", name="3 · ResNet").click()
    expect(page.get_by_role("tab", name="03_resnet.ipynb")).to_be_visible()
    assert watched.problems == []
    assert watched.offsite == []
