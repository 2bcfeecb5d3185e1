"""Predict the colors of one image under changing hints, fast enough for a drag; without widgets.

Everything that does not depend on hints is computed once: the network's output and the factorization of Levin's
matrix. A change of hints then costs the attention to them and two triangular solves for each hint that moved.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from colorlab.hints import Hint, Propagation, reduce_hints
from colorlab.inference import answering, cell_hints, network_input, to_lab
from colorlab.models import Colorizer, DistributionColorizer, Style
from colorlab.models.distribution import CELL, mixed
from colorlab.widgets.likely_colors import Suggestion, suggest


class HintedImage:
    """Predict an image's colors with hints, like :func:`colorlab.inference.predict_ab`.

    Args:
        lightness: ``(H, W)`` L in 0…100.
        model: a colorizer.

    Attributes:
        takes_hints: whether the model itself takes hints and predicts probabilities.
    """

    def __init__(self, lightness: Tensor, model: Colorizer) -> None:
        self._model = model
        self._lightness, self._given = network_input(lightness, model)
        self._propagation = Propagation(self._lightness)
        self.takes_hints = isinstance(model, DistributionColorizer)
        with answering(model):
            if isinstance(model, DistributionColorizer):
                self._answer = model.both_ways(self._given)
            else:
                self._only = model(self._given)

    def predict(self, hints: Sequence[Hint], shape: tuple[int, int], *, network: bool = True) -> Tensor:
        """Return the colors with hints.

        Args:
            hints: hints in pixels of an image of ``shape``.
            shape: H and W of the image that the hints are on.
            network: whether the model receives the hints. If not, its output without hints is corrected by
                propagation along the lightness only.

        Returns:
            ``(2, h, w)`` a and b in Lab units, at working size.
        """
        scaled = reduce_hints(hints, shape, self._lightness.shape)
        model = self._model
        if isinstance(model, DistributionColorizer):
            with answering(model):
                ab = model.chosen_color(self._answer, hints=cell_hints(scaled, self._given) if network else None)
        else:
            ab = self._only
        return self._propagation.spread(to_lab(ab, self._lightness.shape), scaled)

    def suggestions(self, row: int, column: int, lightness: float, shape: tuple[int, int]) -> list[Suggestion]:
        """Return the likely colors of a pixel, most likely first.

        The list is empty for a model that predicts a single color.

        Args:
            row: row of the pixel, in an image of ``shape``.
            column: column of the pixel.
            lightness: L of the pixel.
            shape: as in :meth:`predict`.
        """
        model = self._model
        if not isinstance(model, DistributionColorizer):
            return []
        (place,) = reduce_hints([Hint.of(column, row, 0, 0)], shape, self._lightness.shape)
        row, column = place.y, place.x
        # The pixel mixes only its own cell and the cells around it.
        i, j = row // CELL, column // CELL
        top, left = max(0, i - 1), max(0, j - 1)
        around = (..., slice(top, i + 2), slice(left, j + 2))
        with answering(model):
            cells = model.tempered(self._answer.logits[around].float(), Style()).softmax(dim=1)
            pixels = mixed(cells, self._answer.mixture[around])
        return suggest(pixels[0, :, row - top * CELL, column - left * CELL].cpu(), model.bins.cpu(), lightness)
