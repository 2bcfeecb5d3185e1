"""What widgets show, as HTML that needs no file, no server and no network; every text in it is escaped."""

from __future__ import annotations

import base64
import html
import io

from PIL import Image

_ENLARGE_BELOW = 256  # images as small as CIFAR's are shown with visible pixels, not as stamps


def png(image: Image.Image) -> bytes:
    """An image as a PNG file."""
    encoded = io.BytesIO()
    image.save(encoded, format="png")
    return encoded.getvalue()


def data_url(image: Image.Image) -> str:
    """An image as an address that holds it: RGB as JPEG, RGBA as PNG."""
    if image.mode == "RGBA":
        kind, content = "png", png(image)
    else:
        encoded = io.BytesIO()
        # Full chroma resolution: color is what is looked at here.
        image.save(encoded, format="jpeg", quality=92, subsampling=0)
        kind, content = "jpeg", encoded.getvalue()
    return f"data:image/{kind};base64,{base64.b64encode(content).decode('ascii')}"


def shown_width(image: Image.Image) -> int:
    """Width of an image on the page, in CSS pixels where there is room for them."""
    return image.width * max(1, _ENLARGE_BELOW // max(image.size))


def image_html(image: Image.Image, *, alt: str, caption: str, width: int | None = None) -> str:
    """An image as a ``<figure>`` that needs no file, no server and no network.

    Args:
        image: RGB, or RGBA, which is then shown as transparent.
        alt: what one would tell somebody on the telephone.
        caption: the line above it.
        width: in CSS pixels, where there is room for them; None is :func:`shown_width`.
    """
    width = width or shown_width(image)
    crisp = "image-rendering:pixelated;" if width > image.width else ""
    return (
        '<figure style="margin:0"><figcaption style="line-height:1.6">'
        f"{html.escape(caption)}</figcaption>"
        f'<img alt="{html.escape(alt)}" src="{data_url(image)}" width="{width}" '
        f'style="display:block;max-width:100%;height:auto;{crisp}"></figure>'
    )


def sentence(error: Exception) -> str:
    """What an error says, on one line and with a full stop; of the system's errors without their number."""
    text = str(error) or type(error).__name__
    if isinstance(error, OSError) and error.strerror:
        text = f"{error.filename or 'the file'} cannot be used: {error.strerror}"
    return " ".join(text.split()).rstrip(".") + "."


def status_html(text: str) -> str:
    """A line that screen readers announce when it changes."""
    return f'<p role="status" aria-live="polite" style="margin:0;line-height:1.5">{html.escape(text)}</p>'
