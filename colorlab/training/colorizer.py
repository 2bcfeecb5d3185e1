"""Train a colorizer and write the files of the run."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import torch
from torch import nn

from colorlab.data import Data
from colorlab.models import Colorizer, Model, name_of
from colorlab.registry import did_you_mean
from colorlab.training.adversarial import Adversarial
from colorlab.training.distributed import processes
from colorlab.training.hinting import HintLearning
from colorlab.training.history import History, Result
from colorlab.training.loop import Progress, Run, StopRequest, steps_per_epoch
from colorlab.training.options import TrainingOptions
from colorlab.training.regression import Regression
from colorlab.training.watching import watched


class Training(Result[Colorizer]):
    """The result of :func:`train`."""


def train(
    model: Model | TrainingOptions = TrainingOptions.model_name,
    data: Data | Sequence[Data] | None = None,
    validation: Data | None = None,
    *,
    on_epoch: Callable[[History], None] | None = None,
    on_batch: Callable[[Progress], None] | None = None,
    stop: StopRequest | None = None,
    **options: Any,  # noqa: ANN401  of TrainingOptions, which checks them
) -> Training:
    """Train a colorizer and write the run's files: ``train("unet32", "photos/", max_epochs=20)``.

    Networks with a discriminator are trained adversarially, the others by regression. ``train`` writes into
    ``options.folder``: ``options.json``; ``train_stats.csv``, the history's table; ``epochs/NNN.png``, the watched
    validation images (gray, colored, true in three rows); ``last.safetensors``; ``best.safetensors``, from the
    epoch of the highest score (:meth:`Regression.epoch_score`, the lowest validation loss;
    :meth:`Adversarial.epoch_score`); ``checkpoint.pt``, to resume from.

    An interrupt (Ctrl-C, a notebook's stop button) stops training after the current batch and keeps the weights.
    Interrupts only reach the main thread; to stop a run in another thread, use ``stop``.

    Args:
        model: a colorizer's name, or any network (``nn.Module``) from lightness in [-1, 1], ``(N, 1, H, W)``, to a
            and b divided by 110, ``(N, 2, H, W)``, which is trained in place. Or a :class:`TrainingOptions` object,
            which replaces all other arguments but the callbacks.
        data: what to train on: a dataset's name; the path of a folder or tar of images; a
            ``torch.utils.data.Dataset`` of images, uint8 RGB ``(3, H, W)``, and the numbers of their classes; or a
            list of these. By default ``placeholder``.
        validation: what to validate on; by default the validation images of ``data`` (the first in a list). Of a
            Dataset, a random tenth is held out.
        on_epoch: called with the history after each epoch.
        on_batch: called every ``batch_output_frequency`` batches, in place of the progress bar.
        stop: set its ``made`` to stop the run as an interrupt does.
        options: any of :class:`TrainingOptions`, such as ``max_epochs``, ``learning_rate``, ``loss``, ``image_size``
            or ``experiment_name``.

    Returns:
        The trained model with its history. The same options give the same result on the same machine, even if the
        run was killed and resumed.

    Raises:
        ValueError: an option is not available on this machine or makes no difference to this model, or the folder
            holds an unfinished run.
        TypeError: an unknown option.
        TrainingDivergedError: the loss became NaN or infinite.
    """
    if not isinstance(model, TrainingOptions):
        return train(_options(model, data, validation, options), on_epoch=on_epoch, on_batch=on_batch, stop=stop)
    if data is not None or validation is not None or options:
        raise TypeError("train takes either TrainingOptions, or a model, data and options by name, not both")
    return _train(model, on_epoch, on_batch, stop)


def _options(
    model: Model, data: Data | Sequence[Data] | None, validation: Data | None, more: Mapping[str, object]
) -> TrainingOptions:
    """Return the arguments of :func:`train` as one object."""
    names = [field.name for field in dataclasses.fields(TrainingOptions)]
    unknown = [name for name in more if name not in names]
    if unknown:
        hint = did_you_mean(unknown[0], names) or f"; there are {', '.join(names)}"
        raise TypeError(f"train has no option {unknown[0]!r}{hint}")
    if not isinstance(model, str | nn.Module):
        raise TypeError(f"model must be a colorizer's name or an nn.Module, not {type(model).__name__}")
    given: dict[str, Any] = {"model_name": model, **more}
    if data is not None:
        first, *others = data if isinstance(data, list | tuple) and data else [data]
        given |= {"dataset_name": first, "also_train_on": (*others, *given.get("also_train_on", ()))}
    if validation is not None:
        given["validate_on"] = validation
    return TrainingOptions(**given)


def _train(
    options: TrainingOptions,
    on_epoch: Callable[[History], None] | None,
    on_batch: Callable[[Progress], None] | None,
    stop: StopRequest | None,
) -> Training:
    device = options.torch_device()
    with processes(device) as together:
        if together.writes:
            for sentence in options.notes():
                print(f"colorlab: {sentence}", file=sys.stderr)
        trainset, valset = options.dataset("train"), options.dataset("val")
        torch.manual_seed(options.seed)
        steps = steps_per_epoch(options, len(trainset), together) * options.max_epochs
        learner: Adversarial | Regression
        if options.adversarial:
            learner = Adversarial(options, together, steps)
        else:
            learn = HintLearning if options.learn_hints else Regression
            learner = learn(options, together, steps, trainset)
        learner.check_size(options.size)
        cast("Colorizer", learner.model).working_size = options.size
        history = History(truth=watched(valset, options.max_images))
        run = Run(options, learner, trainset, valset, history, together, name_of(options.model_name))
        run.train(on_epoch, on_batch, stop)
        return Training(cast("Colorizer", learner.model.eval()), history, options.folder, run.stopped)
