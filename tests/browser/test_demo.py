"""Somebody who opens no notebooks runs `make demo` and colors a photograph of their own."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

REPOSITORY = Path(__file__).parents[2]

START_SECONDS = 240
"""How long Voilà may take to answer, as JupyterLab in conftest.py."""


@pytest.fixture
def demo(browser, tmp_path):
    """The folder and the address of the page, served from a copy."""
    shutil.copytree(REPOSITORY / "demo", tmp_path / "demo", ignore=shutil.ignore_patterns("colorized"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        "make",
        "-f",
        str(REPOSITORY / "Makefile"),
        "-o",
        "setup",
        f"BIN={Path(sys.executable).parent}",
        "demo",
    ]
    environment = {name: value for name, value in os.environ.items() if name != "MPLBACKEND"}
    server = subprocess.Popen(
        [*command, f"ARGS=--port {port} --no-browser"], cwd=tmp_path, env=environment, start_new_session=True
    )
    try:
        address = f"http://localhost:{port}/"
        wait_for(f"{address}voila/static/", server)
        yield tmp_path / "demo", address
    finally:
        os.killpg(server.pid, 15)  # make and Voilà, which ends its kernels
        server.wait()


def wait_for(address, server):
    """Wait until the server answers anything at all, without asking for the page, which would start a kernel."""
    local = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        assert server.poll() is None, "the server ended before it answered"
        try:
            local.open(address, timeout=5)
        except urllib.error.HTTPError:
            return
        except (urllib.error.URLError, TimeoutError):
            time.sleep(0.2)
    pytest.fail(f"Voilà did not answer within {START_SECONDS} s")


def test_coloring_a_photograph_on_the_page(watched, demo):
    folder, address = demo
    page = watched.page
    page.goto(address)
    widgets = [page.locator(f".colorlab-{name}") for name in ("colorize-bench", "distribution-probe", "hint-painter")]
    for widget in widgets:
        expect(widget).to_have_count(1)
        expect(widget.get_by_role("img").first).to_be_visible()
    expect(page).to_have_title("colorlab")
    expect(page.get_by_role("heading", level=2)).to_have_count(3)
    expect(page.locator("body")).not_to_contain_text("import")

    # A photograph of more than 10 MB, which servers drop unless told otherwise.
    photo = folder / "mine.png"
    noise = np.random.default_rng(0).integers(0, 256, (1500, 2400, 3), dtype=np.uint8)
    Image.fromarray(noise).save(photo, compress_level=0)
    assert photo.stat().st_size > 10_000_000
    bench = widgets[0]
    status = bench.get_by_role("status")
    expect(status).to_contain_text("temple, 640×427 pixels, colored by")
    with page.expect_file_chooser() as chooser:
        bench.get_by_role("button", name="Upload").click()
    chooser.value.set_files(photo)
    expect(status).to_contain_text("mine.png, 2400×1500 pixels, colored by")
    after = bench.get_by_role("img", name="mine.png in the colors that")
    assert after.evaluate("async image => { await image.decode(); return image.naturalWidth; }") == 512
    bench.get_by_role("button", name="Save").click()
    expect(status).to_contain_text("(2400×1500 pixels).")
    with Image.open(folder / "colorized" / "mine.png") as saved:
        assert saved.size == (2400, 1500)

    # On a telephone nothing is cut off.
    page.set_viewport_size({"width": 420, "height": 900})
    for widget in widgets:
        for part in [widget, *widget.locator("img, button, select, input").all()]:
            box = part.bounding_box()
            assert box is None or box["x"] + box["width"] <= 420

    assert watched.problems == []
    assert watched.offsite == []
