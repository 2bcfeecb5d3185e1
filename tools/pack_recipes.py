"""Pack recipes and their images into one file that trains them on a machine with a GPU, torch and torchvision.

    COLORLAB_REAL_DATA=<folder with the tars> make pack ARGS="resnet unet32"

writes ``output/pack.pyz``, at most 60 MB. On the other machine, ``python3 pack.pyz`` trains the recipes into
``output/``, and resumes them if it is run again. Copy that folder back, and ``make weights ARGS="resnet unet32"``
imports the finished runs. Images are stored as WebP at the size that the recipes use, so the weights differ slightly
from those that ``make weights`` trains on the originals.
"""

from __future__ import annotations

import argparse
import io
import json
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

from PIL import Image, ImageOps
from recipes import JUDGES, OUTPUT, REAL_DATA, RECIPES, THUMBNAILS, stages

from colorlab.data.crops import THUMBNAIL
from colorlab.training import TrainingOptions

ROOT = Path(__file__).parent.parent
LARGEST = 60_000_000
# Without the default model, whose encoder needs timm.
PACKABLE = [name for name in (*RECIPES, *JUDGES) if name != "distribution"]
WHEELS = ("docstring-parser", "safetensors", "simplejpeg", "tifffile", "tqdm", "typeguard", "tyro")
"""Packages that training imports beside torch and torchvision."""


def needs(names: list[str]) -> dict[str, int]:
    """Archive → the largest side in pixels at which these recipes see its images."""
    sizes: dict[str, int] = {}
    for stage in (stage for name in names for stage in stages(name)):
        others = (*stage.also_train_on, stage.validate_on) if isinstance(stage, TrainingOptions) else ()
        for source in (stage.dataset_name, *others):
            thumbnails = source is not None and Path(source) == THUMBNAILS
            for archive in ("cifar10", "tinyimagenet") if thumbnails else (Path(source or "placeholder").stem,):
                sizes[archive] = max(stage.size, sizes.get(archive, 0))
    sizes.pop("placeholder", None)
    return sizes


def shrunk(content: bytes, size: int) -> bytes:
    """Return an image as WebP of the size that training at ``size`` needs, 25 % larger for random crops."""
    with Image.open(io.BytesIO(content)) as file:
        image = ImageOps.exif_transpose(file).convert("RGB")
    side = size if size <= THUMBNAIL else size * 5 // 4
    scale = min(1, side / min(image.size))
    image = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.BOX)
    shrunk = io.BytesIO()
    # Images of 64 pixels take the most space; their colors have half the resolution anyway.
    image.save(shrunk, "WEBP", quality=50 if size == 64 else 88)
    return shrunk.getvalue()


def pack_archive(name: str, size: int, target: Path) -> None:
    """Yield all images of an archive with their names."""
    with tarfile.open(REAL_DATA / f"{name}.tar") as source, tarfile.open(target, "w") as packed:
        for member in source:
            file = source.extractfile(member)
            if file is not None:
                content = shrunk(file.read(), size)
                entry = tarfile.TarInfo(member.name)
                entry.size = len(content)
                packed.addfile(entry, io.BytesIO(content))


def fetch_wheels(python: str, folder: str) -> None:
    """Download :data:`WHEELS` for Linux and this version of Python."""
    options = ["--no-deps", "--only-binary", ":all:", "--constraint", str(ROOT / "pins.txt"), "--dest", folder]
    options += [
        "--python-version",
        python,
        "--platform",
        "manylinux_2_28_x86_64",
        "--platform",
        "manylinux2014_x86_64",
    ]
    subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", *options, *WHEELS], check=True)


def main() -> None:
    """Write the pack."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=["resnet", "unet32"], choices=PACKABLE)
    parser.add_argument("--python", default="3.12", help="the other machine's version of Python")
    arguments = parser.parse_args()
    OUTPUT.mkdir(exist_ok=True)
    pack = OUTPUT / "pack.pyz"
    with tempfile.TemporaryDirectory() as scratch, zipfile.ZipFile(pack, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.write(ROOT / "tools" / "packed.py", "__main__.py")
        packed.writestr("names.json", json.dumps(arguments.names))
        packed.write(ROOT / "tools" / "recipes.py", "recipes.py")
        for source in [*sorted((ROOT / "colorlab").rglob("*.py")), ROOT / "colorlab/pretrained/shipped.json"]:
            packed.write(source, source.relative_to(ROOT))
        fetch_wheels(arguments.python, scratch)
        for wheel in sorted(Path(scratch).glob("*.whl")):
            packed.write(wheel, f"wheels/{wheel.name}")
        for name, size in needs(arguments.names).items():
            archive = Path(scratch, f"{name}.tar")
            pack_archive(name, size, archive)
            packed.write(archive, f"data/{name}.tar")
    size = pack.stat().st_size
    print(f"{pack}: {size / 1e6:.1f} MB, {', '.join(arguments.names)}")
    if size > LARGEST:
        sys.exit(f"more than {LARGEST / 1e6:.0f} MB; name fewer recipes")


if __name__ == "__main__":
    main()
