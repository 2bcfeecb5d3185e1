"""Exercises of the notebooks, checked by code: ``exercises.check("01.1", answer)``.

Each is named after its notebook and its place there. The answer is a number, a function or whatever the exercise asks
for; what comes back says why it is right, or which mistake it looks like. Checks compare with the package's own
functions or with truth from outside (SciPy, scikit-image, Pillow), never with a stored result. Worked solutions are
in ``notebooks/solutions``.
"""

from __future__ import annotations

# Each of these modules registers its checks.
from colorlab.exercises import color, networks, scores
from colorlab.exercises.checking import EXERCISES, Verdict, WrongAnswer

__all__ = ["EXERCISES", "Verdict", "check", "color", "networks", "scores"]


def check(exercise: str, answer: object) -> Verdict:
    """Whether an answer is right, and why, or why not.

    Args:
        exercise: its name in the notebook, such as ``"01.1"``; one of :data:`EXERCISES`.
        answer: what the exercise asks for. A function is called with small inputs; an error that it raises is raised
            here.

    Returns:
        A verdict that prints as one sentence or a few, and is true where the answer is right.

    Raises:
        ValueError: there is no such exercise.
    """
    if exercise not in EXERCISES:
        raise ValueError(f"no exercise {exercise!r} is checked; there are {', '.join(sorted(EXERCISES))}")
    try:
        return Verdict(True, EXERCISES[exercise](answer))
    except WrongAnswer as wrong:
        return Verdict(False, str(wrong))
