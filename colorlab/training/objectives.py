"""What a regression colorizer minimizes, on a and b in network units.

All are least where the answer is one *average* of the plausible colors, which is why regression paints dull: the
mean for the squared error, the median for the absolute one, something between for Huber's.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor
from torch.nn import functional as F

# Where Huber's error turns from square to line: 5.5 Lab units, the size of a color difference
# that is seen at once.
_HUBER_DELTA = 0.05


def huber(predicted: Tensor, target: Tensor) -> Tensor:
    """Huber's error, scaled to start like the squared error, of slope 0.1 beyond 5.5 Lab units."""
    return 2 * F.huber_loss(predicted, target, delta=_HUBER_DELTA)


OBJECTIVES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "mse": F.mse_loss,
    "l1": F.l1_loss,
    "huber": huber,
}
"""Name → mean error of ``predicted`` against ``target``, both ``(N, 2, H, W)``, as a scalar."""
