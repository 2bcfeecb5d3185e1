"""JupyterLab on a copy of the notebooks, and a Chromium that looks at it as a reader does.

Without a Chromium these tests are skipped, or, where ``COLORLAB_REQUIRE_BROWSER=1`` is set, fail. ``COLORLAB_CHROMIUM``
names a browser that is not on the path, ``COLORLAB_NOTEBOOKS`` another folder of notebooks.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Route, expect, sync_playwright

REPOSITORY = Path(__file__).parents[2]

START_SECONDS = 240
"""How long JupyterLab may take to answer; a busy machine needs 10, an overloaded one more."""

STEP_SECONDS = 180
"""How long the page may take for one step. Far more than the slowest needs: waiting ends when the page is ready."""

CHROMIUM_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--force-color-profile=srgb",
)

# Off-screen cells would not be in the page, and their widgets not to be found; nobody asks the network for news.
SETTINGS = {
    "notebook-extension/tracker": {"windowingMode": "none"},
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
}


@dataclass(frozen=True)
class Lab:
    """A running JupyterLab.

    Attributes:
        url: where it answers, with a final slash.
        token: what it asks for.
        folder: the copy of the notebooks that it serves.
    """

    url: str
    token: str
    folder: Path

    def address(self, notebook: str) -> str:
        """A notebook's page, in a fresh workspace."""
        return f"{self.url}lab/tree/{notebook}?reset&token={self.token}"


@dataclass
class Watched:
    """A page and what went wrong on it."""

    page: Page
    problems: list[str] = field(default_factory=list)
    offsite: list[str] = field(default_factory=list)

    def open_and_run(self, lab: Lab, notebook: str) -> None:
        """Open a notebook in JupyterLab and run all of its cells."""
        self.page.goto(lab.address(notebook))
        self.page.wait_for_function("() => window.jupyterapp?.shell.currentWidget?.context?.isReady")
        # The promise of the command resolves when the last cell is done.
        self.page.evaluate(
            """async () => {
                const context = window.jupyterapp.shell.currentWidget.context;
                await context.ready;
                await context.sessionContext.ready;
                await window.jupyterapp.commands.execute('notebook:run-all-cells');
            }"""
        )


def chromium() -> str | None:
    """A Chromium on this machine, if there is one."""
    names = [os.environ.get("COLORLAB_CHROMIUM", ""), "chromium", "chromium-browser", "google-chrome"]
    return next((found for name in names if name and (found := shutil.which(name))), None)


# For a module and not for the session: as long as Playwright lives, its event loop runs in this thread, and tests that
# start one of their own, as those of the notebooks do, would fail.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Headless Chromium."""
    executable = chromium()
    if executable is None:
        reason = "no Chromium on this machine; install chromium or set COLORLAB_CHROMIUM to one"
        if os.environ.get("COLORLAB_REQUIRE_BROWSER") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, headless=True, args=[*CHROMIUM_FLAGS])
        yield browser
        browser.close()


# It asks for the browser, so that nothing is started on a machine without one.
@pytest.fixture(scope="module")
def lab(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """JupyterLab on a free port, with settings, workspaces and runtime files of its own."""
    home = tmp_path_factory.mktemp("lab")
    folder = home / "notebooks"
    shutil.copytree(
        os.environ.get("COLORLAB_NOTEBOOKS", REPOSITORY / "notebooks"),
        folder,
        ignore=shutil.ignore_patterns(".ipynb_checkpoints", "__pycache__", "colorized", "data", "output"),
    )
    for name, values in SETTINGS.items():
        file = home / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        file.parent.mkdir(parents=True)
        file.write_text(json.dumps(values), encoding="utf-8")
    # With MPLBACKEND a notebook would show no figures.
    environment = {name: value for name, value in os.environ.items() if name != "MPLBACKEND"} | {
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"),
        "IPYTHONDIR": str(home / "ipython"),
    }
    token = secrets.token_hex(16)
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ServerApp.ip=127.0.0.1"]
    command += ["--ServerApp.port=0", f"--ServerApp.root_dir={folder}", f"--IdentityProvider.token={token}"]
    command += ["--LabApp.expose_app_in_browser=True", "--LabApp.extension_manager=readonly"]
    log = home / "server.log"
    with log.open("w", encoding="utf-8") as output:
        server = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env=environment, cwd=folder)
    try:
        yield Lab(_wait_for(server, home / "runtime", token, log), token, folder)
    finally:
        server.terminate()  # it then ends its kernels
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()  # a kernel whose parent is gone ends by itself
            server.wait()


def _wait_for(server: subprocess.Popen[bytes], runtime: Path, token: str, log: Path) -> str:
    """The address of the server as soon as it answers."""
    # Without proxies: urllib keeps those that it met in the environment first, if only during another test.
    local = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        if server.poll() is not None:
            pytest.fail(f"JupyterLab ended before it answered:\n{log.read_text(encoding='utf-8')}")
        for file in runtime.glob("jpserver-*.json"):
            try:
                url = str(json.loads(file.read_text(encoding="utf-8"))["url"])
                with local.open(f"{url}api/status?token={token}", timeout=5):
                    return url
            except (ValueError, urllib.error.URLError, TimeoutError):
                pass  # half-written, or not listening yet
        time.sleep(0.1)
    pytest.fail(f"JupyterLab did not answer within {START_SECONDS} s:\n{log.read_text(encoding='utf-8')}")


@pytest.fixture
def watched(browser: Browser, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Watched]:
    """A page that notes its errors, and every request that would have left this machine."""
    context = browser.new_context(
        viewport={"width": 1300, "height": 1000},
        device_scale_factor=1,
        color_scheme="light",
        reduced_motion="reduce",
        locale="en-US",
        timezone_id="UTC",
    )
    context.set_default_timeout(STEP_SECONDS * 1000)
    expect.set_options(timeout=STEP_SECONDS * 1000)
    watched = Watched(context.new_page())

    def note_message(message: ConsoleMessage) -> None:
        if message.type == "error":
            watched.problems.append(message.text)

    def keep_here(route: Route) -> None:
        if route.request.url.startswith(("http://127.0.0.1", "http://localhost", "data:", "blob:")):
            route.continue_()
        else:
            watched.offsite.append(route.request.url)
            route.abort()

    watched.page.on("pageerror", lambda error: watched.problems.append(str(error)))
    watched.page.on("console", note_message)
    context.route("**/*", keep_here)
    failures = request.session.testsfailed
    yield watched
    if request.session.testsfailed > failures:
        watched.page.screenshot(path=tmp_path / "page.png")
        print(f"the page when the test failed: {tmp_path / 'page.png'}; its errors: {watched.problems}")
    context.close()
