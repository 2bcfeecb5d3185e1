"""What a regression colorizer minimizes, on a and b in network units.

All are least where the answer is one *average* of the plausible colours, which is why regression paints dull: the
mean for the squared error, the median for the absolute one, something between for Huber's.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor
from torch.nn import functional as F

from colorlab.color import AB_SCALE

# Where Huber's error turns from square to line: 5.5 Lab units, the size of a colour difference
# that is seen at once.
_HUBER_DELTA = 0.05


def huber(predicted: Tensor, target: Tensor) -> Tensor:
    """Huber's error, scaled to start like the squared error, of slope 0.1 beyond 5.5 Lab units."""
    return 2 * F.huber_loss(predicted, target, delta=_HUBER_DELTA)


def colorful(predicted: Tensor, target: Tensor) -> Tensor:
    """Huber's error, each pixel weighted by (10 + its true chroma) / 20 in Lab units.

    Most pixels of most pictures are nearly grey, and outvote the few with colour. Weighted, a colour that is likely
    but not certain is painted more boldly, at the price of a larger plain error. In the spirit of the rebalancing by
    rarity of Zhang et al., *Colorful Image Colorization*, section 2.2, arXiv:1603.08511: chroma is what is rare.
    """
    error = 2 * F.huber_loss(predicted, target, delta=_HUBER_DELTA, reduction="none")
    chroma = target.norm(dim=1, keepdim=True) * AB_SCALE
    weighted: Tensor = error * (10 + chroma) / 20
    return weighted.mean()


OBJECTIVES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "mse": F.mse_loss,
    "l1": F.l1_loss,
    "huber": huber,
    "colorful": colorful,
}
"""Name → mean error of ``predicted`` against ``target``, both ``(N, 2, H, W)``, as a scalar."""
