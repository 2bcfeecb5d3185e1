"""Objectives of regression, on a and b in network units.

Each is minimal at an *average* of the plausible colors, which is why regression gives dull colors: the mean for the
squared error, the median for the absolute error, and a value between them for the Huber loss.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from torch import Tensor
from torch.nn import functional as F

from colorlab.registry import Name, Registry

Objective = Callable[[Tensor, Tensor], Tensor]
"""``(predicted, target)``, both a and b in network units, ``(N, 2, H, W)``, to a scalar loss."""

if TYPE_CHECKING:
    Loss = str | Objective
else:

    class Loss(Name):
        """The name of a registered objective; the command line lists the names by this type."""


OBJECTIVES: Registry[Objective] = Registry("objective")
"""Objectives by name: mean error of ``predicted`` against ``target``, both ``(N, 2, H, W)``, as a scalar."""

Function = TypeVar("Function", bound=Objective)


def register_objective(name: str) -> Callable[[Function], Function]:
    """Register a loss under a name, for ``train`` and the command line.

    Use it as a decorator of a function of ``predicted`` and ``target``, a and b divided by 110, both
    ``(N, 2, H, W)``, that returns a scalar to minimize.

    Args:
        name: of the objective.

    Raises:
        ValueError: another module uses the name.
    """

    return OBJECTIVES.adding(name)


# The Huber loss turns from quadratic to linear at 5.5 Lab units, a clearly visible color difference.
_HUBER_DELTA = 0.05


register_objective("mse")(F.mse_loss)
register_objective("l1")(F.l1_loss)


@register_objective("huber")
def huber(predicted: Tensor, target: Tensor) -> Tensor:
    """Return the Huber loss: the squared error up to 5.5 Lab units, linear with slope 0.1 beyond."""
    return 2 * F.huber_loss(predicted, target, delta=_HUBER_DELTA)


def find_objective(loss: Loss) -> Objective:
    """Return the objective with this name (``auto`` is the squared error), or the given function."""
    if callable(loss):
        return loss
    return OBJECTIVES.find("mse" if loss == "auto" else loss)
