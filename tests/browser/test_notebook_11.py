"""Somebody looks at the widgets of notebook 11 in a browser: compares models, falls into the trap, is tested."""

import json
import re

import nbformat
import pytest
from playwright.sync_api import expect

from colorlab.data.samples import photograph

pytestmark = pytest.mark.browser

LIBRARY = """
from colorlab.evaluation import gray
from colorlab.models import ConstantColor
from colorlab.widgets import MetricTrap, ModelComparison, TuringTest

models = {"gray": gray(), "brown": ConstantColor((16, 20)), "blue": ConstantColor((0, -60))}
"""

# Which of the two images is visible at which time: their animations are held as soon as they are there, looked at
# at moments within and between them, and then let go from the beginning. No frame can be missed on a busy machine.
WATCH = """() => {
    const widget = document.querySelector('.colorlab-turing-test');
    window.seen = [];
    new MutationObserver((_, observer) => {
        const animations = widget.getAnimations({subtree: true});
        if (animations.length === 0) return;
        observer.disconnect();
        animations.forEach(animation => animation.pause());
        for (const time of [250, 1000, 1750, 2500, 3250]) {
            animations.forEach(animation => { animation.currentTime = time; });
            const visible = [...widget.querySelectorAll('img')]
                .filter(image => getComputedStyle(image).visibility === 'visible')
                .map(image => image.alt.split(', ')[1]);
            window.seen.push(visible.join(' and ') || 'nothing');
        }
        for (const animation of animations) {
            animation.currentTime = 0;
            animation.play();
        }
    }).observe(widget, {childList: true, subtree: true});
}"""
# Both were shown and are hidden: no animation is left, and none is to come.
HIDDEN = """() => document.querySelector('.colorlab-turing-test').getAnimations({subtree: true})
    .filter(animation => animation.animationName === 'colorlab-glance').length === 0"""

EMPTY = """() => !document.querySelector('.colorlab-turing-test').innerHTML.includes('animation:')"""
ELSEWHERE_AND_BACK = """async () => {
    const { commands, shell } = window.jupyterapp;
    const notebook = shell.currentWidget;
    await commands.execute('launcher:create');
    await new Promise(requestAnimationFrame);
    shell.activateById(notebook.id);
    await new Promise(requestAnimationFrame);
}"""


@pytest.fixture
def open_cell(watched, lab):
    """A notebook with one widget, made by the code given, open in JupyterLab; gives the widget's element."""

    def open_(code, widget):
        # Without a kernel's name JupyterLab would ask which.
        kernel = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(LIBRARY + code)], metadata=kernel)
        nbformat.write(notebook, lab.folder / f"{widget}.ipynb")
        watched.open_and_run(lab, f"{widget}.ipynb")
        return watched.page.locator(f".colorlab-{widget}")

    return open_


def quiet(watched):
    """Whether nothing went wrong on the page and nothing left the machine."""
    return watched.problems == [] and watched.offsite == []


def test_comparing_models(watched, open_cell, tmp_path):
    mine, broken = tmp_path / "mine.jpg", tmp_path / "broken.jpg"
    photograph("cat").crop((0, 0, 200, 120)).save(mine, quality=95)
    broken.write_bytes(mine.read_bytes()[:2000])
    found = open_cell('ModelComparison("coffee", models)', "model-comparison")
    status, images = found.get_by_role("status"), found.get_by_role("figure")
    expect(status).to_contain_text("coffee at 256×171 pixels, sorted by MAE of a, b (Lab, ↓): brown is first.")
    order = [re.compile(name) for name in (r"^original$", r"^brown [\d.]+$", r"^gray [\d.]+$", r"^blue [\d.]+$")]
    expect(images).to_have_text(order)
    for image in found.get_by_role("img").all():
        assert image.evaluate("async image => { await image.decode(); return image.naturalWidth; }") == 256

    # Sorted by another score, by keyboard: another order, that score beside the images and marked in the table.
    sort_by = found.get_by_role("combobox", name="Sort by")
    sort_by.focus()
    sort_by.press("End")
    expect(status).to_contain_text("sorted by |Δ colorfulness| (↓)")
    expect(images).not_to_have_text(order)
    marked = found.locator("td.chosen")
    expect(marked).to_have_count(3)
    assert marked.first.evaluate("cell => cell.cellIndex === cell.parentElement.cells.length - 1")
    expect(images.nth(1)).to_contain_text(marked.first.inner_text())

    # An image of one's own, then one that is broken, which changes nothing.
    upload(watched.page, found, mine)
    expect(status).to_contain_text("mine.jpg at 200×120 pixels, sorted by |Δ colorfulness|")
    expect(found.get_by_role("img", name="mine.jpg, the original")).to_be_visible()
    upload(watched.page, found, broken)
    expect(status).to_contain_text(re.compile(r"broken\.jpg is damaged.*Nothing was changed\."))
    expect(found.get_by_role("img", name="mine.jpg, the original")).to_be_visible()
    assert quiet(watched)


def test_falling_into_the_trap(watched, open_cell):
    found = open_cell('MetricTrap("coffee", models["brown"])', "metric-trap")
    page, status = watched.page, found.get_by_role("status")
    compare = found.get_by_role("button", name="Compare with the scores")
    expect(status).to_contain_text("Which colors look best?")
    expect(found.get_by_role("figure")).to_have_text(list("ABCDEF"))

    # By mouse, with a change of mind and too early a look.
    for letter in "CAB":
        found.get_by_role("button", name=f"{letter}: choose").click()
    found.get_by_role("button", name="A: rank 2").click()
    expect(found.get_by_role("button", name="B: rank 2")).to_be_visible()
    compare.click()
    expect(status).to_have_text("First rank all six: A, D, E, F are missing.")
    expect(found.get_by_role("table")).to_have_count(0)

    # The rest by keyboard: the focus stays on a button that was pressed.
    found.get_by_role("button", name="D: choose").focus()
    for letter in "DEF":
        page.keyboard.press("Space")
        expect(found.get_by_role("button", name=f"{letter}: rank")).to_be_focused()
        page.keyboard.press("Tab")
    expect(compare).to_be_focused()
    found.get_by_role("button", name="A: choose").click()
    compare.focus()
    page.keyboard.press("Space")
    expect(status).to_contain_text("Nearest to you is ")
    expect(found.get_by_role("row", name="you 6 2 1 3 4 5")).to_be_visible()
    expect(found.get_by_role("row", name=re.compile(r"^CIEDE2000 .*( \d){6} [−\d]"))).to_be_visible()
    expect(found.get_by_role("img", name="the original photograph")).to_be_visible()
    expect(found.get_by_role("figure", name="no color")).to_have_count(1)
    assert quiet(watched)


def test_being_tested(watched, open_cell, lab):
    found = open_cell('TuringTest({"blue": models["blue"]}, pairs=3, seed=1)', "turing-test")
    page, status = watched.page, found.get_by_role("status")
    left, right = found.get_by_role("button", name="Left is real"), found.get_by_role("button", name="Right is real")
    left.click()
    expect(status).to_have_text("Press Start first.")

    # The page notes which image is to be seen when.
    page.evaluate(WATCH)
    found.get_by_role("button", name="Start").focus()
    page.keyboard.press("Space")
    expect(status).to_have_text("Pair 1 of 3: which one is real?")
    page.wait_for_function("() => window.seen.length === 5")
    assert page.evaluate("() => window.seen") == ["nothing", "left", "nothing", "right", "nothing"]
    page.wait_for_function(HIDDEN)

    # Somebody looks at another tab and comes back: browsers begin animations again, but the images are gone.
    page.wait_for_function(EMPTY)
    page.evaluate(ELSEWHERE_AND_BACK)
    expect(found).to_be_visible()
    assert page.evaluate(HIDDEN)
    assert page.evaluate(EMPTY)

    # By keyboard; the focus stays, so that the next answer needs no way to it. The other half of a double press is
    # not an answer.
    found.get_by_role("button", name="Start").focus()
    page.keyboard.press("Tab")
    expect(left).to_be_focused()
    page.keyboard.press("Space")
    page.keyboard.press("Space")
    expect(status).to_have_text("Pair 2 of 3: too soon, look at both first.")
    expect(left).to_be_focused()
    page.wait_for_function(HIDDEN)
    right.click()
    expect(status).to_have_text("Pair 3 of 3: which one is real?")
    page.wait_for_function(HIDDEN)
    right.click()
    expect(status).to_contain_text("All 3 pairs are answered.")
    expect(found.get_by_role("row", name=re.compile(r"^blue [0-3] 3 \d+% \d+% … \d+%$"))).to_be_visible()

    target = found.get_by_role("textbox", name="Save as")
    target.fill("results/answers.json")
    found.get_by_role("button", name="Save answers").click()
    saved = lab.folder / "results" / "answers.json"
    expect(status).to_have_text(f"Saved 3 of 3 answers as {saved}.")
    answers = json.loads(saved.read_text(encoding="utf-8"))["answers"]
    assert [answer["answer"] for answer in answers] == ["left", "right", "right"]
    assert [answer["fooled"] for answer in answers] == [answer["answer"] != answer["real"] for answer in answers]
    assert quiet(watched)


def test_in_notebook_11(watched, lab):
    watched.open_and_run(lab, "11_comparing_models.ipynb")
    page = watched.page
    trap, comparison, test = (
        page.locator(f".colorlab-{name}") for name in ("metric-trap", "model-comparison", "turing-test")
    )
    trap.get_by_role("button", name="E: choose").click()
    expect(trap.get_by_role("status")).to_contain_text("Which colors look second?")
    comparison.get_by_role("combobox", name="Sort by").select_option(label="SSIM (↑)")
    expect(comparison.get_by_role("status")).to_contain_text("sorted by SSIM (↑)")
    test.get_by_role("button", name="Start").click()
    expect(test.get_by_role("status")).to_have_text("Pair 1 of 20: which one is real?")

    # Narrow pages show all of it, too.
    page.set_viewport_size({"width": 800, "height": 900})
    for widget in (trap, comparison, test):
        for image in widget.locator("img").all():
            box = image.bounding_box()
            assert box["x"] + box["width"] <= 800
            assert box["width"] > 80
    assert quiet(watched)


def upload(page, found, path):
    """Choose a file in the dialogue that the button opens."""
    with page.expect_file_chooser() as chooser:
        found.get_by_role("button", name="Upload").click()
    chooser.value.set_files(path)
