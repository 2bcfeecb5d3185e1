"""What a colorizer does with known colors: it decides what else in the image takes them.

Hints come as planes on a grid over the image: a, b and a mask. They enter the decoder in two ways. *Locally*, as
masked averages at each stride, so that a hint colors its neighborhood. *By likeness*, as attention: each place of the
image asks all hinted places how alike they are, and takes up the colors of those that are, so that one hint on a leaf
reaches all leaves. Both begin at zero and vanish without hints: an image without hints is answered as if this module
were not there.

References: Zhang et al., *Real-time user-guided image colorization*, arXiv:1705.02999 (hint planes); Vaswani et al.,
arXiv:1706.03762 (attention).
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_HEADS, _WIDTH = 4, 32
_UNIT = 30.0
"""Lab units of a hint that count as 1."""


class HintBranch(nn.Module):
    """Adds what hints say to a decoder's features.

    Args:
        channels: stride in cells → channels of the decoder's features there.
        attended: the stride at which places look for hinted places like them.
    """

    def __init__(self, channels: Mapping[int, int], attended: int) -> None:
        super().__init__()
        self.attended = attended
        self.local = nn.ModuleDict(
            {
                str(s): _zero(nn.Conv2d(3, count, kernel_size=3, padding=1, bias=False))
                for s, count in channels.items()
            }
        )
        count = channels[attended]
        self.asks = nn.Conv2d(count, 2 * _HEADS * _WIDTH, kernel_size=1)
        self.tells = nn.Conv2d(3, _HEADS * _WIDTH, kernel_size=1, bias=False)
        self.takes = _zero(nn.Conv2d(_HEADS * _WIDTH, count, kernel_size=1, bias=False))
        # How fast likeness fades with distance, per head; and how alike a hinted place must at least be.
        self.nearness = nn.Parameter(torch.linspace(-1, 3, _HEADS))
        self.threshold = nn.Parameter(torch.zeros(_HEADS))

    def forward(self, x: Tensor, hints: Tensor, stride: int) -> Tensor:
        """Return features with the hints in them.

        Args:
            x: ``(N, C, h, w)`` the decoder's features at ``stride`` cells.
            hints: ``(N, 3, H, W)`` a and b in Lab units (0 where there is no hint) and a mask of 0 and 1, by cells.
            stride: of ``x``, in cells.
        """
        planes = _averaged(hints, x.shape[-2:], stride).to(x.dtype)
        x = x + self.local[str(stride)](planes)
        return x + self._by_likeness(x, planes) if stride == self.attended else x

    def _by_likeness(self, x: Tensor, planes: Tensor) -> Tensor:
        n, _, h, w = x.shape

        def by_head(values: Tensor) -> Tensor:
            return values.view(n, _HEADS, _WIDTH, h * w).transpose(2, 3)

        queries, keys = (by_head(part) for part in self.asks(x).chunk(2, dim=1))
        values = by_head(self.tells(planes))
        rows, columns = torch.arange(h, device=x.device), torch.arange(w, device=x.device)
        apart = (
            (rows[:, None] - rows).square()[:, None, :, None] + (columns[:, None] - columns).square()[:, None]
        ) / (max(h, w) ** 2)
        bias = -self.nearness.exp()[:, None, None] * apart.reshape(h * w, h * w)
        bias = bias.masked_fill(planes[:, 2:].flatten(2)[:, :, None] == 0, float("-inf"))
        # One more place, which has no color, is what takes the attention where nothing is alike.
        keys, values = F.pad(keys, (0, 0, 0, 1)), F.pad(values, (0, 0, 0, 1))
        nothing = self.threshold[None, :, None, None].expand(n, -1, h * w, 1)
        mask = torch.cat([bias.expand(n, -1, -1, -1), nothing], dim=3).to(queries.dtype)
        taken = F.scaled_dot_product_attention(queries, keys, values, attn_mask=mask)
        result: Tensor = self.takes(taken.transpose(2, 3).reshape(n, -1, h, w))
        return result


def random_hints(ab: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Return hints at random cells of images whose colors are known, as a person might give them: few, often none.

    A fifth of the images get none, a tenth some 20 to 300, the others a geometric number of mean 8.

    Args:
        ab: ``(N, 2, H, W)`` mean a and b of each cell, in Lab units.
        generator: of the random numbers; torch's own by default.

    Returns:
        ``(N, 3, H, W)``, as :class:`HintBranch` takes it.
    """
    n, _, h, w = ab.shape
    kind = torch.rand(n, generator=generator)
    few = torch.rand(n, generator=generator).clamp(min=1e-6).log() / torch.log(torch.tensor(1 - 1 / 8))
    many = 20 + 280 * torch.rand(n, generator=generator)
    count = torch.where(kind < 0.2, 0, torch.where(kind < 0.3, many, few + 1)).long()
    rank = torch.rand(n, h * w, generator=generator).argsort(dim=1).argsort(dim=1)
    mask = (rank < count[:, None]).view(n, 1, h, w).to(ab)
    return torch.cat([ab * mask, mask], dim=1)


def _averaged(hints: Tensor, size: tuple[int, ...] | torch.Size, stride: int) -> Tensor:
    """The mean hint in each square of ``stride`` cells, in units of 30 Lab units; the mask says if there is one."""
    if stride > 1:
        hints = F.avg_pool2d(hints, stride, ceil_mode=True)[..., : size[0], : size[1]]
    share = hints[:, 2:]
    return torch.cat([hints[:, :2] / share.clamp(min=1e-6) / _UNIT, (share > 0).to(hints)], dim=1)


def _zero(convolution: nn.Conv2d) -> nn.Conv2d:
    nn.init.zeros_(convolution.weight)
    return convolution
