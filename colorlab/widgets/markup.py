"""Build HTML for widgets that needs no file, server or network; all text is escaped."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Sequence

from PIL import Image

_ENLARGE_BELOW = 256  # smaller images, such as CIFAR's, are enlarged with visible pixels


def png(image: Image.Image) -> bytes:
    """Return an image as the bytes of a PNG file."""
    encoded = io.BytesIO()
    image.save(encoded, format="png")
    return encoded.getvalue()


def data_url(image: Image.Image) -> str:
    """Return an image as a data URL: RGB as JPEG, RGBA as PNG."""
    if image.mode == "RGBA":
        kind, content = "png", png(image)
    else:
        encoded = io.BytesIO()
        # Full chroma resolution, since colors matter here.
        image.save(encoded, format="jpeg", quality=92, subsampling=0)
        kind, content = "jpeg", encoded.getvalue()
    return f"data:image/{kind};base64,{base64.b64encode(content).decode('ascii')}"


def shown_width(image: Image.Image) -> int:
    """Return the largest width of an image on the page, in CSS pixels."""
    return image.width * max(1, _ENLARGE_BELOW // max(image.size))


def image_html(image: Image.Image, *, alt: str, caption: str, note: str = "", width: int | None = None) -> str:
    """Return an image as a ``<figure>``.

    Args:
        image: RGB or RGBA; transparency is kept.
        alt: text alternative of the image.
        caption: text above the image.
        note: text at the end of the caption, such as a score.
        width: largest width in CSS pixels; None is :func:`shown_width`.
    """
    width = width or shown_width(image)
    noted = f" <b>{html.escape(note)}</b>" if note else ""
    figcaption = f"<figcaption>{html.escape(caption)}{noted}</figcaption>" if caption else ""
    crisp = "image-rendering:pixelated;" if width > image.width else ""
    return (
        f"<figure>{figcaption}"
        f'<img alt="{html.escape(alt)}" src="{data_url(image)}" width="{width}" '
        f'style="max-width:100%;height:auto;{crisp}"></figure>'
    )


def table_html(heads: Sequence[str], rows: Sequence[str]) -> str:
    """Return a table from its column heads, text, and its rows, each the HTML of the cells."""
    head = "".join(f'<th scope="col">{html.escape(text)}</th>' for text in heads)
    body = "".join(f"<tr>{row}</tr>" for row in rows)
    return f'<div class="colorlab-scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def sentence(error: Exception) -> str:
    """Return an error's message on one line with a period; errors of the system without their number."""
    text = str(error) or type(error).__name__
    if isinstance(error, OSError) and error.strerror:
        text = f"{error.filename or 'the file'} cannot be used: {error.strerror}"
    return " ".join(text.split()).rstrip(".") + "."


def status_html(text: str) -> str:
    """Return a line of text that screen readers announce when it changes."""
    return f'<p role="status" aria-live="polite">{html.escape(text)}</p>'
