"""Images per second from a data set to batches, on one thread, beside the seed's way, on the same images.

"seed" is a data set that makes of each image a PIL image, flips (and at 224 pixels crops) it, calls
``skimage.color.rgb2lab`` and ``rgb2gray`` on it, and makes tensors; written anew from the seed's description. Its files
are bytes in memory, while colorlab reads its own from disk. "decoding and cropping alone" is a loop over colorlab's
:func:`random_crop`, with the same crops as the loader's.

With ``COLORLAB_REAL_DATA`` the images come from its ``cifar10.tar`` and ``photos.tar``, else they are JPEGs cut from
scikit-image's photographs.

    COLORLAB_REAL_DATA=… .venv/bin/python tests/benchmarks/loading.py
"""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import skimage
import torch
from PIL import Image
from timing import compare
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

from colorlab import color
from colorlab.data import ImageDataset, create_dataset, create_loader
from colorlab.data.crops import random_crop
from colorlab.data.decode import decode
from colorlab.data.names import open_files
from colorlab.data.placeholder import PHOTOGRAPHS
from colorlab.data.samples import photograph
from colorlab.image import read_image

ROUNDS = 9
SMALL, SMALL_BATCH = 2000, 100
LARGE, LARGE_BATCH = 96, 16


class SeedsWay(Dataset[tuple[Tensor, Tensor]]):
    """Gray and scaled a, b of one image after the other."""

    def __init__(self, images: Sequence[Callable[[], Image.Image]], augment: Callable[[Image.Image], Image.Image]):
        self.images, self.augment = images, augment

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        rgb = np.asarray(self.augment(self.images[index]()))
        ab = (skimage.color.rgb2lab(rgb)[..., 1:] + 128) / 255
        gray = skimage.color.rgb2gray(rgb)
        return torch.from_numpy(gray).float()[None], torch.from_numpy(ab).permute(2, 0, 1).float()


def to_network(rgb: Tensor) -> tuple[Tensor, Tensor]:
    """What a batch becomes before a network sees it."""
    return color.split(color.rgb_to_lab(rgb))


def drain(batches: Iterable[object]) -> None:
    """Take all batches."""
    for _ in batches:
        pass


def jpegs(archive: str, count: int, size: tuple[int, int]) -> list[bytes]:
    """The bytes of ``count`` files from an archive of real data, or of ``size``, width and height, made up."""
    rng = np.random.default_rng(0)
    if folder := os.environ.get("COLORLAB_REAL_DATA"):
        files = open_files(Path(folder, archive))
        return [files.read(index) for index in rng.choice(len(files), count, replace=False).tolist()]
    made = []
    photos = [photograph(name) for name in PHOTOGRAPHS]
    for number in range(count):
        photo = photos[number % len(photos)]
        width, height = (int(side * rng.uniform(0.5, 1)) for side in photo.size)
        left, top = int(rng.integers(photo.width - width + 1)), int(rng.integers(photo.height - height + 1))
        file = io.BytesIO()
        photo.crop((left, top, left + width, top + height)).resize(size).save(file, "JPEG", quality=90)
        made.append(file.getvalue())
    return made


def decoding(name: str, contents: list[bytes]) -> None:
    """The decoder by itself, beside the reader of single images, which is Pillow's."""
    ways = {
        "read_image": lambda: drain(read_image(Image.open(io.BytesIO(content))) for content in contents),
        "decode": lambda: drain(decode(content) for content in contents),
        "decode, 128 or more pixels": lambda: drain(decode(content, 128) for content in contents),
    }
    compare(f"decoding {len(contents)} JPEGs, {name}", len(contents), ways, ["read_image"], ROUNDS)


def thumbnails(contents: list[bytes]) -> None:
    """CIFAR-10: from memory to Lab."""
    arrays = [decode(content) for content in contents]
    images = [lambda array=array: Image.fromarray(array) for array in arrays]
    seed = DataLoader(SeedsWay(images, v2.RandomHorizontalFlip()), batch_size=SMALL_BATCH, shuffle=True)
    dataset = ImageDataset(
        torch.from_numpy(np.stack(arrays)).movedim(-1, 1).contiguous(), torch.zeros(SMALL, dtype=torch.int64), ["any"]
    )
    loader, _ = create_loader(dataset, SMALL_BATCH, seed=0)
    compiled = torch.compile(to_network)
    ways = {
        "seed, to Lab": lambda: drain(seed),
        "colorlab, uint8": lambda: drain(loader),
        "colorlab, to Lab": lambda: drain(color.rgb_to_lab(rgb) for rgb, _ in loader),
        "colorlab, to the network's units": lambda: drain(to_network(rgb) for rgb, _ in loader),
        "colorlab, the same, compiled": lambda: drain(compiled(rgb) for rgb, _ in loader),
    }
    title = f"{SMALL} images of 32×32 in memory: flipped, in batches of {SMALL_BATCH}"
    compare(title, SMALL, ways, ["seed, to Lab"], ROUNDS)


def photographs(contents: list[bytes]) -> None:
    """Photographs: from files to random crops of 224×224."""
    images = [lambda content=content: Image.open(io.BytesIO(content)).convert("RGB") for content in contents]
    augment = v2.Compose([v2.RandomResizedCrop(224), v2.RandomHorizontalFlip()])
    seed = DataLoader(SeedsWay(images, augment), batch_size=LARGE_BATCH, shuffle=True)
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "train/any").mkdir(parents=True)
        for number, content in enumerate(contents):
            Path(folder, f"train/any/{number:04}.jpg").write_bytes(content)
        loader, order = create_loader(create_dataset(folder, "train", size=224), LARGE_BATCH, seed=0)
        crops = [
            (contents[index], 224, seed)
            for request in order
            for index, seed in zip(request.indices, request.seeds, strict=True)
        ]
        compiled = torch.compile(to_network)
        ways = {
            "seed, to Lab": lambda: drain(seed),
            "decoding and cropping alone": lambda: drain(random_crop(*crop) for crop in crops),
            "colorlab, uint8": lambda: drain(loader),
            "colorlab, to Lab": lambda: drain(to_network(rgb) for rgb, _ in loader),
            "colorlab, to Lab, compiled": lambda: drain(compiled(rgb) for rgb, _ in loader),
        }
        title = f"{LARGE} photographs in files: random crops of 224×224, flipped, in batches of {LARGE_BATCH}"
        compare(title, LARGE, ways, ["seed, to Lab", "decoding and cropping alone"], ROUNDS)


def main() -> None:
    """Print a table for each kind of images."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    small = jpegs("cifar10.tar", SMALL, (32, 32))
    large = jpegs("photos.tar", LARGE, (400, 300))
    decoding("32×32", small[:500])
    decoding("photographs, shorter side some 256 to 300", large)
    thumbnails(small)
    photographs(large)


if __name__ == "__main__":
    main()
