"""Define the base class of all discriminators, which tell real images from generated ones."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor, nn


class Discriminator(nn.Module, ABC):
    """A network from an image, as lightness and a and b in network units, to logits: positive for "real".

    It must not end in a sigmoid: the objective (:func:`torch.nn.functional.binary_cross_entropy_with_logits`) applies
    one, and two of them would limit every output to (0.5, 0.73).
    """

    name: str = ""
    """The colorizer's name, under which :func:`colorlab.models.create_discriminator` finds it."""

    smallest: int = 1
    """Height and width must be at least this."""

    def forward(self, lightness: Tensor, ab: Tensor) -> Tensor:
        """Return logits, ``(N, 1, h, w)``: one for each patch that the last layer sees.

        Args:
            lightness: ``(N, 1, H, W)`` in [-1, 1].
            ab: ``(N, 2, H, W)``, a and b divided by 110.

        Raises:
            ValueError: the images are smaller than :attr:`smallest`.
        """
        self.check_input(lightness)
        return self.judge(lightness, ab)

    def check_input(self, lightness: Tensor) -> None:
        """Raise an error that names the accepted sizes, if this one is not accepted."""
        height, width = lightness.shape[-2:]
        if min(height, width) < self.smallest:
            raise ValueError(
                f"the discriminator of {self.name} needs images of at least {self.smallest} pixels, "
                f"got {height}×{width}"
            )

    @abstractmethod
    def judge(self, lightness: Tensor, ab: Tensor) -> Tensor:
        """Compute :meth:`forward` without its check; each architecture implements this."""
