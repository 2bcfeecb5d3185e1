"""Register additions by name; menus, help and messages list the registered names.

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
    """The type of an option that takes a registered name; the command line recognizes each registry by its subclass.

    Every string is an instance of it.
    """

    __slots__ = ()


class Registry(dict[str, Entry]):
    """The entries of one kind by name, in the order of registration.

    Args:
        kind: what it holds, such as ``colorizer``, for messages.
    """

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind
        self._origins: dict[str, tuple[str, str]] = {}

    def add(self, name: str, entry: Entry, origin: Callable[..., Any]) -> None:
        """Register ``entry``; a module, such as a notebook that runs a cell again, may replace its own entries.

        Args:
            name: unused, or registered by the same module.
            entry: what :meth:`find` returns.
            origin: the class or function that messages name as its source.

        Raises:
            ValueError: another module uses the name, or the name is empty or looks like a path.
        """
        if not isinstance(name, str) or not name or "/" in name or name.endswith(".safetensors"):
            raise ValueError(f"a {self.kind} needs a name that is not a path, such as 'mine'; got {name!r}")
        module = origin.__module__
        if name in self and self._origins[name][0] != module:
            raise ValueError(
                f"the {self.kind} {name!r} is already registered by {self.origin(name)}; choose another name"
            )
        self[name] = entry
        self._origins[name] = module, getattr(origin, "__qualname__", type(origin).__qualname__)

    def adding(self, name: str) -> Callable[[Made], Made]:
        """Return the decorator that registers a class or function unchanged; errors as in :meth:`add`."""

        def register(made: Made) -> Made:
            self.add(name, cast("Entry", made), made)
            return made

        return register

    def find(self, name: str) -> Entry:
        """Return the entry of this name.

        Raises:
            ValueError: the name is unknown; the message lists the known names and the nearest.
        """
        if name not in self:
            raise ValueError(f"no {self.kind} {name!r}; there are {', '.join(self)}{did_you_mean(name, self)}")
        return self[name]

    def origin(self, name: str) -> str:
        """Return where a name was registered, as ``module.Class``."""
        return ".".join(self._origins[name])


def did_you_mean(name: object, names: Iterable[str]) -> str:
    """Return ``"; did you mean …?"`` with the nearest of ``names``, or an empty string if none is near."""
    nearest = difflib.get_close_matches(str(name), list(names), n=1)
    return f"; did you mean {nearest[0]}?" if nearest else ""


def recording(make: Made, note: Callable[[Any, dict[str, Any]], None]) -> Made:
    """Make a class or function record the arguments, with defaults, of each object that it creates.

    Args:
        make: a class, which is changed in place, or a function, which is wrapped. Objects of subclasses are not
            recorded.
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
            del arguments[parameter.name]  # nonempty ones cannot be passed by name
    return arguments


def accepted(function: Callable[..., Any], offered: dict[str, Any]) -> dict[str, Any]:
    """Return the ``offered`` keyword arguments that a function accepts."""
    parameters = inspect.signature(function).parameters.values()
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return offered
    return {name: value for name, value in offered.items() if name in {p.name for p in parameters}}
