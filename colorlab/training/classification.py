"""Train a classifier on color images, for the score of semantic interpretability."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.lr_scheduler import LRScheduler, StepLR

from colorlab.models import CLASSIFIERS, Classifier, ClassifierName, create_classifier
from colorlab.training.distributed import Processes, processes
from colorlab.training.history import History, Result
from colorlab.training.learner import Learner, schedule
from colorlab.training.loop import Run, steps_per_epoch
from colorlab.training.options import RunOptions


@dataclass(frozen=True, kw_only=True)
class ClassifierOptions(RunOptions):
    """Train a classifier."""

    classifier_name: ClassifierName = "vgg16"
    """vgg16; small, for two CPU cores at 32 pixels; squeeze, at 64; or your own."""
    pretrained: bool = True
    """Start vgg16 from ImageNet weights (528 MB) and freeze its convolutions."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_choices({"classifier_name": tuple(CLASSIFIERS)})


class ClassifierTraining(Result[Classifier]):
    """The result of :func:`train_classifier`."""


class Classification(Learner):
    """Minimize cross entropy by SGD. ``vgg16``: 0.01, divided by 10 every 5 epochs; others: one cycle, peak 0.1."""

    def __init__(
        self, options: ClassifierOptions, classes: tuple[str, ...], together: Processes, steps_per_epoch: int
    ) -> None:
        super().__init__(options, together)
        network = create_classifier(options.classifier_name, classes, pretrained=options.pretrained)
        self.network = self.place(network)
        self.forward = self.callable_(self.network)
        learning = [parameter for parameter in self.network.parameters() if parameter.requires_grad]
        self.schedule: LRScheduler
        if options.classifier_name == "vgg16":
            self.optimizer = torch.optim.SGD(learning, 0.01, momentum=0.9)
            self.schedule = StepLR(self.optimizer, 5 * steps_per_epoch, gamma=0.1)
        else:
            self.optimizer = torch.optim.SGD(learning, 0.1, momentum=0.9, weight_decay=5e-4, nesterov=True)
            self.schedule = schedule(self.optimizer, "one-cycle", 0.1, steps_per_epoch * options.max_epochs)
        self.parts |= {"network": self.network, "optimizer": self.optimizer, "schedule": self.schedule}

    @property
    def model(self) -> nn.Module:
        """Return the classifier."""
        return self.network

    @property
    def learning_rate(self) -> float:
        """Return the learning rate of the next training step."""
        return float(self.optimizer.param_groups[0]["lr"])

    def epoch_score(self, row: Mapping[str, float]) -> float:
        """Return the validation accuracy, as in the original framework."""
        return row["val_accuracy"]

    def train_step(self, rgb: Tensor, labels: Tensor) -> Mapping[str, Tensor]:
        """Train on a batch and return ``loss``, the cross entropy in nats, and ``accuracy`` in 0…1 (top-1)."""
        self.optimizer.zero_grad()
        sums = {"loss": torch.zeros((), device=self.device), "accuracy": torch.zeros((), device=self.device)}
        for part, part_labels in zip(self.parts_of(rgb), self.parts_of(labels), strict=True):
            share = len(part) / len(rgb)
            scores = self._scores(self.forward, part, part_labels)
            self.scaler.scale(scores["loss"] * share).backward()  # type: ignore[no-untyped-call]
            for name, value in scores.items():
                sums[name] += value.detach() * share
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.schedule.step()
        return sums

    def scores(self, rgb: Tensor, labels: Tensor) -> Mapping[str, Tensor]:
        """Return ``loss`` and ``accuracy`` of a validation batch, as in training."""
        return self._scores(self.network, rgb, labels)

    def _scores(self, network: nn.Module, rgb: Tensor, labels: Tensor) -> dict[str, Tensor]:
        values = (rgb.to(self.device, non_blocking=True).float() / 255).contiguous(memory_format=self.layout)
        labels = labels.to(self.device, non_blocking=True)
        with self.autocast:
            logits: Tensor = network(values).float()
        return {
            "loss": F.cross_entropy(logits, labels),
            "accuracy": (logits.argmax(dim=1) == labels).float().mean(),
        }


def train_classifier(
    options: ClassifierOptions | None = None, *, on_epoch: Callable[[History], None] | None = None
) -> ClassifierTraining:
    """Train a classifier; files and errors are those of :func:`colorlab.training.train`, without images.

    ``best.safetensors`` is from the epoch with the highest validation accuracy.
    """
    options = options or ClassifierOptions()
    with processes(options.torch_device()) as together:
        trainset, valset = options.dataset("train"), options.dataset("val")
        torch.manual_seed(options.seed)
        steps = steps_per_epoch(options, len(trainset), together)
        learner = Classification(options, trainset.classes, together, steps)
        history = History()
        run = Run(options, learner, trainset, valset, history, together, options.classifier_name)
        run.train(on_epoch)
        return ClassifierTraining(learner.network.eval(), history, options.folder, run.stopped)
