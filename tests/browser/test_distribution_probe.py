"""Somebody moves the probe in a browser, by keyboard and by mouse."""

import base64
import io

import nbformat
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

SIZE = (100, 80)  # width and height of the image of two halves; its working size is the same

CODE = '''
import torch
from colorlab.models import DistributionColorizer
from colorlab.models.distribution import Answer
from colorlab.widgets import DistributionProbe

class RedOrBlue(DistributionColorizer):
    """Knows that what is bright is gray, and that what is dark is red (60 %) or blue (40 %)."""

    def answer(self, lightness):
        dark = torch.nn.functional.avg_pool2d(lightness, 4) < 0
        logits = torch.full((len(self.bins), 1, 1), -30.0)
        bright_logits = logits.clone()
        for (a, b), probability in {(40, 30): 0.6, (10, -40): 0.4}.items():
            logits[(self.bins == torch.tensor([a, b])).all(dim=1)] = torch.tensor(probability).log()
        bright_logits[(self.bins == 0).all(dim=1)] = 0
        mixture = torch.zeros(len(dark), 9, 16, *dark.shape[2:])
        mixture[:, 4] = 50
        return Answer(torch.where(dark, logits, bright_logits), mixture.flatten(1, 2), dark)

DistributionProbe("halves.png", RedOrBlue().eval())
'''


@pytest.fixture
def probe(watched, lab):
    """A probe on an image of two halves, dark and bright."""
    pixels = np.full((SIZE[1], SIZE[0], 3), 70, dtype=np.uint8)
    pixels[:, SIZE[0] // 2 :] = 180
    Image.fromarray(pixels).save(lab.folder / "halves.png")
    # Without a kernel's name JupyterLab would ask which.
    kernel = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(CODE)], metadata=kernel)
    nbformat.write(notebook, lab.folder / "probe.ipynb")
    watched.open_and_run(lab, "probe.ipynb")
    found = watched.page.locator(".colorlab-distribution-probe")
    expect(found.get_by_role("status")).to_contain_text("halves.png, row 60, column 33: L = 30, entropy 0.97 bits")
    return found


def test_the_probe_moves(watched, probe):
    page, status, pad = watched.page, probe.get_by_role("status"), probe.get_by_role("application", name="Image")
    expect(probe.get_by_role("row", name="60% red 40 30")).to_be_visible()
    expect(probe.get_by_role("row", name="40% blue 10 -40")).to_be_visible()

    # By keyboard, into the bright half.
    pad.focus()
    page.keyboard.press("ArrowUp")
    expect(status).to_contain_text(
        "row 59, column 33: L = 30, entropy 0.97 bits (at most 7.82), most likely red (60%)"
    )
    for column in (43, 53, 63):
        page.keyboard.press("Shift+ArrowRight")
        # A step is taken from where the kernel last said that the spot is.
        expect(status).to_contain_text(f"row 59, column {column}: ")
    expect(status).to_contain_text("row 59, column 63: L = 73, entropy 0.00 bits (at most 7.82), most likely gray")
    expect(probe.get_by_role("row", name="100% gray 0 0")).to_be_visible()
    expect(probe.get_by_role("img", name="Probabilities of the colors at L = 73")).to_be_visible()

    # By mouse, back into the dark one.
    image = probe.get_by_role("img", name="in the network's colors")
    box = image.bounding_box()
    page.mouse.click(box["x"] + box["width"] * 0.205, box["y"] + box["height"] * 0.505)
    expect(status).to_contain_text("row 40, column 20: L = 30")

    # As a map, the dark half is the one in doubt.
    probe.get_by_role("button", name="entropy").click()
    shown = probe.get_by_role("img", name="as a map of the entropy")
    source = shown.get_attribute("src")
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(source.partition(",")[2])))).astype(int)
    assert pixels[40, 20].sum() > pixels[40, 80].sum() + 20

    # None of the keys reached JupyterLab, to which they mean the notebook's cells.
    expect(page.locator(".jp-CodeCell")).to_have_count(1)
    assert watched.problems == []
    assert watched.offsite == []
