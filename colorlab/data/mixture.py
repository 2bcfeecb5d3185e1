"""Combine several datasets into one."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from colorlab.data.dataset import Batch, ImageDataset


class Mixture(ImageDataset):
    """Concatenate the images of several datasets; classes of the same name become one class.

    Args:
        parts: datasets of the same image size.
    """

    def __init__(self, parts: Sequence[ImageDataset]) -> None:
        self.parts = tuple(parts)
        self.streamed = any(part.streamed for part in self.parts)
        self.classes = tuple(sorted({name for part in self.parts for name in part.classes}))
        number = {name: i for i, name in enumerate(self.classes)}
        self._renumbered = [torch.tensor([number[name] for name in part.classes]) for part in self.parts]
        self.labels = torch.cat(
            [table[part.labels] for table, part in zip(self._renumbered, self.parts, strict=True)]
        )
        self._starts = torch.tensor([0, *(len(part) for part in self.parts)]).cumsum(0)

    @property
    def rgb(self) -> torch.Tensor:
        """Return all images, ``(N, 3, H, W)`` uint8."""
        return torch.cat([part.rgb for part in self.parts])

    def pick(self, indices: Sequence[int]) -> Batch:
        """Return the center squares of the images at ``indices``, and their classes."""
        return self._gather(indices, lambda part, own, _: part.pick(own))

    def pick_for_training(self, indices: list[int], seeds: list[int]) -> Batch:
        """Return the images at ``indices`` with random crops."""
        return self._gather(
            indices, lambda part, own, places: part.pick_for_training(own, [seeds[place] for place in places])
        )

    def report_unreadable(self) -> None:
        """Print how many files of each dataset could not be read."""
        for part in self.parts:
            part.report_unreadable()

    def _gather(self, indices: Sequence[int], pick: Callable[[ImageDataset, list[int], list[int]], Batch]) -> Batch:
        chosen = torch.as_tensor(indices, dtype=torch.int64)
        owner = torch.bucketize(chosen, self._starts[1:], right=True)
        rgb: torch.Tensor | None = None
        labels = torch.empty(len(chosen), dtype=torch.int64)
        for number in sorted(set(owner.tolist())):
            places = (owner == number).nonzero().flatten()
            own = (chosen[places] - self._starts[number]).tolist()
            found, classes = pick(self.parts[number], own, places.tolist())
            rgb = found.new_empty(len(chosen), *found.shape[1:]) if rgb is None else rgb
            rgb[places] = found
            labels[places] = self._renumbered[number][classes]
        if rgb is None:
            return self.parts[0].pick([])
        return rgb, labels
