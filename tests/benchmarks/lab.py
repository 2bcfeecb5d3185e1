"""Images per second from uint8 RGB to Lab, and from Lab to RGB in 0…1, on one thread.

"framework2019" calls scikit-image on each image, as the original framework does; colorlab gets whole batches.
"compiled" is ``torch.compile`` of the same function, without the time that compiling takes.

    .venv/bin/python tests/benchmarks/lab.py
"""

from __future__ import annotations

import skimage
import torch
from timing import compare

from colorlab import color

SHAPES = ((256, 3, 32, 32), (16, 3, 224, 224))
ROUNDS = 21


def main() -> None:
    """Print a table for each direction and shape."""
    torch.set_num_threads(1)
    to_lab, to_rgb = torch.compile(color.rgb_to_lab), torch.compile(color.lab_to_rgb)
    for shape in SHAPES:
        rgb = torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
        lab = color.rgb_to_lab(rgb)
        rgb_arrays, lab_arrays = rgb.movedim(1, -1).numpy(), lab.movedim(1, -1).numpy()
        # Values are bound at once, as a lambda would see those of the last shape.
        directions = {
            "uint8 RGB to Lab": {
                "framework2019": lambda arrays=rgb_arrays: [skimage.color.rgb2lab(array) for array in arrays],
                "colorlab": lambda batch=rgb: color.rgb_to_lab(batch),
                "colorlab, compiled": lambda batch=rgb: to_lab(batch),
            },
            "Lab to RGB": {
                "framework2019": lambda arrays=lab_arrays: [skimage.color.lab2rgb(array) for array in arrays],
                "colorlab": lambda batch=lab: color.lab_to_rgb(batch),
                "colorlab, compiled": lambda batch=lab: to_rgb(batch),
            },
        }
        for direction, ways in directions.items():
            title = f"{direction}, {'×'.join(map(str, shape))}"
            compare(title, shape[0], ways, ["framework2019"], ROUNDS)


if __name__ == "__main__":
    main()
