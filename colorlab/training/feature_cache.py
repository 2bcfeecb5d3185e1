"""Keep the features of a frozen encoder on disk: computed once, used in every epoch, also of later runs.

An image is known by its pixels and the file by the encoder's weights: neither another crop nor another encoder is
taken for what was computed before.
"""

from __future__ import annotations

import hashlib
import math
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

LIMIT = 15e9
"""Bytes that a cache may take."""

_KEY = 16  # bytes of the hash of an image

Encode = Callable[[Tensor], list[Tensor]]


class FeatureCache:
    """Features in half precision, in a memory-mapped file.

    Features are written before the key that finds them, so a run that is killed leaves no wrong ones.

    Args:
        folder: for the file; made if missing.
        encode: from lightness to features, without gradients.
        weights: all tensors that ``encode`` depends on.
        example: an input of ``encode``, ``(1, 1, H, W)``, which tells the features' shapes.
        images: that will be asked for, counting every crop of an image.

    Raises:
        ValueError: the file would be larger than :data:`LIMIT`.
    """

    def __init__(self, folder: Path, encode: Encode, weights: list[Tensor], example: Tensor, images: int) -> None:
        self._encode = encode
        self._shapes = [features.shape[1:] for features in self._computed(example)]
        self._images, self._width = images, sum(math.prod(shape) for shape in self._shapes)
        size = 2 * self._width * images
        if size > LIMIT:
            raise ValueError(
                f"feature_cache would take {size / 1e9:.1f} GB for {images} images, more than {LIMIT / 1e9:g} GB; "
                "use fewer crops or a smaller image_size"
            )
        digest = hashlib.sha256(repr(self._shapes).encode())
        for tensor in weights:
            digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / f"features-{digest.hexdigest()[:16]}"
        self._keys = file.with_suffix(".keys")
        self._places: dict[bytes, int] = {}
        if self._keys.exists():
            known = self._keys.read_bytes()
            self._places = {known[i : i + _KEY]: i // _KEY for i in range(0, len(known) - _KEY + 1, _KEY)}
        if not self._places:
            print(f"colorlab: {folder} keeps the encoder's features, up to {size / 1e9:.2f} GB", file=sys.stderr)
        with file.with_suffix(".f16").open("ab") as values:  # sparse: room is taken as features are written
            values.truncate(max(size, values.tell()))
        self._values = np.memmap(file.with_suffix(".f16"), np.float16, "r+").reshape(-1)

    def features(self, rgb: Tensor, lightness: Tensor) -> list[Tensor]:
        """Return the features of images, computing those that are new.

        Args:
            rgb: ``(N, 3, H, W)`` uint8, by which images are known.
            lightness: ``(N, 1, H, W)``, the input of the encoder.
        """
        keys = [hashlib.blake2b(image.numpy().tobytes(), digest_size=_KEY).digest() for image in rgb.cpu()]
        new = [number for number, key in enumerate(keys) if key not in self._places]
        rows = np.empty((len(keys), self._width), np.float16)
        for number, key in enumerate(keys):
            if key in self._places:
                rows[number] = self._row(self._places[key])
        if new:
            flat = torch.cat([part.flatten(1) for part in self._computed(lightness[new])], dim=1)
            rows[new] = flat.half().cpu().numpy()
            for number in new:
                self._keep(keys[number], rows[number])
        values = torch.from_numpy(rows).to(lightness)
        parts = torch.split(values, [math.prod(shape) for shape in self._shapes], dim=1)
        return [part.reshape(-1, *shape) for part, shape in zip(parts, self._shapes, strict=True)]

    def _computed(self, lightness: Tensor) -> list[Tensor]:
        with torch.no_grad():
            return self._encode(lightness)

    def _row(self, place: int) -> np.ndarray:
        return self._values[place * self._width : (place + 1) * self._width]

    def _keep(self, key: bytes, row: np.ndarray) -> None:
        place = len(self._places)
        if place < len(self._values) // self._width and key not in self._places:
            self._row(place)[:] = row
            with self._keys.open("ab") as keys:
                keys.write(key)
            self._places[key] = place
