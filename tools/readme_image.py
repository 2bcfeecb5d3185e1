"""Draw ``docs/colorized.png``, the README's image, with the weights that ship.

.venv/bin/python tools/readme_image.py
"""

from __future__ import annotations

from pathlib import Path

from PIL import ImageOps

from colorlab import colorize, plots
from colorlab.data.placeholder import photograph

# Photographs of scikit-image, none of which the default was trained on.
PHOTOGRAPHS = ("astronaut", "cat", "coffee", "motorcycle", "rocket")
SIZE = (280, 210)


def main() -> None:
    """One column per photograph: as given, colorized by two styles of the default, the truth."""
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
