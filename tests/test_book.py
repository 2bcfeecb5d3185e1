"""The book: every page is there, every link leads somewhere, and reading it needs no network."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote

import pytest

ROOT = Path(__file__).parent.parent
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    target = tmp_path_factory.mktemp("book")
    # Warnings of Sphinx are errors; a proxy that leads nowhere keeps the network away.
    environment = {**os.environ, "http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    command = [sys.executable, str(ROOT / "tools" / "book.py"), str(target)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    return target


@pytest.fixture(scope="module")
def book(folder):
    """Page → its HTML."""
    return {page: page.read_text(encoding="utf-8") for page in sorted(folder.rglob("*.html"))}


def lessons_and_solutions(book):
    return {page: text for page, text in book.items() if "notebooks" in page.parts}


def test_every_notebook_and_every_room_has_a_page(folder):
    notebooks = [path for path in (ROOT / "notebooks").rglob("*.ipynb") if ".ipynb_checkpoints" not in path.parts]
    assert any(path.stem.startswith("appendix") for path in notebooks)
    for path in notebooks:
        assert (folder / path.relative_to(ROOT).with_suffix(".html")).is_file()
    for path in (ROOT / "colorlab").iterdir():
        if path.is_dir() and (path / "__init__.py").exists():
            assert (folder / "reference" / f"colorlab.{path.name}.html").is_file()
    training = (folder / "reference" / "colorlab.training.html").read_text(encoding="utf-8")
    assert 'id="colorlab.training.TrainingOptions"' in training
    assert 'id="colorlab.training.train"' in training


def test_no_link_is_dead(book):
    anchors = {page: set(re.findall(r'\bid="([^"]+)"', text)) for page, text in book.items()}
    for page, text in book.items():
        for link in re.findall(r'<(?:a|img|link|script)\b[^>]*(?:href|src)="([^"]+)"', text):
            if re.match(r"[a-z]+:", link):
                continue
            path, _, anchor = unquote(link).partition("#")
            target = (page.parent / path.partition("?")[0]).resolve() if path else page
            assert target.exists(), f"{page.name} leads to {link}"
            if anchor and target in anchors and page.name != "genindex.html":
                assert anchor in anchors[target], f"{page.name} leads to {link}"
            assert target.suffix != ".ipynb"


def test_one_can_read_on_from_the_first_lesson_to_the_appendices(book, folder):
    lessons = [
        path.stem for kind in ("[0-9]*", "appendix*") for path in sorted((ROOT / "notebooks").glob(f"{kind}.ipynb"))
    ]
    page = folder / "notebooks" / f"{lessons[0]}.html"
    for name in lessons[1:]:
        following = re.search(r'<a class="next-page" href="([^"]+)">', book[page])
        page = (page.parent / following[1]).resolve()
        assert page.stem == name
        assert re.search(r'<a class="prev-page" href="([^"]+)">', book[page])


def test_pages_need_nothing_from_the_network(book, folder):
    for page, text in book.items():
        assert not re.search(r'<(?:script|img|iframe)\b[^>]*src="(?:https?:)?//', text), page.name
        assert not re.search(r'<link\b[^>]*rel="stylesheet"[^>]*href="(?:https?:)?//', text), page.name
    for style in folder.rglob("*.css"):
        assert not re.search(r"(?:url\(|@import\s)[\"']?(?:https?:)?//", style.read_text(encoding="utf-8")), (
            style.name
        )


def test_the_search_knows_lessons_and_reference(folder):
    index = (folder / "searchindex.js").read_text(encoding="utf-8")
    names = json.loads(re.search(r'"docnames":(\[[^\]]*\])', index)[1])
    assert {"notebooks/01_lab_color_space", "reference/colorlab.training"} <= set(names)


def test_figures_keep_their_alternative_text_and_widgets_their_stills(book, folder):
    for page, text in lessons_and_solutions(book).items():
        for image in re.findall(r"<img[^>]*_images[^>]*>", text):
            assert re.search(r'alt="[^"]{20,}"', image), (page.name, image)
        notebook = (ROOT / page.relative_to(folder)).with_suffix(".ipynb")
        stored = json.loads(notebook.read_text(encoding="utf-8"))
        outputs = [output.get("data", {}) for cell in stored["cells"] for output in cell.get("outputs", [])]
        images = [data for data in outputs if data.keys() & {"image/png", "image/jpeg"}]
        assert len(re.findall(r"<img[^>]*_images", text)) >= len(images)


def test_no_formula_of_the_course_is_left_as_it_was_typed(book):
    assert any("<math" in text for text in book.values())
    for page, text in lessons_and_solutions(book).items():
        prose = re.sub(r"<pre[\s\S]*?</pre>|<code[\s\S]*?</code>|<script[\s\S]*?</script>", "", text)
        assert not re.search(r"\$[^$<>]+\$|\\(?:frac|sum|sqrt|mathrm)|\[\d+ex\]", prose), page.name
        assert "<mtext>\\" not in text, f"{page.name}: a command that latex2mathml does not know"


def test_progress_bars_are_left_out(book):
    for page, text in lessons_and_solutions(book).items():
        assert not re.search(r"\d+%\|", text), page.name
