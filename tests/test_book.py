"""The course as pages: whole, readable without a network, and every link between them leads somewhere."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def tool():
    spec = importlib.util.spec_from_file_location("book", ROOT / "tools" / "book.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def book(tool, tmp_path_factory):
    """Page → its HTML."""
    target = tmp_path_factory.mktemp("book")
    tool.main(target)
    return {page: page.read_text(encoding="utf-8") for page in sorted(target.rglob("*.html"))}


def test_every_notebook_becomes_a_page_and_no_link_is_dead(book):
    target = next(page for page in book if page.name == "index.html").parent
    pages = {page.relative_to(target).with_suffix("") for page in book} - {Path("index")}
    notebooks = (ROOT / "notebooks").rglob("[0-9]*.ipynb")
    expected = {path.relative_to(ROOT / "notebooks").with_suffix("") for path in notebooks}
    assert pages == {path for path in expected if ".ipynb_checkpoints" not in path.parts}
    for page, text in book.items():
        for link in re.findall(r'<a [^>]*href="([^"#:]+)[^":]*"', text):
            assert (page.parent / link).exists(), f"{page.name} leads to {link}"
        assert ".ipynb" not in "".join(re.findall(r'href="([^"]*)"', text))


def test_one_can_read_on_from_the_first_lesson_to_the_last(book):
    page = next(page for page in book if page.name.startswith("01_") and page.parent.name != "solutions")
    read = [page.name]
    while following := re.search(r'<a href="([^"]+)">[^<]* →</a>', book[page]):
        page = page.parent / following[1]
        read.append(page.name)
    assert read == sorted(path.with_suffix(".html").name for path in (ROOT / "notebooks").glob("[0-9]*.ipynb"))


def test_pages_need_no_script_and_nothing_from_the_network(book):
    for page, text in book.items():
        assert "<script" not in text, page.name
        assert not re.search(r'(?:src|<link[^>]* href)="(?!data:)', text), page.name
        assert "url(" not in text, page.name


def test_figures_keep_their_alternative_text(book):
    for page, text in book.items():
        for image in re.findall(r"<img[^>]*>", text):
            assert re.search(r'alt="[^"]{20,}"', image), page.name
        assert "No description" not in text, page.name


def test_formulas_are_mathml_and_dollars_in_code_are_dollars(tool):
    exporter = tool.Exporter()
    html = exporter.markdown2html(
        {}, "Half is $x < \\frac{1}{2}$.\n\n$$\\sum_i x_i$$\n\n```sh\necho $HOME $PATH\n```\n"
    )
    assert html.count("<math") == 2
    assert "<mfrac><mrow><mn>1</mn></mrow><mrow><mn>2</mn></mrow></mfrac>" in html
    assert html.count('display="block"') == 1
    assert "&lt;" in html or "&#x0003C;" in html
    assert "HOME" in html


def test_no_formula_of_the_course_is_left_as_it_was_typed(book):
    for page, text in book.items():
        prose = re.sub(r"<pre[\s\S]*?</pre>|<code[\s\S]*?</code>", "", text)
        assert not re.search(r"\$[^$]+\$|\\(?:frac|sum|sqrt|mathrm)", prose), page.name
        assert "<mtext>\\" not in text, f"{page.name}: a command that the converter does not know"
