"""The course as pages: whole, and every link between them leads somewhere."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_every_notebook_becomes_a_page_and_no_link_is_dead(tmp_path):
    spec = importlib.util.spec_from_file_location("book", ROOT / "tools" / "book.py")
    book = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(book)
    book.main(tmp_path)
    pages = {path.relative_to(tmp_path).with_suffix("") for path in tmp_path.rglob("*.html")} - {Path("index")}
    notebooks = (ROOT / "notebooks").rglob("[0-9]*.ipynb")
    expected = {path.relative_to(ROOT / "notebooks").with_suffix("") for path in notebooks}
    assert pages == {path for path in expected if ".ipynb_checkpoints" not in path.parts}
    for page in tmp_path.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        for link in re.findall(r'<a [^>]*href="([^"#:]+)[^":]*"', text):
            assert (page.parent / link).exists(), f"{page.name} leads to {link}"
        assert ".ipynb" not in "".join(re.findall(r'href="([^"]*)"', text))
