"""Display a widget with a still image for notebooks that are read without being run."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from typing import Any

from PIL import Image, ImageDraw, ImageFont

_GAP, _TITLE = 6, 17  # pixels between images, and for the title above each


def contact_sheet(images: Sequence[tuple[str, Image.Image]], *, width: int, columns: int = 4) -> Image.Image:
    """Return images in a grid, each below its title.

    Args:
        images: title and image; all are resized to the shape of the first.
        width: width of each image in pixels.
        columns: largest number of images in a row.
    """
    height = round(width * images[0][1].height / images[0][1].width)
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    size = columns * (width + _GAP) - _GAP, rows * (height + _TITLE + _GAP) - _GAP
    sheet = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(13)
    longest = max(font.getlength(title) for title, _ in images)
    font = ImageFont.load_default(13 * min(1, width / longest))
    for i, (title, image) in enumerate(images):
        left, top = i % columns * (width + _GAP), i // columns * (height + _TITLE + _GAP)
        draw.text((left + width / 2, top), title, fill="black", font=font, anchor="ma")
        sheet.paste(image.convert("RGB").resize((width, height), Image.Resampling.LANCZOS), (left, top + _TITLE))
    return sheet


def display_with_still(widget: Any, still: Image.Image, *, alt: str, caption: str) -> None:  # noqa: ANN401  no types
    """Display a widget, and store its image in the notebook, which does not keep widgets.

    Args:
        widget: an ipywidgets widget.
        still: image of the widget; stored as JPEG to keep notebooks small.
        alt: text alternative, stored with the image.
        caption: text under the widget.
    """
    from IPython.display import display

    encoded = io.BytesIO()
    still.save(encoded, format="jpeg", quality=65, optimize=True, progressive=True)
    data = {**widget._repr_mimebundle_(), "image/jpeg": base64.b64encode(encoded.getvalue()).decode("ascii")}
    display(data, metadata={"image/jpeg": {"alt": alt}}, raw=True)
    print(caption)
