"""Provide the parts of checks: the list of exercises, the verdict, and messages about wrong kinds of answers."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

Check = Callable[[object], str]
"""Takes an answer and returns why it is right, or raises :class:`WrongAnswer`."""

EXERCISES: dict[str, Check] = {}
"""Name of exercise → check, whose docstring summarizes the task."""


class WrongAnswer(Exception):  # noqa: N818, it is not an error
    """Tells the reader what is wrong with an answer."""


@dataclass(frozen=True, repr=False)
class Verdict:
    """The result of a check.

    Attributes:
        right: whether the answer is right.
        message: why it is right, or what is wrong with it.
    """

    right: bool
    message: str

    def __bool__(self) -> bool:
        return self.right

    def __repr__(self) -> str:
        return textwrap.fill(f"{'Right' if self.right else 'Not yet'}: {self.message}", 110)


def exercise(name: str) -> Callable[[Check], Check]:
    """Return the decorator that registers a function as the check of the exercise ``name``."""

    def register(check: Check) -> Check:
        EXERCISES[name] = check
        return check

    return register


def require(condition: bool, otherwise: str) -> None:
    """Raise :class:`WrongAnswer` with the message ``otherwise`` unless ``condition`` is true."""
    if not condition:
        raise WrongAnswer(otherwise)


def number(found: object, what: str) -> float:
    """Return a single number of any type as float; messages call it ``what``."""
    if isinstance(found, Tensor | np.ndarray | np.generic) and np.prod(found.shape) == 1:
        found = found.item()
    if isinstance(found, bool) or not isinstance(found, int | float):
        raise WrongAnswer(f"{what} must be a single number, but is {_kind(found)}.")
    require(math.isfinite(found), f"{what} is {found}, with which nothing can be compared.")
    return float(found)


def function(answer: object, signature: str) -> Callable[..., Any]:
    """Return the answer if it is a function; messages describe it by ``signature``."""
    if not callable(answer):
        raise WrongAnswer(f"the answer must be a function, {signature}, but is {_kind(answer)}; give its name alone.")
    return answer


def tensor(found: object, shape: Sequence[int], what: str) -> Tensor:
    """Return a result of the reader's function as float64, after checking its shape."""
    require(found is not None, f"{what} is None; does your function end in a return?")
    try:
        values = torch.as_tensor(found).detach().double()
    except (TypeError, ValueError, RuntimeError) as error:
        raise WrongAnswer(f"{what} must be a tensor of shape {tuple(shape)}, but is {_kind(found)}.") from error
    if tuple(values.shape) != tuple(shape):
        raise WrongAnswer(f"{what} must have shape {tuple(shape)}, but has {tuple(values.shape)}.")
    return values


def compare(
    found: Tensor | float,
    right: Tensor | float,
    says: str,
    mistakes: Mapping[str, Tensor | float],
    hint: str = "look again at how it is defined",
    *,
    rtol: float = 1e-4,
    atol: float = 1e-6,
) -> None:
    """Raise :class:`WrongAnswer` unless ``found`` is ``right``.

    Args:
        found: the reader's result.
        right: what it should be.
        says: both results in words, the beginning of the message.
        mistakes: message → the result of this mistake.
        hint: message for any other result.
        rtol: relative tolerance.
        atol: absolute tolerance.
    """
    if not _close(found, right, rtol, atol):
        named = [why for why, result in mistakes.items() if _close(found, result, rtol, atol)]
        why = named[0] if named else hint
        raise WrongAnswer(f"{says}: {why}{'' if why.endswith('?') else '.'}")


def _close(one: Tensor | float, other: Tensor | float, rtol: float, atol: float) -> bool:
    a, b = (torch.as_tensor(value).double() for value in (one, other))
    return a.shape == b.shape and torch.allclose(a, b, rtol=rtol, atol=atol)


def _kind(answer: object) -> str:
    """Describe an answer of the wrong kind."""
    if answer is None:
        return "None"
    if isinstance(answer, Tensor):
        return f"a tensor of shape {tuple(answer.shape)}"
    if callable(answer):
        return f"a function ({getattr(answer, '__name__', type(answer).__name__)})"
    return f"{answer!r} ({type(answer).__name__})" if isinstance(answer, str | int) else f"a {type(answer).__name__}"
