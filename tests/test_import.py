"""`import colorlab` is quick, and the rooms of the package depend on each other in one direction only."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import colorlab

PACKAGE = Path(colorlab.__file__).parent

# Lowest first: a module imports from its own room and from those before it.
ROOMS = (
    "extras", "registry", "color", "devices", "profiles", "tiff", "image", "results", "plots", "data", "models", "pretrained",
    "training", "evaluation", "hints", "strokes", "inference", "widgets", "exercises", "cli",
)  # fmt: skip


def imported_by(code: str, folder: Path) -> set[str]:
    """The top-level modules that ``code`` brings into a new interpreter, without the standard library."""
    script = (
        f"import json, sys; before = set(sys.modules); exec({code!r}); "
        "new = {name.partition('.')[0] for name in set(sys.modules) - before}; "
        "print(json.dumps(sorted(new - sys.stdlib_module_names)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=folder)
    return set(json.loads(done.stdout))


def test_import_brings_nothing_but_itself(tmp_path):
    # Neither torch nor matplotlib nor ipywidgets: nothing that takes time.
    assert imported_by("import colorlab; colorlab.__version__", tmp_path) == {"colorlab"}


def test_what_the_package_offers_is_there():
    rooms = {
        room for room in ROOMS if room not in {"extras", "registry", "devices", "profiles", "tiff", "results", "cli"}
    }
    assert set(dir(colorlab)) == rooms | set(colorlab.__all__) - {"__version__"}
    for name in dir(colorlab):
        assert getattr(colorlab, name)
    for name in colorlab.__all__:
        assert getattr(colorlab, name)
    with pytest.raises(AttributeError, match="no attribute 'colorise'"):
        _ = colorlab.colorise


# ---- the base install, without the extra `notebooks`

NOTEBOOK_PACKAGES = (
    "matplotlib",
    "ipywidgets",
    "anywidget",
    "traitlets",
    "IPython",
    "jupyterlab",
    "sklearn",
    "voila",
)
HIDE = f"""
import sys
from importlib.machinery import PathFinder
find_spec = PathFinder.find_spec
PathFinder.find_spec = lambda name, *rest: None if name.partition(".")[0] in {NOTEBOOK_PACKAGES} else find_spec(name, *rest)
"""


def without_notebooks(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run ``code`` in a new interpreter that finds none of the packages in the extra ``notebooks``."""
    return subprocess.run([sys.executable, "-c", HIDE + code], capture_output=True, text=True, cwd=folder)


@pytest.mark.slow
def test_the_base_install_colorizes_trains_and_evaluates(tmp_path):
    code = """
import colorlab, numpy
from colorlab import cli, exercises
assert colorlab.colorize(numpy.full((40, 40), 128, numpy.uint8)).size == (40, 40)
assert cli.main(["colorizer", "--max-epochs", "1", "--experiment-name", "e"]) == 0
assert cli.main(["eval-all", "--models", "output/e/best.safetensors"]) == 0
"""
    done = without_notebooks(code, tmp_path)
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.rglob("leaderboard.csv"))
    assert not list(tmp_path.rglob("leaderboard.png"))
    assert (
        "leaderboard.png could not be drawn: matplotlib is not installed: pip install 'colorlab[notebooks]'"
        in done.stderr
    )


@pytest.mark.slow
@pytest.mark.parametrize("room", ["plots", "widgets"])
def test_rooms_of_the_notebooks_name_the_extra_that_they_need(tmp_path, room):
    for code in (f"import colorlab.{room}", f"import colorlab; colorlab.{room}"):
        done = without_notebooks(code, tmp_path)
        assert re.fullmatch(
            r"ImportError: \w+ is not installed: pip install 'colorlab\[notebooks\]'", done.stderr.splitlines()[-1]
        ), done.stderr


# ---- rooms


def rooms_used(source: str, module: str) -> set[str]:
    """The rooms that ``source``, the text of ``module`` (a dotted name), imports from, wherever in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = module.split(".")[: -node.level] if node.level else []
            origin = ".".join([*above, *filter(None, [node.module])])
            names.update(f"{origin}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "colorlab":
            names.add(f"colorlab.{node.attr}")
    parts = [name.split(".") for name in names]
    # From the package itself one may take its version; `colorlab.colorize` is the room inference.
    used = {part[1] for part in parts if part[0] == "colorlab" and len(part) > 1} - {"__version__"}
    return {colorlab._HOMES.get(name, name) for name in used}


MODULES = {
    ".".join(["colorlab", *path.relative_to(PACKAGE).with_suffix("").parts]): path
    for path in sorted(PACKAGE.rglob("*.py"))
}


@pytest.mark.parametrize("module", sorted(MODULES.keys() - {"colorlab.__init__", "colorlab.__main__"}))
def test_a_module_imports_only_from_rooms_before_its_own(module):
    room = module.split(".")[1]
    assert room in ROOMS, f"colorlab/{room} is no room of the design"
    allowed = set(ROOMS[: ROOMS.index(room) + 1])
    used = rooms_used(MODULES[module].read_text(encoding="utf-8"), module)
    assert used <= allowed, f"{module} imports from {sorted(used - allowed)}"


@pytest.mark.parametrize(
    ("source", "rooms"),
    [
        ("import colorlab.color", {"color"}),
        ("import colorlab.data.names as n", {"data"}),
        ("from colorlab import color, cli", {"color", "cli"}),
        ("from colorlab.data.names import x", {"data"}),
        ("from colorlab import colorize", {"inference"}),
        ("def f():\n    from colorlab.plots import show", {"plots"}),
        ("if TYPE_CHECKING:\n    from colorlab.widgets import demo", {"widgets"}),
        ("import colorlab\nprint(colorlab.plots.show)", {"plots"}),
        ("from .unet import UNet", {"models"}),
        ("from ..training import train", {"training"}),
        ("from .. import cli", {"cli"}),
        ("import colorlab\nprint(colorlab.__version__)\nimport torch.nn\nfrom torch import nn", set()),
    ],
)
def test_no_way_to_import_is_overlooked(source, rooms):
    assert rooms_used(source, "colorlab.models.weights") == rooms
