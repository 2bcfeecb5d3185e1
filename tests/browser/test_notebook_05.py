"""Somebody opens notebook 05 in a browser, trains while looking around, stops, and goes on."""

import re

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser


def test_a_training_is_watched_stopped_and_gone_on_with(watched, lab):
    watched.open_and_run(lab, "05_conditional_gan.ipynb")
    dashboard = watched.page.locator(".colorlab-training-dashboard")
    status = dashboard.get_by_role("status")
    train = dashboard.get_by_role("button", name="Train")
    stop = dashboard.get_by_role("button", name="Stop")
    curves = dashboard.get_by_role("img", name="Losses by epoch")
    images = dashboard.get_by_role("img", name="Validation images")
    slider = dashboard.get_by_role("slider")
    number = dashboard.get_by_role("spinbutton", name="Epoch")

    # The widget, and not its stored image: the run of the cells above, whose images can be looked through.
    expect(dashboard).to_have_count(1)
    expect(status).to_have_text(re.compile("Ready; what is shown is an earlier run"))
    expect(stop).to_be_disabled()
    assert images.evaluate("async image => { await image.decode(); return image.naturalWidth; }") > 600
    expect(number).to_have_value("4")
    slider.focus()
    slider.press("Home")
    expect(dashboard).to_contain_text("Before training: input, colored, true")
    slider.press("End")
    expect(dashboard).to_contain_text("After epoch 4: input, colored, true")

    # In the dark theme, too, text and axes have the color of the page's text.
    text = curves.locator("text").first
    color = text.evaluate("element => getComputedStyle(element).fill")
    watched.page.evaluate(
        "async () => { await window.jupyterapp.commands.execute('apputils:change-theme', {theme: 'JupyterLab Dark'}); }"
    )
    expect(text).not_to_have_css("fill", color)

    # Start by keyboard. Curves move while it trains, and the kernel is free to answer the slider.
    drawn = curves.evaluate("element => element.innerHTML")
    train.focus()
    train.press("Enter")
    expect(train).to_be_disabled()
    expect(status).to_contain_text("Training …")
    expect(dashboard).to_contain_text(re.compile(r"epoch \d+ of 20, \d+ images/s\s*about .* left"))
    expect(curves).not_to_have_js_property("innerHTML", drawn)
    # An epoch has ended, and the slider went with it.
    expect(number).to_have_value(re.compile(r"^[1-9]\d*$"), timeout=600_000)
    expect(dashboard).to_contain_text(re.compile(r"After epoch \d+: input, colored, true"))
    slider.focus()
    slider.press("Home")
    expect(dashboard).to_contain_text("Before training: input, colored, true")
    expect(status).to_contain_text("Training …")

    # Stopped: what was learned is kept.
    stop.focus()
    stop.press("Enter")
    expect(status).to_contain_text(re.compile(r"Stopped in epoch \d+ of 20\. What was learned is kept"))
    expect(stop).to_be_disabled()
    epoch = int(re.search(r"epoch (\d+) of 20", status.inner_text())[1])
    slider.press("End")
    expect(dashboard).to_contain_text(f"After epoch {epoch}: input, colored, true")

    # And gone on with from there, not from the beginning; then stopped again.
    dashboard.get_by_role("button", name="Go on").click()
    expect(status).to_contain_text("Training …")
    expect(dashboard).to_contain_text(re.compile(r"epoch \d+ of 20, \d+ images/s"))
    stop.click()
    expect(status).to_contain_text(re.compile(r"Stopped in epoch \d+ of 20\."))
    assert int(re.search(r"epoch (\d+) of 20", status.inner_text())[1]) >= epoch
    expect(dashboard).not_to_contain_text("Traceback")

    assert watched.problems == []
    assert watched.offsite == []
