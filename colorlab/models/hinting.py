"""Apply hints to similar parts of an image by attention.

Each cell attends to all hinted cells, by similarity of features and by distance, and to *nothing*. Heads of the first
kind take the color of the hint: what looks like the hinted coat becomes blue. Heads of the second kind take its
correction, hint minus prediction: what was too green at the hint was too green here. Attention to nothing keeps the
predicted color. Without hints, the prediction is unchanged.

References: Vaswani et al., *Attention is all you need*, arXiv:1706.03762; Zhang et al., *Real-time user-guided image
colorization* (a network that takes hints), arXiv:1705.02999.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

_KIND, _WIDTH, _HIDDEN = 2, 32, 96  # heads of each kind, their width, width of the layers before them


class CellHints(NamedTuple):
    """Known colors of some cells of each image.

    Attributes:
        places: ``(N, K)`` indices of cells, row by row.
        ab: ``(N, K, 2)`` their a and b, in Lab units.
    """

    places: Tensor
    ab: Tensor


class HintAttention(nn.Module):
    """Attention that corrects the colors of all cells by those of a few.

    Args:
        channels: of the features that it compares.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.likeness = nn.Sequential(
            nn.Conv2d(channels, _HIDDEN, kernel_size=1),
            nn.GELU(),
            nn.Conv2d(_HIDDEN, _HIDDEN, kernel_size=3, padding=1, padding_mode="replicate"),
            nn.GELU(),
        )
        self.asks = nn.Conv2d(_HIDDEN, 2 * _KIND * _WIDTH, kernel_size=1)
        self.tells = nn.Conv2d(_HIDDEN, 2 * _KIND * _WIDTH, kernel_size=1)
        self.nothing = nn.Conv2d(_HIDDEN, 1, kernel_size=1)
        # Logarithm of how fast similarity decreases with distance, per head.
        self.nearness = nn.Parameter(torch.linspace(1, 5, 2 * _KIND))
        # 0 until hints are learned, so that they have no effect; then 1.
        self.learned: Tensor
        self.register_buffer("learned", torch.zeros(()))

    def forward(self, features: Tensor, ab: Tensor, hints: CellHints, at: Tensor | None = None) -> Tensor:
        """Return the colors corrected by the hints.

        Args:
            features: ``(N, C, h, w)``.
            ab: ``(N, 2, h, w)`` the network's a and b, in Lab units.
            hints: of these images.
            at: ``(P,)`` indices of the only cells to compute.

        Returns:
            ``(N, 2, h, w)``, or ``(N, 2, P)``.
        """
        (n, _, h, w), k = features.shape, hints.places.shape[1]
        seen = self.likeness(features)
        asked = torch.arange(h * w, device=features.device) if at is None else at
        queries = self.asks(seen).flatten(2)[..., asked].unflatten(1, (-1, _WIDTH))
        hinted = hints.places[:, None].expand(-1, 2 * _KIND * _WIDTH, -1)
        keys = self.tells(seen).flatten(2).gather(2, hinted).unflatten(1, (-1, _WIDTH))
        alike = torch.einsum("nmdp,nmdk->npmk", queries, keys) / math.sqrt(_WIDTH)
        down = (asked // w)[:, None] - (hints.places // w)[:, None]
        right = (asked % w)[:, None] - (hints.places % w)[:, None]
        distance = (down**2 + right**2) / max(h, w) ** 2
        alike = alike - self.nearness.exp()[:, None] * distance[:, :, None]
        nothing = self.nothing(seen).flatten(2)[..., asked].movedim(1, -1)
        attention = torch.cat([alike.flatten(2), nothing], dim=2).softmax(dim=2)[..., :-1]
        take_color, take_correction = attention.view(n, -1, 2, _KIND, k).sum(dim=3).unbind(2)
        flat = ab.flatten(2)
        own = flat[..., asked].movedim(1, -1)
        at_hints = flat.gather(2, hints.places[:, None].expand(-1, 2, -1)).movedim(1, -1)
        correction = take_color @ hints.ab - take_color.sum(dim=2, keepdim=True) * own
        correction = correction + take_correction @ (hints.ab - at_hints)
        result = (own + self.learned * correction).movedim(-1, 1)
        return result.view_as(ab) if at is None else result


def random_hints(ab: Tensor, count: int, generator: torch.Generator | None = None) -> CellHints:
    """Return true hints at random cells of images with known colors.

    Args:
        ab: ``(N, 2, h, w)`` a and b of each cell, in Lab units.
        count: per image; at most the number of cells.
        generator: of the random numbers; by default torch's.
    """
    flat = ab.flatten(2)
    order = torch.rand(len(ab), flat.shape[2], generator=generator).argsort(dim=1)
    places = order[:, :count].to(ab.device)
    return CellHints(places, flat.gather(2, places[:, None].expand(-1, 2, -1)).movedim(1, -1))
