"""The course as a static site, to be read without running anything: ``make book`` writes ``output/book/index.html``.

Every notebook becomes a page as it is stored, with its figures; links between notebooks lead to the pages. Formulas
are MathML, which browsers draw by themselves: no page needs a script or the network.
"""

from __future__ import annotations

import html
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nbformat
from latex2mathml.converter import convert
from nbconvert import HTMLExporter
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from pygments.formatters import HtmlFormatter

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = ROOT / "notebooks"
LINK = re.compile(r'(href="(?:\.\./|\./)?(?:notebooks/|solutions/)?\d\d_\w+)\.ipynb')
BAR = re.compile(r"^[^\n]*\d+%\|")
STYLE = """
body { max-width: 64rem; margin: 0 auto; padding: 1rem; overflow-wrap: anywhere }
body { font: 1rem/1.55 system-ui, sans-serif; color: #1a1a1a }
h1, h2 { line-height: 1.25 } h2 { margin-top: 2.5rem } a { color: #0060a0 } .anchor-link, .prompt { display: none }
nav { display: flex; flex-wrap: wrap; gap: .25rem 1.5rem; padding: .5rem 0; border-bottom: 1px solid #ccc }
nav.end { margin-top: 3rem; border: 0; border-top: 1px solid #ccc }
pre, code { font: .85rem/1.45 ui-monospace, "DejaVu Sans Mono", monospace }
:not(pre) > code { background: #f3f3f3; padding: .1em .25em; border-radius: 3px; overflow-wrap: anywhere }
pre { margin: 0; overflow-x: auto }
.input_area pre, .rendered_html pre { background: #f5f5f5; padding: .6rem .8rem; border-left: 3px solid #0072b2 }
.input_area, .output_area { margin: .6rem 0 } .output_text pre { padding: 0 .8rem } .output_png { margin-top: 1rem }
.output_subarea { overflow-x: auto } .text_cell_render > * { max-width: 48rem }
.output_area:has(img) + .output_area pre { font: italic .95rem/1.4 system-ui, sans-serif; white-space: pre-wrap }
.math { overflow-x: auto; overflow-y: hidden; margin: 1rem 0; padding: .2rem 0 }
math { font-family: "STIX Two Math", "Cambria Math", "Latin Modern Math", "DejaVu Math TeX Gyre", math }
img { max-width: 100%; height: auto } ol.course > li { margin: .6rem 0 }
table { display: block; overflow-x: auto; border-collapse: collapse; font-size: .9rem }
td, th { overflow-wrap: normal; min-width: 3.5rem; text-align: left }
td, th { padding: .2rem .6rem; border-bottom: 1px solid #ddd }
"""
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title><style>{style}</style></head>
<body>
{body}
</body></html>
"""


class Renderer(IPythonRenderer):
    """nbconvert's, but for formulas."""

    def inline_math(self, body: str) -> str:
        """``$…$``, within a line."""
        return convert(html.unescape(body))

    def block_math(self, body: str) -> str:
        """``$$…$$``, in a line of its own, which scrolls where it is too long."""
        return f'<span class="math" style="display: block">{convert(html.unescape(body), display="block")}</span>'

    def multiline_math(self, text: str) -> str:
        """``$$…$$`` alone in its paragraph."""
        return self.block_math(text.strip().removeprefix("$$").removesuffix("$$"))


class Exporter(HTMLExporter):
    """Cells as HTML without a page about them."""

    template_name = "basic"

    def markdown2html(self, context: Any, source: str) -> str:  # noqa: ANN401  nbconvert's signature, untyped
        """Prose with its formulas."""
        return MarkdownWithMath(renderer=Renderer(escape=False)).render(source)

    markdown2html.jinja_pass_arg = HTMLExporter.markdown2html.jinja_pass_arg  # type: ignore[attr-defined]


def main(target: Path) -> None:
    """Write the site into ``target``."""
    lessons = sorted(NOTEBOOKS.glob("[0-9]*.ipynb"))
    titles = {path.stem: title_of(path) for path in lessons}
    exporter = Exporter()
    style = STYLE + HtmlFormatter(style="default").get_style_defs(".highlight")
    (target / "solutions").mkdir(parents=True, exist_ok=True)
    for path in [*lessons, *sorted((NOTEBOOKS / "solutions").glob("[0-9]*.ipynb"))]:
        number = [lesson.stem[:2] for lesson in lessons].index(path.stem[:2])
        links = way_in_lessons(lessons, number) if path in lessons else way_in_solutions(lessons[number])
        cells = LINK.sub(r"\1.html", exporter.from_notebook_node(read(path))[0])
        body = f'<nav>{links}</nav>\n<main>{cells}</main>\n<nav class="end">{links}</nav>'
        title = titles[lessons[number].stem] + ("" if path in lessons else ": solutions")
        page = (target / path.relative_to(NOTEBOOKS)).with_suffix(".html")
        page.write_text(PAGE.format(title=html.escape(title), style=style, body=body), encoding="utf-8")
    entries = [
        f'<li><a href="{stem}.html">{html.escape(title)}</a> '
        f'(<a href="solutions/{stem[:2]}_solutions.html">solutions</a>)</li>'
        for stem, title in titles.items()
    ]
    body = "<h1>colorlab</h1>\n<p>Automatic image colorization: a course in notebooks.</p>\n"
    body += f'<ol class="course">{"".join(entries)}</ol>'
    (target / "index.html").write_text(PAGE.format(title="colorlab", style=style, body=body), encoding="utf-8")
    print(f"{len(lessons)} notebooks in {target / 'index.html'}")


def read(path: Path) -> nbformat.NotebookNode:
    """A notebook without its progress bars, which stand still on a page."""
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [one for one in cell.outputs if not BAR.search(one.get("data", {}).get("text/plain", ""))]
    return notebook


def title_of(path: Path) -> str:
    """``7 · Mean squared error`` without its number."""
    heading: str = nbformat.read(path, as_version=4).cells[0].source.splitlines()[0]
    return heading.lstrip("# ").partition("·")[2].strip()


def way_in_lessons(lessons: Sequence[Path], number: int) -> str:
    """Links from a lesson to its neighbors, the contents and its solutions."""
    links = [("index.html", "Contents"), (f"solutions/{lessons[number].stem[:2]}_solutions.html", "Solutions")]
    if number > 0:
        links.insert(0, (f"{lessons[number - 1].stem}.html", f"← {title_of(lessons[number - 1])}"))
    if number + 1 < len(lessons):
        links.append((f"{lessons[number + 1].stem}.html", f"{title_of(lessons[number + 1])} →"))
    return " ".join(f'<a href="{page}">{html.escape(name)}</a>' for page, name in links)


def way_in_solutions(lesson: Path) -> str:
    """Links from solutions to their lesson and the contents."""
    return (
        f'<a href="../{lesson.stem}.html">← {html.escape(title_of(lesson))}</a> <a href="../index.html">Contents</a>'
    )


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "output/book"))
