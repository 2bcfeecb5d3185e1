"""What a regression colorizer minimizes, on a and b in network units.

All are least where the answer is one *average* of the plausible colors, which is why regression paints dull: the
mean for the squared error, the median for the absolute one, something between for Huber's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from torch import Tensor
from torch.nn import functional as F

from colorlab.registry import Name, Registry

Objective = Callable[[Tensor, Tensor], Tensor]
"""``(predicted, target)``, both a and b in network units, ``(N, 2, H, W)``, to a scalar to be minimized."""

if TYPE_CHECKING:
    Loss = str | Objective
else:

    class Loss(Name):
        """The name of a registered objective, which the command line knows by this type."""


OBJECTIVES: Registry[Objective] = Registry("objective")
"""Objectives by name: mean error of ``predicted`` against ``target``, both ``(N, 2, H, W)``, as a scalar."""

Function = TypeVar("Function", bound=Objective)


def register_objective(name: str) -> Callable[[Function], Function]:
    """Register a loss under a name, for ``train`` and the command line.

    To be written above a function of ``predicted`` and ``target``, a and b divided by 110, both ``(N, 2, H, W)``,
    that gives a scalar to be minimized.

    Args:
        name: of the objective.

    Raises:
        ValueError: another module has taken the name.
    """

    return OBJECTIVES.adding(name)


# Where Huber's error turns from square to line: 5.5 Lab units, the size of a color difference
# that is seen at once.
_HUBER_DELTA = 0.05


register_objective("mse")(F.mse_loss)
register_objective("l1")(F.l1_loss)


@register_objective("huber")
def huber(predicted: Tensor, target: Tensor) -> Tensor:
    """Huber's error, scaled to start like the squared error, of slope 0.1 beyond 5.5 Lab units."""
    return 2 * F.huber_loss(predicted, target, delta=_HUBER_DELTA)


def find_objective(loss: Loss) -> Objective:
    """Return the objective of this name (``auto`` is the squared error), or the given function as it is."""
    if callable(loss):
        return loss
    return OBJECTIVES.find("mse" if loss == "auto" else loss)
