"""Register colorizers by name, and create them from names or from any network from lightness to a and b."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from torch import nn

from colorlab.models.colorizer import Colorizer, ModuleColorizer
from colorlab.models.discriminator import Discriminator
from colorlab.registry import Name, Registry, recording

Builder = TypeVar("Builder", bound=Callable[..., nn.Module])

if TYPE_CHECKING:
    ColorizerName = str
    Model = str | nn.Module
else:

    class ColorizerName(Name):
        """The name of a registered colorizer; the command line recognizes it by this type."""

    Model = ColorizerName


@dataclass(frozen=True)
class Architecture:
    """A registered colorizer.

    Attributes:
        build: creates the network, with random weights.
        size: default side in pixels of its training images.
        discriminator: creates the discriminator that it is trained against; None for regression.
    """

    build: Callable[..., nn.Module]
    size: int
    discriminator: Callable[[], Discriminator] | None = None


COLORIZERS: Registry[Architecture] = Registry("colorizer")
"""The colorizers that can be trained, by name."""

# Names of earlier versions → their successors.
_SUCCESSORS = {"colorlab": "distribution"}


def register_colorizer(
    name: str, *, size: int | None = None, discriminator: Callable[[], Discriminator] | None = None
) -> Callable[[Builder], Builder]:
    """Register a network under a name, for ``train``, ``evaluate``, ``load`` and the command line.

    This decorates a class, or a function that returns a network: any ``nn.Module`` whose ``forward`` returns a and b
    divided by 110, ``(N, 2, H, W)``, for lightness in [-1, 1], ``(N, 1, H, W)``. Its constructor's arguments are
    saved with its weights, so they must be JSON values: numbers, strings, lists.

    Args:
        name: of the network.
        size: default side in pixels of its training images; if not given, its ``working_size``, or 32.
        discriminator: creates a :class:`Discriminator`, against which it is then trained.

    Raises:
        ValueError: another module uses the name.
    """

    def register(build: Builder) -> Builder:
        own: int = getattr(build, "working_size", Colorizer.working_size)
        side = size or own

        def note(network: nn.Module, arguments: dict[str, Any]) -> None:
            if not isinstance(network, nn.Module):
                raise TypeError(f"the colorizer {name!r} must make an nn.Module, not {type(network).__name__}")
            noted: dict[str, Any] = {"name": name, "arguments": arguments, "working_size": side}
            if isinstance(network, Colorizer):
                vars(network).update(noted)
            else:
                vars(network)["_colorizer"] = noted

        recorded = recording(build, note)
        COLORIZERS.add(name, Architecture(recorded, side, discriminator), build)
        return recorded

    return register


def create_colorizer(model: Model, **arguments: Any) -> Colorizer:  # noqa: ANN401  the constructor's own
    """Return a colorizer with random weights from torch's global generator, or a given network unchanged.

    Args:
        model: the name of a registered colorizer (:data:`COLORIZERS`), or a network from lightness to a and b.
        arguments: of its constructor, such as the backbone of ``distribution``.

    Raises:
        ValueError: the name is unknown, or the network does not return a and b.
        TypeError: ``model`` is neither a name nor a network.
    """
    if isinstance(model, nn.Module):
        return model if isinstance(model, Colorizer) else ModuleColorizer(model)
    if not isinstance(model, str):
        raise TypeError(f"a model is a name or an nn.Module, not {type(model).__name__}")
    if model in _SUCCESSORS:
        raise ValueError(f"the colorizer {model!r} was removed; use {_SUCCESSORS[model]!r}")
    return create_colorizer(COLORIZERS.find(model).build(**arguments))


def name_of(model: Model) -> str:
    """Return a network's registered name, or else the name of its class."""
    if isinstance(model, str):
        return model
    name: str = getattr(model, "name", "") if isinstance(model, Colorizer) else ""
    network = model.network if isinstance(model, ModuleColorizer) else model
    return name or vars(network).get("_colorizer", {}).get("name", "") or type(network).__name__


def size_of(model: Model) -> int:
    """Return the default side in pixels of a model's training images."""
    if isinstance(model, str):
        return COLORIZERS.find(model).size
    noted = vars(model).get("_colorizer", {})
    size: int = noted.get("working_size") or getattr(model, "working_size", Colorizer.working_size)
    return size


def has_discriminator(model: Model) -> bool:
    """Return whether a colorizer is trained against a discriminator."""
    entry = COLORIZERS.get(name_of(model))
    return entry is not None and entry.discriminator is not None


def create_discriminator(model: Model) -> Discriminator:
    """Return the discriminator of a colorizer, with random weights.

    Args:
        model: a colorizer with a discriminator, or its name.

    Raises:
        ValueError: the name is unknown, or the colorizer has no discriminator.
    """
    entry = COLORIZERS.get(name_of(model))
    if entry is None or entry.discriminator is None:
        pairs = [name for name, other in COLORIZERS.items() if other.discriminator]
        raise ValueError(f"no discriminator for {name_of(model)!r}; there are those of {', '.join(pairs)}")
    return entry.discriminator()
