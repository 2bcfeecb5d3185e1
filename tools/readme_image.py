"""Draw ``docs/colorized.png``, the README's image, with the weights that ship.

.venv/bin/python tools/readme_image.py
"""

from __future__ import annotations

from pathlib import Path

from PIL import ImageOps

from colorlab import colorize, plots
from colorlab.data.samples import photograph

# Photographs of scikit-image that the default model was not trained on.
PHOTOGRAPHS = ("astronaut", "cat", "coffee", "motorcycle", "rocket")
SIZE = (280, 210)


def main() -> None:
    """Draw a column per photograph: gray, colorized in two styles of the default, original."""
    originals = [photograph(name) for name in PHOTOGRAPHS]
    rows = {"given": [image.convert("L") for image in originals]}
    for style in ("balanced", "vivid"):
        rows[style] = [colorize(image, style=style) for image in rows["given"]]
    rows["truth"] = originals
    for name, row in rows.items():
        rows[name] = [ImageOps.fit(image, SIZE) for image in row]
    figure = plots.images(rows)
    target = Path(__file__).parent.parent / "docs" / "colorized.png"
    figure.savefig(target, dpi=100, pil_kwargs={"optimize": True})
    print(f"{target.name}: {target.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
