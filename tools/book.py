"""Make the book: ``make book`` writes ``output/book/index.html``.

The book holds the README, the stored notebooks, a reference page for each public module, made from its docstrings,
and the pages for contributors. It can be read without a server or a network.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
import re
import shutil
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from sphinx.cmd.build import build_main

import colorlab

ROOT = Path(__file__).resolve().parent.parent
SETTINGS = ROOT / "docs" / "book"
PROGRESS_BAR = re.compile(r"^[^\n]*\d+%\|")


def main(target: Path) -> int:
    """Write the book into ``target`` and return Sphinx's exit status."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder)
        collect(source)
        options = ["--quiet", "--fail-on-warning", "--keep-going", "--doctree-dir", str(source / ".doctrees")]
        return build_main([*options, "--conf-dir", str(SETTINGS), str(source), str(target)])


def collect(source: Path) -> None:
    """Put all pages of the book into the folder ``source``."""
    chapters: dict[str, list[str]] = {}
    for name in ("CONTRIBUTING.md", "CHANGELOG.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for pattern in ("docs/*.md", "docs/*.png", "notebooks/images/*", "colorlab/pretrained/*.md"):
        for path in sorted(ROOT.glob(pattern)):
            (source / path.relative_to(ROOT)).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, source / path.relative_to(ROOT))
    chapters["Course"] = [copy_notebook(path, source) for path in course()]
    solutions = sorted(ROOT.glob("notebooks/solutions/*.ipynb"))
    chapters["Solutions"] = [copy_notebook(path, source) for path in solutions]
    chapters["Reference"] = [write_reference(module, source) for module in public_modules()]
    cards = sorted(ROOT.glob("colorlab/pretrained/*.md"))
    chapters["Weights"] = [path.relative_to(ROOT).with_suffix("").as_posix() for path in cards]
    chapters["Project"] = ["CONTRIBUTING", "CHANGELOG", "docs/benchmark", "docs/training-record"]
    front = (ROOT / "README.md").read_text(encoding="utf-8")
    front += "".join(contents(title, pages) for title, pages in chapters.items())
    (source / "index.md").write_text(front, encoding="utf-8")


def course() -> list[Path]:
    """Return the notebooks in reading order: a start page, if there is one, the lessons, the appendices."""
    notebooks = sorted(ROOT.glob("notebooks/*.ipynb"))
    return sorted(notebooks, key=lambda path: (path.stem.startswith("appendix"), path.stem[0].isdigit(), path.stem))


def copy_notebook(path: Path, source: Path) -> str:
    """Copy a notebook without its progress bars and return the name of its page."""
    notebook = json.loads(path.read_text(encoding="utf-8"))
    for cell in notebook["cells"]:
        if "outputs" in cell:
            cell["outputs"] = [output for output in cell["outputs"] if not is_progress_bar(output)]
    page = source / path.relative_to(ROOT)
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(json.dumps(notebook), encoding="utf-8")
    return path.relative_to(ROOT).with_suffix("").as_posix()


def is_progress_bar(output: dict[str, dict[str, str | list[str]]]) -> bool:
    """Return whether an output is a progress bar."""
    return PROGRESS_BAR.match("".join(output.get("data", {}).get("text/plain", ""))) is not None


def public_modules() -> list[str]:
    """Return the names of the package's public modules, the package itself first."""
    found = [module.name for module in pkgutil.iter_modules(colorlab.__path__) if not module.name.startswith("_")]
    return ["colorlab", *(f"colorlab.{name}" for name in sorted(found))]


def write_reference(module: str, source: Path) -> str:
    """Write the reference page of a module and return the page's name."""
    page = f"reference/{module}"
    (source / "reference").mkdir(exist_ok=True)
    # The public names of a package are in its __all__, those of a module are what it defines.
    # (`set` is added to figures by matplotlib.)
    imported = "\n   :imported-members:" if hasattr(importlib.import_module(module), "__all__") else ""
    directive = f".. automodule:: {module}\n   :members:{imported}\n   :exclude-members: __version__, set"
    text = f"# {module}\n\n```{{eval-rst}}\n{directive}\n```\n"
    (source / f"{page}.md").write_text(text, encoding="utf-8")
    return page


def contents(title: str, pages: Iterable[str]) -> str:
    """Return a table of contents, shown beside every page."""
    return f"\n```{{toctree}}\n:hidden:\n:caption: {title}\n\n" + "\n".join(pages) + "\n```\n"


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else "output/book")))
