"""Settings of the book; ``tools/book.py`` gathers its pages and calls Sphinx with them."""

from __future__ import annotations

import base64
import functools
import hashlib
import json
import os
import re
from pathlib import Path

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.writers.html5 import HTML5Translator

os.environ["TQDM_DISABLE"] = "1"

project = "colorlab"
author = "the authors of colorlab"
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
# (The verbs and Hint stand at the top level and in their rooms: either page will do.)
suppress_warnings = ["config.cache", "myst.header", "ref.python"]

html_theme = "furo"
html_title = "colorlab"
html_static_path = ["_static"]
html_css_files = ["book.css"]
html_copy_source = False
html_show_sphinx = False
html_math_renderer = "mathml"

# Pages show what the notebooks store, and load nothing from the network.
nb_execution_mode = "off"
nb_ipywidgets_js: dict[str, dict[str, str]] = {}
myst_enable_extensions = ["dollarmath", "amsmath", "html_image"]
myst_heading_anchors = 4

autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_preserve_defaults = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 88
add_module_names = False


def mathml(formula: str, display: str) -> str:
    """Convert a formula, without the additional space between lines that latex2mathml would print as ``[1ex]``."""
    return convert(re.sub(r"\\\\\[[^\]]*\]", r"\\\\", formula), display=display)


def inline_math(writer: HTML5Translator, node: nodes.math) -> None:
    """Write ``$…$`` as MathML, which browsers draw by themselves."""
    writer.body.append(mathml(node.astext(), "inline"))
    raise nodes.SkipNode


def display_math(writer: HTML5Translator, node: nodes.math_block) -> None:
    """Write ``$$…$$`` as MathML in a line of its own, which scrolls where it is too long."""
    writer.body.append(f'<div class="math">{mathml(node.astext(), "block")}</div>\n')
    raise nodes.SkipNode


@functools.cache
def alternative_texts(folder: str) -> dict[str, str]:
    """Return the alternative texts of all figures in notebooks, by the SHA-256 of the image."""
    found = {}
    for path in Path(folder).rglob("*.ipynb"):
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            for output in cell.get("outputs", []):
                for kind, about in output.get("metadata", {}).items():
                    if "alt" in about:
                        image = base64.b64decode(output["data"][kind])
                        found[hashlib.sha256(image).hexdigest()] = about["alt"]
    return found


def set_alternative_texts(app: Sphinx, doctree: nodes.document) -> None:
    """Give figures the alternative texts that notebooks store; MyST-NB names an image file by its SHA-256."""
    texts = alternative_texts(str(app.srcdir))
    for image in doctree.findall(nodes.image):
        if text := texts.get(Path(image["uri"]).stem):
            image["alt"] = text


def setup(app: Sphinx) -> None:
    """Register what this file adds to Sphinx."""
    app.add_html_math_renderer("mathml", (inline_math, None), (display_math, None))
    app.connect("doctree-read", set_alternative_texts)
