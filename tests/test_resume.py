"""Long runs: killed, interrupted or diverged, a run loses nothing and goes on to the weights it would have had."""

from __future__ import annotations

import dataclasses
import itertools
import multiprocessing
import os
import pickle
import random
import signal
import time

import pandas as pd
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from colorlab.data import create_dataset
from colorlab.models import describe_weights, load_weights
from colorlab.training import OBJECTIVES, TrainingDivergedError, TrainingOptions, train
from colorlab.training.checkpoint import load_state, save_state

# Its server has one thread and has imported torch already: a child that trains is there at once.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["colorlab.training", "pytest", __name__])

REGRESSION = {"model_name": "resnet", "image_size": 16}
AVERAGED = {**REGRESSION, "ema": 0.9, "schedule": "cosine", "loss": "huber"}
ADVERSARIAL = {"model_name": "nazerigan32", "image_size": 32, "max_epochs": 2, "train_batch_size": 24}


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """A folder of 40 training and 8 validation images of two classes."""
    folder = tmp_path_factory.mktemp("images")
    for split, step in (("train", 24), ("val", 25)):
        for number, image in enumerate(create_dataset("placeholder", split).rgb[::step]):
            place = folder / split / ("odd" if number % 2 else "even")
            place.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image.movedim(0, -1).numpy()).save(place / f"{number:02d}.png")
    return folder


@pytest.fixture(scope="module")
def output(tmp_path_factory):
    return tmp_path_factory.mktemp("output")


@pytest.fixture
def a_run(images, tmp_path):
    """Options of a run of a second, with a checkpoint after every batch, in its own folder or another one."""

    def options(name="run", *, root=tmp_path, **others):
        return TrainingOptions(
            **{
                "experiment_name": name,
                "output_root_path": root,
                "dataset_name": str(images),
                "max_epochs": 3,
                "train_batch_size": 12,
                "max_images": 2,
                "checkpoint_minutes": 0.0,
                **REGRESSION,
                **others,
            }
        )

    return options


def in_child(function, *arguments):
    child = PROCESSES.Process(target=function, args=arguments)
    child.start()
    return child


def ends_well(child):
    child.join()
    return child.exitcode == 0


def train_in_child(options, began):
    torch.set_num_threads(1)
    began.set()
    train(options)


def assert_same_outcome(folder, expected):
    """Bit for bit, apart from how fast it went."""
    for name in ("last.safetensors", "best.safetensors"):
        ours, theirs = load_file(folder / name), load_file(expected / name)
        assert ours.keys() == theirs.keys()
        assert [key for key in theirs if not torch.equal(ours[key], theirs[key])] == []
        assert describe_weights(folder / name)["epoch"] == describe_weights(expected / name)["epoch"]
    ours, theirs = (pd.read_csv(where / "train_stats.csv", index_col="epoch") for where in (folder, expected))
    pd.testing.assert_frame_equal(
        ours.drop(columns="images_per_second"), theirs.drop(columns="images_per_second"), check_exact=True
    )
    sheets = [sorted(path.name for path in (where / "epochs").iterdir()) for where in (folder, expected)]
    assert [name for name in sheets[0] if not name.endswith(".part")] == sheets[1]
    for name in sheets[1]:
        assert (folder / "epochs" / name).read_bytes() == (expected / "epochs" / name).read_bytes()


# Killed


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "kills"), [(REGRESSION, 20), (AVERAGED, 4), (ADVERSARIAL, 4)], ids=["regression", "ema", "adversarial"]
)
def test_a_run_killed_at_random_moments_ends_as_if_it_had_not_been(a_run, kind, kills):
    straight = a_run("straight", **kind)
    began = PROCESSES.Event()
    assert ends_well(in_child(train_in_child, straight, began))
    files = [path.stat().st_mtime for path in straight.folder.rglob("*")]
    duration = max(files) - min(files)
    rng = random.Random(0)
    killed = finished = 0
    while True:
        began.clear()
        options = a_run(f"killed-{finished}", resume=True, **kind)
        child = in_child(train_in_child, options, began)
        began.wait()
        if killed < kills:
            child.join(rng.uniform(0, duration / 3))
            child.kill()
        child.join()
        if child.exitcode == 0:
            assert_same_outcome(options.folder, straight.folder)
            finished += 1
            if killed == kills:
                break
        else:
            assert child.exitcode == -signal.SIGKILL
            killed += 1


def train_until_a_rename(options, number, state):
    """Kills itself when the ``number``-th file is about to get its name, half written or whole, or just got it."""
    torch.set_num_threads(1)
    rename, renames = os.replace, itertools.count(1)

    def deadly(unfinished, path):
        if next(renames) == number:
            if state == "half":
                os.truncate(unfinished, os.stat(unfinished).st_size // 2)
            if state == "named":
                rename(unfinished, path)
            os.kill(os.getpid(), signal.SIGKILL)
        rename(unfinished, path)

    os.replace = deadly
    train(options)


@pytest.mark.slow
def test_a_run_killed_inside_the_writing_of_any_file_goes_on(a_run):
    few = {"max_epochs": 1, "train_batch_size": 20}
    straight = a_run("straight", **few)
    train(straight)
    leftovers = set()
    for number, state in zip(itertools.count(1), itertools.cycle(["half", "whole", "named"])):
        options = a_run(f"killed-{number}", resume=True, **few)
        child = in_child(train_until_a_rename, options, number, state)
        child.join()
        if child.exitcode == 0:  # so many files are not written
            break
        assert child.exitcode == -signal.SIGKILL
        leftovers |= {path.name for path in options.folder.rglob("*.part")}
        train(options)
        assert_same_outcome(options.folder, straight.folder)
    assert {"checkpoint.pt.part", "last.safetensors.part", "best.safetensors.part"} <= leftovers


def test_a_checkpoint_is_the_old_one_or_the_new_one(tmp_path):
    path = tmp_path / "checkpoint.pt"
    save_state(path, {"weights": torch.arange(1000), "epoch": 1})
    for state, epoch in (("half", 1), ("whole", 1), ("named", 2)):
        child = in_child(save_until_a_rename, path, state)
        child.join()
        assert child.exitcode == -signal.SIGKILL
        assert load_state(path)["epoch"] == epoch
    # What is left of an unfinished one is in nobody's way.
    save_state(path, {"epoch": 3})
    assert load_state(path) == {"epoch": 3}
    assert list(tmp_path.iterdir()) == [path]


def save_until_a_rename(path, state):
    rename = os.replace

    def deadly(unfinished, path):
        if state == "half":
            os.truncate(unfinished, os.stat(unfinished).st_size // 2)
        if state == "named":
            rename(unfinished, path)
        os.kill(os.getpid(), signal.SIGKILL)

    os.replace = deadly
    save_state(path, {"weights": torch.arange(1000), "epoch": 2})


# Interrupted


def interrupt(history):
    if len(history.rows) == 1:
        signal.raise_signal(signal.SIGINT)


@pytest.mark.slow
def test_an_interrupt_ends_the_epoch_and_keeps_what_was_learned(a_run):
    straight = train(a_run("straight"))
    options = a_run()
    training = train(options, on_epoch=interrupt)
    assert training.stopped
    assert not straight.stopped
    # Asked for after epoch 1, granted after the next batch.
    assert training.history.table().index.tolist() == [1, 2]
    assert len(pd.read_csv(options.folder / "train_stats.csv")) == 2
    kept = load_weights(options.folder / "last.safetensors").state_dict()
    assert all(torch.equal(kept[name], tensor) for name, tensor in training.model.state_dict().items())
    after_one = straight.history.table().loc[1].drop("images_per_second")
    pd.testing.assert_series_equal(training.history.table().loc[1].drop("images_per_second"), after_one)

    resumed = train(dataclasses.replace(options, resume=True))
    assert not resumed.stopped
    assert_same_outcome(options.folder, straight.folder)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_stopped_epoch_is_not_the_best_of_a_run(a_run):
    """Its continuation does not know it: weights called best must be those of a row that stays."""
    options = a_run()
    assert train(options, on_epoch=interrupt).stopped
    assert describe_weights(options.folder / "best.safetensors")["epoch"] == 1
    table = train(dataclasses.replace(options, resume=True)).history.table()
    assert describe_weights(options.folder / "best.safetensors")["epoch"] == table["val_loss"].idxmin()


def test_interrupts_from_outside_end_a_run_whole(a_run):
    # In a process of its own, at whatever moment the signal finds it; again and again until the run is complete.
    straight = a_run("straight")
    train(straight)
    options = a_run(resume=True)
    for _ in range(40):
        began = PROCESSES.Event()
        child = in_child(train_in_child, options, began)
        began.wait()
        while child.is_alive() and not (options.folder / "checkpoint.pt").exists():
            time.sleep(0.01)
        os.kill(child.pid, signal.SIGINT)
        child.join()
        # Between the run's own handler and the end, Python's own may get it; nothing is lost either way.
        assert child.exitcode in (0, 1)
        state = load_state(options.folder / "checkpoint.pt")
        if state["epoch"] > options.max_epochs:
            break
    train(options)
    assert_same_outcome(options.folder, straight.folder)


def test_a_second_interrupt_is_not_waited_out(a_run):
    def twice(history):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        train(a_run(), on_epoch=twice)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


# Diverged


def test_a_loss_that_is_no_number_is_named_and_the_last_good_state_kept(a_run, monkeypatch):
    straight = train(a_run("straight"))
    calls = itertools.count(1)
    mse = OBJECTIVES["mse"]

    def failing(predicted, target):
        # The objective is asked four times for training and once for validation in an epoch.
        return mse(predicted, target) * (float("nan") if next(calls) == 5 + 3 else 1)

    monkeypatch.setitem(OBJECTIVES, "mse", failing)
    options = a_run()
    with pytest.raises(
        TrainingDivergedError,
        match=r"epoch 2, batch 3, at a learning rate of \d.*; .*checkpoint.pt holds the last good state",
    ) as it:
        train(options)
    assert str(options.folder / "checkpoint.pt") in str(it.value)
    assert "\n" not in str(it.value)
    monkeypatch.undo()
    train(dataclasses.replace(options, resume=True))
    assert_same_outcome(options.folder, straight.folder)


@pytest.mark.parametrize("batch_size", [12, 100], ids=["within an epoch", "after an epoch of one batch"])
@pytest.mark.parametrize("learning_rate", [1e30, 1e38])
def test_a_far_too_high_learning_rate_is_named(a_run, batch_size, learning_rate):
    options = a_run(
        learning_rate=learning_rate, schedule="constant", precision="float32", train_batch_size=batch_size
    )
    with pytest.raises(TrainingDivergedError, match=r"epoch 1, batch \d, at a learning rate of 1e\+3.; ") as it:
        train(options)
    assert "float32" not in str(it.value)
    # Nothing written is spoiled.
    for path in options.folder.glob("*.safetensors"):
        assert all(tensor.isfinite().all() for tensor in load_file(path).values())
    if (options.folder / "checkpoint.pt").exists():
        state = load_state(options.folder / "checkpoint.pt")
        assert all(tensor.isfinite().all() for tensor in state["learner"]["network"].values())
    else:
        assert "nothing was saved yet" in str(it.value)


def test_lower_precision_is_named_as_a_possible_cause(a_run):
    with pytest.raises(TrainingDivergedError, match="Try a lower learning rate, or float32 as precision"):
        train(a_run(learning_rate=1e30, schedule="constant", precision="bfloat16"))


# What is kept, and whose folder it is


@pytest.fixture(scope="module")
def finished(images, output):
    return train(
        TrainingOptions(
            experiment_name="finished",
            output_root_path=output,
            dataset_name=str(images),
            max_epochs=5,
            train_batch_size=40,
            image_size=8,
            keep_every=2,
        )
    )


def test_the_weights_of_every_so_many_epochs_are_kept(finished):
    kept = sorted(path.name for path in finished.folder.glob("*.safetensors"))
    assert kept == ["best.safetensors", "epoch-002.safetensors", "epoch-004.safetensors", "last.safetensors"]
    assert [describe_weights(finished.folder / name)["epoch"] for name in kept[1:]] == [2, 4, 5]


def test_only_the_last_checkpoint_is_kept(finished):
    assert [path.name for path in finished.folder.glob("*.pt*")] == ["checkpoint.pt"]
    assert load_state(finished.folder / "checkpoint.pt")["epoch"] == 6


def test_resuming_a_finished_run_changes_nothing(a_run):
    options = a_run(max_epochs=1)
    first = train(options)
    weights = (options.folder / "last.safetensors").read_bytes()
    again = train(dataclasses.replace(options, resume=True))
    assert (options.folder / "last.safetensors").read_bytes() == weights
    pd.testing.assert_frame_equal(again.history.table(), first.history.table())
    for one, other in zip(first.history.images, again.history.images, strict=True):
        assert torch.equal(one, other)
    for name, tensor in first.model.state_dict().items():
        assert torch.equal(again.model.state_dict()[name], tensor)


def test_a_finished_run_gives_its_place_to_another(a_run):
    train(a_run(max_epochs=1))
    other = train(a_run(max_epochs=1, seed=1))
    expected = train(a_run("elsewhere", max_epochs=1, seed=1))
    assert_same_outcome(other.folder, expected.folder)


def test_resuming_where_nothing_is_begins(a_run):
    begun = train(a_run("begun", max_epochs=1, resume=True))
    expected = train(a_run("expected", max_epochs=1))
    assert_same_outcome(begun.folder, expected.folder)


@pytest.fixture
def unfinished(a_run):
    """Options of a run that was stopped after a batch of its second epoch."""
    options = a_run()
    assert train(options, on_epoch=interrupt).stopped
    return options


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("max_epochs", 9),
        ("train_batch_size", 7),
        ("seed", 5),
        ("model_name", "unet32"),
        ("learning_rate", 0.25),
        ("ema", 0.5),
        ("loss", "l1"),
        ("precision", "float16"),
        ("accumulation_steps", 2),
        ("dataset_name", "placeholder"),
        ("image_size", 24),
        ("max_shift", 1),
    ],
)
def test_a_resume_that_would_be_another_run_is_refused(a_run, unfinished, option, value):
    before = {path: path.read_bytes() for path in unfinished.folder.rglob("*") if path.is_file()}
    with pytest.raises(ValueError, match=r"cannot resume .* it was started with") as refused:
        train(dataclasses.replace(unfinished, resume=True, **{option: value}))
    message = str(refused.value)
    assert f"{option} = {getattr(unfinished, option)!r}, not {value!r}" in message
    assert "\n" not in message
    assert {path: path.read_bytes() for path in unfinished.folder.rglob("*") if path.is_file()} == before


def test_what_touches_no_weight_may_change_on_resume(unfinished, a_run):
    straight = train(a_run("straight"))
    moved = unfinished.output_root_path / "moved" / "here"
    moved.parent.mkdir()
    unfinished.folder.rename(moved)
    train(
        dataclasses.replace(
            unfinished,
            resume=True,
            output_root_path=moved.parent,
            experiment_name="here",
            keep_every=1,
            checkpoint_minutes=10.0,
            batch_output_frequency=2,
        )
    )
    assert_same_outcome(moved, straight.folder)


def test_an_unfinished_run_is_not_overwritten(unfinished):
    before = {path: path.read_bytes() for path in unfinished.folder.rglob("*") if path.is_file()}
    with pytest.raises(ValueError, match="holds an unfinished run, stopped in epoch 2 of 3; continue it with resume"):
        train(unfinished)
    assert {path: path.read_bytes() for path in unfinished.folder.rglob("*") if path.is_file()} == before


# Checkpoints that are none


class Dangerous:
    """Unpickling this would raise the alarm."""

    def __reduce__(self):
        return exec, ("raise SystemExit('a pickle was executed')",)


def damaged(path, kind):
    content = path.read_bytes()
    if kind == "empty":
        path.write_bytes(b"")
    elif kind == "cut short":
        path.write_bytes(content[: len(content) // 2])
    elif kind == "overwritten":
        path.write_bytes(b"\0" * 1000 + content[1000:])
    elif kind == "text":
        path.write_text("epoch 2")
    elif kind == "pickle":
        path.write_bytes(pickle.dumps(Dangerous()))
    elif kind == "pickle in torch's format":
        torch.save({"epoch": Dangerous()}, path)
    elif kind == "foreign":
        torch.save({"weights": torch.zeros(3)}, path)
    elif kind == "a list":
        torch.save([1, 2], path)


@pytest.mark.parametrize("resume", [True, False])
@pytest.mark.parametrize(
    "kind",
    ["empty", "cut short", "overwritten", "text", "pickle", "pickle in torch's format", "foreign", "a list"],
)
def test_what_is_no_checkpoint_is_refused_in_one_sentence(finished, a_run, kind, resume):
    options = a_run(resume=resume)
    options.folder.mkdir()
    path = options.folder / "checkpoint.pt"
    path.write_bytes((finished.folder / "checkpoint.pt").read_bytes())
    damaged(path, kind)
    before = path.read_bytes()
    with pytest.raises(ValueError, match="is not a checkpoint of colorlab, or it is damaged") as refused:
        train(options)
    assert str(path) in str(refused.value)
    assert "\n" not in str(refused.value)
    assert path.read_bytes() == before


def test_a_run_with_a_constant_rate_may_get_more_epochs(a_run):
    whole = train(a_run("whole", max_epochs=2, schedule="constant"))
    train(a_run("grown", max_epochs=1, schedule="constant"))
    grown = train(a_run("grown", max_epochs=2, schedule="constant", resume=True))
    losses = [[row["train_loss"] for row in run.history.rows] for run in (whole, grown)]
    assert losses[0] == losses[1]
    train(a_run("cycle", max_epochs=1))
    with pytest.raises(ValueError, match="learning rate schedule ends there; only a run with a constant schedule"):
        train(a_run("cycle", max_epochs=2, resume=True))
