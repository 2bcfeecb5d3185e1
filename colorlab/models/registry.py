"""Colorizers by name: the registry, and what makes a colorizer of any network from lightness to a and b."""

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
        """The name of a registered colorizer, which the command line knows by this type."""

    Model = ColorizerName


@dataclass(frozen=True)
class Architecture:
    """A registered colorizer.

    Attributes:
        build: makes the network, with random weights.
        size: side in pixels of the images that it is trained on by default.
        discriminator: makes the network that it is trained against; None for regression.
    """

    build: Callable[..., nn.Module]
    size: int
    discriminator: Callable[[], Discriminator] | None = None


COLORIZERS: Registry[Architecture] = Registry("colorizer")
"""The colorizers that can be trained, by name."""

# What earlier versions knew, and what took its place.
_SUCCESSORS = {"colorlab": "distribution"}


def register_colorizer(
    name: str, *, size: int | None = None, discriminator: Callable[[], Discriminator] | None = None
) -> Callable[[Builder], Builder]:
    """Register a network under a name, for ``train``, ``evaluate``, ``load`` and the command line.

    To be written above a class of networks, or a function that makes one: any ``nn.Module`` whose ``forward`` gives
    a and b divided by 110, ``(N, 2, H, W)``, for lightness in [-1, 1], ``(N, 1, H, W)``. What it is constructed with
    is saved with its weights, so it must be what JSON can hold: numbers, strings, lists.

    Args:
        name: of the network.
        size: side in pixels of the images that it is trained on unless others are asked for; by default its
            ``working_size``, or 32.
        discriminator: makes a :class:`Discriminator` that it is then trained against, adversarially.

    Raises:
        ValueError: another module has taken the name.
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
    """Return a colorizer with random weights, drawn from torch's global generator; a given network as it is.

    Args:
        model: the name of a registered colorizer (:data:`COLORIZERS`), or a network from lightness to a and b.
        arguments: of its constructor, such as the backbone of ``distribution``.

    Raises:
        ValueError: an unknown name, or a network that gives something else for lightness.
        TypeError: neither name nor network.
    """
    if isinstance(model, nn.Module):
        return model if isinstance(model, Colorizer) else ModuleColorizer(model)
    if not isinstance(model, str):
        raise TypeError(f"a model is a name or an nn.Module, not {type(model).__name__}")
    if model in _SUCCESSORS:
        raise ValueError(f"the colorizer {model!r} is gone; its successor is {_SUCCESSORS[model]!r}")
    return create_colorizer(COLORIZERS.find(model).build(**arguments))


def name_of(model: Model) -> str:
    """The name that a network was registered under, or else that of its class."""
    if isinstance(model, str):
        return model
    name: str = getattr(model, "name", "") if isinstance(model, Colorizer) else ""
    network = model.network if isinstance(model, ModuleColorizer) else model
    return name or vars(network).get("_colorizer", {}).get("name", "") or type(network).__name__


def size_of(model: Model) -> int:
    """Side in pixels of the images that a model is trained on unless others are asked for."""
    if isinstance(model, str):
        return COLORIZERS.find(model).size
    noted = vars(model).get("_colorizer", {})
    size: int = noted.get("working_size") or getattr(model, "working_size", Colorizer.working_size)
    return size


def has_discriminator(model: Model) -> bool:
    """Whether a colorizer is one half of an adversarial pair."""
    entry = COLORIZERS.get(name_of(model))
    return entry is not None and entry.discriminator is not None


def create_discriminator(model: Model) -> Discriminator:
    """Return the other half of an adversarial pair, with random weights.

    Args:
        model: a colorizer with a discriminator, or its name.

    Raises:
        ValueError: an unknown name, or a colorizer that is trained by regression alone.
    """
    entry = COLORIZERS.get(name_of(model))
    if entry is None or entry.discriminator is None:
        pairs = [name for name, other in COLORIZERS.items() if other.discriminator]
        raise ValueError(f"no discriminator for {name_of(model)!r}; there are those of {', '.join(pairs)}")
    return entry.discriminator()
