"""The course as a static site, to be read without running anything: ``make book`` writes ``output/book/index.html``.

Every notebook becomes a page as it is stored, with its figures; links between notebooks lead to the pages. Formulas
are drawn by MathJax, which a browser fetches from the network.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import nbformat
from nbconvert import HTMLExporter

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = ROOT / "notebooks"
LINK = re.compile(r'(href="(?:\.\./|\./)?(?:notebooks/|solutions/)?\d\d_\w+)\.ipynb')
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>colorlab</title>
<style>body {{ max-width: 44em; margin: 3em auto; padding: 0 1em; font: 1.05em/1.5 sans-serif }}</style></head>
<body><h1>colorlab</h1><p>Automatic image colorization: a course in notebooks.</p><ol>
{entries}
</ol></body></html>
"""


def main(target: Path) -> None:
    """Write the site into ``target``."""
    exporter = HTMLExporter()
    entries = []
    for path in sorted(NOTEBOOKS.rglob("[0-9]*.ipynb")):
        if ".ipynb_checkpoints" in path.parts:
            continue
        notebook = nbformat.read(path, as_version=4)
        page = target / path.relative_to(NOTEBOOKS).with_suffix(".html")
        page.parent.mkdir(parents=True, exist_ok=True)
        html, _ = exporter.from_notebook_node(notebook, {"metadata": {"name": path.stem}})
        page.write_text(LINK.sub(r"\1.html", html), encoding="utf-8")
        if path.parent == NOTEBOOKS:
            title = notebook.cells[0].source.splitlines()[0].lstrip("# ").partition("·")[2].strip()
            solutions = f"solutions/{path.stem[:2]}_solutions.html"
            entries.append(f'<li><a href="{page.name}">{title}</a> (<a href="{solutions}">solutions</a>)</li>')
    (target / "index.html").write_text(PAGE.format(entries="\n".join(entries)), encoding="utf-8")
    print(f"{len(entries)} notebooks in {target / 'index.html'}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "output/book"))
