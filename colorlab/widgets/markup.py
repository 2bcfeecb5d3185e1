"""What widgets show, as HTML that needs no file, no server and no network; every text in it is escaped."""

from __future__ import annotations

import base64
import html
import io

from PIL import Image

_ENLARGE_BELOW = 256  # pictures as small as CIFAR's are shown with visible pixels, not as stamps


def picture_html(image: Image.Image, *, alt: str, caption: str) -> str:
    """A picture as a ``<figure>`` that needs no file, no server and no network.

    Args:
        image: RGB, or RGBA, which is then shown as transparent.
        alt: what one would tell somebody on the telephone.
        caption: the line above it.
    """
    kind = "png" if image.mode == "RGBA" else "jpeg"
    encoded = io.BytesIO()
    # Full chroma resolution: colour is what is looked at here.
    image.save(encoded, format=kind, **({} if kind == "png" else {"quality": 92, "subsampling": 0}))
    data = base64.b64encode(encoded.getvalue()).decode("ascii")
    factor = max(1, _ENLARGE_BELOW // max(image.size))
    crisp = "image-rendering:pixelated;" if factor > 1 else ""
    return (
        '<figure style="margin:0"><figcaption style="line-height:1.6">'
        f"{html.escape(caption)}</figcaption>"
        f'<img alt="{html.escape(alt)}" src="data:image/{kind};base64,{data}" width="{image.width * factor}" '
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
