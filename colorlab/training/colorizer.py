"""Training a colorizer: which objective belongs to which name, and the files of a run."""

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
    """A run of :func:`train`."""


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

    Networks with a discriminator are trained adversarially, the others by regression. Under ``options.folder``:
    ``options.json``; ``train_stats.csv``, the history's table; ``epochs/NNN.png``, the watched validation images
    (gray, colored, true in three rows); ``last.safetensors`` and ``best.safetensors``, the latter from the epoch
    of the highest merit (:meth:`Regression.merit`, the lowest validation loss; :meth:`Adversarial.merit`);
    ``checkpoint.pt``, to resume from.

    An interrupt (Ctrl-C, a notebook's stop button) ends the epoch after the current batch; what was learned is kept.
    Interrupts only reach the main thread; a run in another one is stopped by its ``stop``.

    Args:
        model: a colorizer's name, or any network (``nn.Module``) from lightness in [-1, 1], ``(N, 1, H, W)``, to a
            and b divided by 110, ``(N, 2, H, W)``, which is trained in place. Or, instead of all but the callbacks, a
            :class:`TrainingOptions` object.
        data: what to train on: a dataset's name; the path of a folder or tar of images; a
            ``torch.utils.data.Dataset`` of images, uint8 RGB ``(3, H, W)``, and the numbers of their classes; or a
            list of these. By default ``placeholder``.
        validation: what to validate on; by default the validation images of ``data`` (the first in a list), of a
            Dataset a tenth, which is then not trained on.
        on_epoch: called with the history after each epoch, to draw it, say.
        on_batch: called between batches, every ``batch_output_frequency`` of them, in place of the progress bar.
        stop: setting its ``made`` does what an interrupt does.
        options: any of :class:`TrainingOptions`, such as ``max_epochs``, ``learning_rate``, ``loss``, ``image_size``
            or ``experiment_name``.

    Returns:
        The trained model with its history. With the same options on the same machine, always the same, also when the
        run was killed and resumed in between.

    Raises:
        ValueError: an option that cannot be had on this machine or makes no difference to this model, or a folder
            that holds an unfinished run.
        TypeError: an unknown option.
        TrainingDivergedError: the loss became infinite or no number.
    """
    if not isinstance(model, TrainingOptions):
        return train(_options(model, data, validation, options), on_epoch=on_epoch, on_batch=on_batch, stop=stop)
    if data is not None or validation is not None or options:
        raise TypeError("train takes either TrainingOptions, or a model, data and options by name, not both")
    return _train(model, on_epoch, on_batch, stop)


def _options(
    model: Model, data: Data | Sequence[Data] | None, validation: Data | None, more: Mapping[str, object]
) -> TrainingOptions:
    """The arguments of :func:`train` as one object."""
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
