"""Names for things: one registry for each kind of addition, from which menus, help and messages are made.

The kinds are colorizers and classifiers (:mod:`colorlab.models`), datasets (:mod:`colorlab.data`), objectives
(:mod:`colorlab.training`) and scores (:mod:`colorlab.evaluation`).
"""

from __future__ import annotations

import difflib
import functools
import inspect
from collections.abc import Callable, Iterable
from typing import Any, TypeVar, cast

Entry = TypeVar("Entry")
Made = TypeVar("Made", bound=Callable[..., Any])


class _AnyString(type):
    def __instancecheck__(cls, value: object) -> bool:
        return isinstance(value, str)


class Name(str, metaclass=_AnyString):
    """The type of an option that takes names of a registry, a subclass for each: the command line knows it by that.

    Every string is an instance of it; none is ever made.
    """

    __slots__ = ()


class Registry(dict[str, Entry]):
    """What there is of one kind, by name, in the order in which it was registered.

    Args:
        kind: what it holds, for messages: ``colorizer``.
    """

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind
        self._origins: dict[str, tuple[str, str]] = {}

    def add(self, name: str, entry: Entry, origin: Callable[..., Any]) -> None:
        """Register ``entry``; a module may replace what it registered itself, as a cell that is run again does.

        Args:
            name: free, or registered by the same module.
            entry: what :meth:`find` gives.
            origin: the class or function behind it, from which messages say where it comes from.

        Raises:
            ValueError: another module has taken the name, or it is empty or looks like a path.
        """
        if not isinstance(name, str) or not name or "/" in name or name.endswith(".safetensors"):
            raise ValueError(f"a {self.kind} needs a name that is no path, such as 'mine'; got {name!r}")
        module = origin.__module__
        if name in self and self._origins[name][0] != module:
            raise ValueError(
                f"the {self.kind} {name!r} is registered already, by {self.origin(name)}; choose another name"
            )
        self[name] = entry
        self._origins[name] = module, getattr(origin, "__qualname__", type(origin).__qualname__)

    def adding(self, name: str) -> Callable[[Made], Made]:
        """Return the decorator that registers a class or function as it is; errors as in :meth:`add`."""

        def register(made: Made) -> Made:
            self.add(name, cast("Entry", made), made)
            return made

        return register

    def find(self, name: str) -> Entry:
        """Return the entry of this name.

        Raises:
            ValueError: an unknown name; the message lists the known ones and names the nearest.
        """
        if name not in self:
            raise ValueError(f"no {self.kind} {name!r}; there are {', '.join(self)}{did_you_mean(name, self)}")
        return self[name]

    def origin(self, name: str) -> str:
        """Where a name was registered, as ``module.Class``."""
        return ".".join(self._origins[name])


def did_you_mean(name: object, names: Iterable[str]) -> str:
    """Return ``"; did you mean …?"`` with the nearest of ``names``, or nothing where none is near."""
    nearest = difflib.get_close_matches(str(name), list(names), n=1)
    return f"; did you mean {nearest[0]}?" if nearest else ""


def recording(make: Made, note: Callable[[Any, dict[str, Any]], None]) -> Made:
    """Let a class or builder note on each object that it makes what it was called with, defaults included.

    Args:
        make: a class, which is changed in place, or a function, which is wrapped. Objects of subclasses are not
            noted.
        note: called with the object and its arguments by name.

    Returns:
        The class, or the wrapped function.
    """
    if not inspect.isclass(make):
        signature = inspect.signature(make)

        @functools.wraps(make)
        def build(*given: Any, **named: Any) -> Any:  # noqa: ANN401  what the function returns
            made = make(*given, **named)
            note(made, _arguments(signature, given, named))
            return made

        return build  # type: ignore[return-value]
    kind: Any = make
    original = kind.__init__
    signature = inspect.signature(original)

    @functools.wraps(original)
    def initialize(self: object, *given: Any, **named: Any) -> None:  # noqa: ANN401  the constructor's own
        original(self, *given, **named)
        if type(self) is kind:
            arguments = _arguments(signature, (self, *given), named)
            note(self, dict(list(arguments.items())[1:]))

    kind.__init__ = initialize
    return make


def _arguments(signature: inspect.Signature, given: tuple[Any, ...], named: dict[str, Any]) -> dict[str, Any]:
    bound = signature.bind(*given, **named)
    bound.apply_defaults()
    arguments = dict(bound.arguments)
    for parameter in signature.parameters.values():
        if parameter.kind is parameter.VAR_KEYWORD:
            arguments |= arguments.pop(parameter.name)
        elif parameter.kind is parameter.VAR_POSITIONAL and not arguments[parameter.name]:
            del arguments[parameter.name]  # what is not empty could not be given by name
    return arguments


def accepted(function: Callable[..., Any], offered: dict[str, Any]) -> dict[str, Any]:
    """Return those of the ``offered`` keyword arguments that a function takes."""
    parameters = inspect.signature(function).parameters.values()
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return offered
    return {name: value for name, value in offered.items() if name in {p.name for p in parameters}}
