"""The look that all widgets share, and the notebook behind `make demo`, without a browser."""

import ast
import re
from pathlib import Path

import nbformat
import pytest

from colorlab.models import ConstantColor
from colorlab.widgets import ColorizeBench, HintPainter, LabExplorer, ModelComparison

ROOT = Path(__file__).parents[1]
STYLE = (ROOT / "colorlab/widgets/widgets.css").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "make",
    [
        LabExplorer,
        lambda: ColorizeBench("cat", "gray", models={"gray": ConstantColor()}),
        lambda: HintPainter("cat", ConstantColor()),
        lambda: ModelComparison("cat", {"gray": ConstantColor()}),
    ],
)
def test_every_widget_has_the_one_style(make):
    widget = make()
    style = widget.children[0]
    assert style.value == f"<style>{STYLE}</style>"
    assert style.layout.display == "none"
    assert "colorlab-widget" in widget._dom_classes


def test_the_style_follows_the_theme_of_the_page():
    themed = [line for line in STYLE.splitlines() if re.search(r"^ *(color|border-color): |[{;] color: ", line)]
    assert themed
    for line in themed:
        assert re.search(r"color: (var\(--jp-|inherit|transparent)", line), line
    assert STYLE.count("{") == STYLE.count("}")


def test_secondary_controls_are_folded_away():
    bench = ColorizeBench("cat", "gray", models={"gray": ConstantColor()})
    assert bench.folded.layout.display == "none"
    bench.more.value = True
    assert bench.folded.layout.display == ""


def test_the_page_of_make_demo_is_served_as_it_is_stored():
    recipe = re.search(r"^demo: setup\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)[1]
    page = ROOT / re.search(r"-m voila (\S+)", recipe)[1]
    template = re.search(r"--template=(\w+)", recipe)[1]
    folder = ROOT / re.search(r"JUPYTER_PATH=(\S+)", recipe)[1]
    assert (folder / "voila" / "templates" / template / "index.html.j2").exists()

    notebook = nbformat.read(page, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(cell.outputs == [] and cell.execution_count is None for cell in code)
    tree = ast.parse("\n".join(cell.source for cell in code))
    shown = {
        node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert shown == {"ColorizeBench", "DistributionProbe", "HintPainter"}
