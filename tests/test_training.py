"""Training: the default run learns something, its files say what happened, and it can be had again."""

import dataclasses
import json
import shutil

import numpy as np
import pandas as pd
import pytest
import scipy.special
import scipy.stats
import torch
from PIL import Image
from torch import nn

from colorlab import color
from colorlab.data import BatchOrder, create_dataset
from colorlab.evaluation import compare, gray, mean_color, score
from colorlab.models import create_colorizer, describe_weights, load_weights, save_weights
from colorlab.training import OBJECTIVES, TrainingOptions, train
from colorlab.training.distributed import Processes
from colorlab.training.loop import steps_per_epoch
from colorlab.training.regression import Regression


@pytest.fixture(scope="module")
def default_run(tmp_path_factory):
    """All defaults; only its files lie elsewhere."""
    return train(TrainingOptions(output_root_path=tmp_path_factory.mktemp("output")))


def tiny(folder, **options):
    """Options of a run of a second: 8 pixels, two epochs."""
    return TrainingOptions(
        **{"output_root_path": folder, "image_size": 8, "max_epochs": 2, "max_images": 2, **options}
    )


@pytest.fixture(scope="module")
def tiny_run(tmp_path_factory):
    return train(tiny(tmp_path_factory.mktemp("tiny")))


@pytest.fixture(scope="module")
def restless_run(tmp_path_factory):
    """Three epochs of which the first is the best: batch norm's statistics are late while weights move fast."""
    folder = tmp_path_factory.mktemp("restless")
    return train(tiny(folder, max_epochs=3, schedule="constant", precision="float32"))


def weights(model):
    return torch.cat([tensor.flatten().double() for tensor in model.state_dict().values()])


def steady(history):
    """The columns of a history that a second run must repeat."""
    return history.table().drop(columns="images_per_second")


# The default run


@pytest.fixture(scope="module")
def held_out_scores(default_run):
    models = {"trained": default_run.model, "gray": gray()}
    models["mean color"] = mean_color(create_dataset("placeholder", "train"))
    return compare(models, create_dataset("placeholder", "test"))


@pytest.mark.parametrize("baseline", ["gray", "mean color"])
@pytest.mark.parametrize("error", ["mse", "mae"])
def test_the_default_run_beats_the_baselines_on_held_out_regions(held_out_scores, baseline, error):
    by_model = {name: rows[error].to_numpy() for name, rows in held_out_scores.groupby("model")}
    # Image by image, since some images are hard for all: 99 % interval of the mean difference.
    difference = by_model["trained"] - by_model[baseline]
    interval = scipy.stats.bootstrap((difference,), np.mean, confidence_level=0.99, rng=0).confidence_interval
    assert interval.high < 0


def test_a_run_writes_its_files(default_run):
    files = {path.relative_to(default_run.folder).as_posix() for path in default_run.folder.rglob("*")}
    epochs = range(TrainingOptions().max_epochs + 1)
    assert files >= {"options.json", "train_stats.csv", "last.safetensors", "best.safetensors"}
    assert {name for name in files if name.startswith("epochs/")} == {f"epochs/{n:03d}.png" for n in epochs}


def test_the_options_are_written_as_they_were(default_run):
    written = json.loads((default_run.folder / "options.json").read_text())
    assert written.keys() == {field.name for field in dataclasses.fields(TrainingOptions)}
    defaults = {**written, "output_root_path": "output"}
    assert defaults == TrainingOptions().to_dict()
    assert default_run.folder.as_posix() == f"{written['output_root_path']}/{written['experiment_name']}"


def test_the_history_is_a_table_with_a_row_an_epoch(default_run):
    table = default_run.history.table()
    assert table.index.tolist() == [1, 2, 3, 4, 5]
    assert {"train_loss", "val_loss", "val_mae", "learning_rate", "images_per_second"} <= set(table)
    assert table["train_loss"].is_monotonic_decreasing
    assert np.isfinite(table.to_numpy()).all()
    written = pd.read_csv(default_run.folder / "train_stats.csv", index_col="epoch")
    pd.testing.assert_frame_equal(written, table)


def test_the_watched_images_show_every_class_and_start_gray(default_run):
    truth, images = default_run.history.truth, default_run.history.images
    valset = create_dataset("placeholder", "val")
    shown = {valset.labels[(valset.rgb == image).flatten(1).all(dim=1)][0].item() for image in truth}
    assert len(shown) == len(valset.classes)
    chroma = [color.rgb_to_lab(epoch)[:, 1:].abs().mean().item() for epoch in images]
    assert len(chroma) == 6
    # 8-bit gray is exactly neutral.
    assert chroma[0] == 0
    assert min(chroma[1:]) > 1


def test_a_sheet_shows_gray_colored_and_true(default_run):
    truth, images = default_run.history.truth, default_run.history.images
    sheet = np.array(Image.open(default_run.folder / "epochs" / "005.png"))
    # Tiles of 32 pixels with a border of 2.
    tiles = sheet[2:, 2:].reshape(3, 34, 10, 34, 3)[:, :32, :, :32].transpose(0, 2, 4, 1, 3)
    first, second, third = torch.from_numpy(tiles)
    assert torch.equal(third, truth)
    assert torch.equal(second, images[-1])
    assert torch.equal(first, first[:, :1].expand_as(first))
    lightness = color.rgb_to_lab(truth)[:, 0]
    for row in (first, second):
        assert (color.rgb_to_lab(row)[:, 0] - lightness).abs().max() < 1


def test_the_last_weights_are_those_of_the_returned_model(default_run):
    assert not default_run.model.training
    loaded = load_weights(default_run.folder / "last.safetensors")
    assert torch.equal(weights(loaded), weights(default_run.model))


def test_weights_say_how_they_were_trained(default_run):
    about = describe_weights(default_run.folder / "last.safetensors")
    assert about["model_name"] == "resnet"
    assert about["options"] == json.loads((default_run.folder / "options.json").read_text())
    assert about["classes"] == list(create_dataset("placeholder", "test").classes)
    assert about["epoch"] == 5


# What the numbers mean


def test_best_weights_are_from_the_epoch_with_the_lowest_validation_loss(restless_run):
    folder, table = restless_run.folder, restless_run.history.table()
    assert table["val_loss"].idxmin() != table.index[-1]  # else this test could not fail
    assert describe_weights(folder / "best.safetensors")["epoch"] == table["val_loss"].idxmin()
    # Losses are in network units, 110 Lab units each.
    valset = create_dataset("placeholder", "val", size=8)

    def errors(name):
        lightness, ab = color.split(color.rgb_to_lab(valset.rgb))
        with torch.inference_mode():
            return load_weights(folder / f"{name}.safetensors")(lightness) - ab

    assert errors("best").square().mean().item() == pytest.approx(table["val_loss"].min(), rel=1e-3)
    last = errors("last").abs().mean().item() * color.AB_SCALE
    assert last == pytest.approx(table["val_mae"].iloc[-1], rel=1e-3)


def test_the_learning_rate_rises_and_falls_once_or_not_at_all(default_run, restless_run):
    once = default_run.history.table()["learning_rate"]
    assert once.max() == pytest.approx(2e-3, rel=0.1)
    assert (np.sign(once.diff().dropna()).diff().dropna() != 0).sum() == 1
    assert once.iloc[-1] < 0.01 * once.iloc[0]
    assert restless_run.history.table()["learning_rate"].tolist() == pytest.approx([2e-3] * 3)


@pytest.mark.parametrize("name", ["mse", "l1", "huber"])
def test_objectives_agree_with_numpy_and_scipy(name):
    generator = torch.Generator().manual_seed(0)
    predicted, target = torch.randn(2, 4, 2, 5, 6, generator=generator) / 10
    error = (predicted - target).numpy()
    expected = {
        "mse": np.mean(error**2),
        "l1": np.mean(np.abs(error)),
        # Twice Huber's, so that it starts as the square; a line beyond 5.5 Lab units.
        "huber": np.mean(2 * scipy.special.huber(5.5 / 110, error)),
    }
    assert OBJECTIVES[name](predicted, target).item() == pytest.approx(expected[name], rel=1e-5)


@pytest.mark.parametrize(("loss", "precision"), [("l1", "float32"), ("huber", "bfloat16")])
def test_every_loss_and_precision_learns(tmp_path, loss, precision):
    losses = train(tiny(tmp_path, loss=loss, precision=precision)).history.table()["train_loss"]
    assert losses[2] < 0.9 * losses[1]


@pytest.mark.slow
def test_unet32_beats_gray_after_an_epoch(tmp_path):
    run = train(tiny(tmp_path, model_name="unet32", image_size=16, max_epochs=1))
    valset = create_dataset("placeholder", "val", size=16)
    assert score(run.model, valset)["mse"].mean() < 0.9 * score(gray(), valset)["mse"].mean()
    assert torch.equal(weights(load_weights(run.folder / "last.safetensors")), weights(run.model))


# It can be had again


def test_the_same_seed_gives_the_same_run(tiny_run, tmp_path):
    torch.rand(7)  # what was drawn before a run does not matter
    again = train(tiny(tmp_path))
    assert torch.equal(weights(again.model), weights(tiny_run.model))
    pd.testing.assert_frame_equal(steady(again.history), steady(tiny_run.history), check_exact=True)
    for name in ("000.png", "001.png", "002.png"):
        assert (again.folder / "epochs" / name).read_bytes() == (tiny_run.folder / "epochs" / name).read_bytes()


def test_another_seed_gives_another_run(tiny_run, tmp_path):
    other = train(tiny(tmp_path, seed=1))
    assert not torch.equal(weights(other.model), weights(tiny_run.model))


def test_watching_does_not_change_what_is_learned(tiny_run, tmp_path):
    options = tiny(tmp_path, max_images=0, batch_output_frequency=3)
    rows = []

    def watch(history):
        torch.rand(3)
        rows.append((len(history.table()), len(pd.read_csv(options.folder / "train_stats.csv"))))

    run = train(options, on_epoch=watch)
    assert torch.equal(weights(run.model), weights(tiny_run.model))
    assert rows == [(1, 1), (2, 2)]
    assert not list(run.folder.rglob("*.png"))


def test_no_epochs_give_an_untrained_model(tmp_path):
    run = train(tiny(tmp_path, max_epochs=0))
    torch.manual_seed(0)
    assert torch.equal(weights(run.model), weights(create_colorizer("resnet")))
    assert run.history.table().empty


@pytest.mark.parametrize("batch_size", [137, 5000])
def test_neither_a_last_batch_of_one_nor_a_single_batch_is_in_the_way(tmp_path, batch_size):
    options = {"train_batch_size": batch_size, "val_batch_size": batch_size, "image_size": 16}
    assert len(create_dataset("placeholder", "train", size=16)) % 137 == 1
    table = train(tiny(tmp_path, max_epochs=1, **options)).history.table()
    assert 0 < table["train_loss"][1] < 1


def test_a_batch_of_odd_size_is_accumulated_without_a_image_alone(tmp_path):
    """Batch norm cannot learn from one image: 3 in 2 parts would be 2 and 1."""
    options = {"train_batch_size": 3, "accumulation_steps": 2, "max_epochs": 1, "image_size": 8}
    source = tmp_path / "images" / "train"
    source.mkdir(parents=True)
    for number, image in enumerate(create_dataset("placeholder", "train", size=8).rgb[::300]):
        Image.fromarray(image.movedim(0, -1).numpy()).save(source / f"{number}.png")
    shutil.copytree(source, source.with_name("val"))
    assert np.isfinite(
        train(tiny(tmp_path, dataset_name=str(source.parent), **options)).history.rows[0]["train_loss"]
    )


def test_looking_less_often_changes_nothing_but_that(tiny_run, tmp_path):
    seldom = train(tiny(tmp_path, batch_output_frequency=1000))
    pd.testing.assert_frame_equal(steady(seldom.history), steady(tiny_run.history), check_exact=True)


# It can begin elsewhere


def test_a_run_goes_on_from_given_weights(tiny_run, tmp_path):
    given = tiny_run.folder / "last.safetensors"
    untouched = train(tiny(tmp_path, initial_weights=given, max_epochs=0))
    assert torch.equal(weights(untouched.model), weights(tiny_run.model))
    tuned = train(tiny(tmp_path, initial_weights=given, experiment_name="tuned", max_epochs=1))
    assert tuned.history.table().loc[1, "train_loss"] < tiny_run.history.table().loc[1, "train_loss"]


def test_a_generator_goes_on_from_the_regression_of_its_architecture(tmp_path):
    torch.manual_seed(1)
    save_weights(create_colorizer("unet32"), tmp_path / "unet32.safetensors")
    options = {"model_name": "nazerigan32", "image_size": 32, "max_epochs": 0}
    game = train(tiny(tmp_path, initial_weights=tmp_path / "unet32.safetensors", **options))
    assert torch.equal(weights(game.model), weights(load_weights(tmp_path / "unet32.safetensors")))


def test_weights_of_another_architecture_are_refused(tiny_run, tmp_path):
    with pytest.raises(
        ValueError, match=r"initial_weights .*last\.safetensors are weights of resnet, which unet32 cannot"
    ):
        train(
            tiny(tmp_path, model_name="unet32", image_size=16, initial_weights=tiny_run.folder / "last.safetensors")
        )


# Mistakes


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"model_name": "alexnet"}, r"model_name must be one of resnet, .*unet32.*, got 'alexnet'"),
        ({"dataset_name": "imagenet"}, r"'imagenet'.* placeholder|placeholder.* 'imagenet'"),
        ({"loss": "l2"}, r"loss must be one of auto, mse, l1, huber, cross_entropy, got 'l2'"),
        ({"schedule": "step"}, r"schedule must be one of .*one-cycle, .*constant, got 'step'"),
        ({"precision": "int8"}, r"precision must be one of auto, float32, .*, got 'int8'"),
        ({"train_batch_size": 0}, r"train_batch_size must be at least 1, got 0"),
        ({"val_batch_size": -1}, r"val_batch_size must be at least 1, got -1"),
        ({"image_size": 0}, r"image_size must be at least 1, got 0"),
        ({"max_epochs": -1}, r"max_epochs must not be negative, got -1"),
        ({"max_images": -1}, r"max_images must not be negative, got -1"),
        ({"learning_rate": 0.0}, r"learning_rate must be positive, got 0"),
        ({"learning_rate": float("nan")}, r"learning_rate must be positive, got nan"),
    ],
)
def test_an_impossible_option_is_named_with_what_is_possible(option, message):
    with pytest.raises(ValueError, match=message):
        TrainingOptions(**option)


def test_options_do_not_change_under_a_run():
    with pytest.raises(dataclasses.FrozenInstanceError):
        TrainingOptions().seed = 1


def test_a_device_that_is_not_here_is_named_before_anything_is_written(tmp_path):
    with pytest.raises(ValueError, match="device 'abacus' cannot be used here"):
        train(tiny(tmp_path / "new", device="abacus"))
    assert not (tmp_path / "new").exists()


def test_a_size_that_the_network_cannot_take_is_answered_with_the_possible_ones(tmp_path):
    with pytest.raises(ValueError, match=r"resnet takes heights and widths that are multiples of 8.* got 12×12"):
        train(tiny(tmp_path, image_size=12))


@pytest.mark.parametrize(("images", "batch_size", "processes"), [(960, 25, 2), (41, 20, 1), (100, 100, 3)])
def test_schedules_know_how_many_steps_an_epoch_has(images, batch_size, processes):
    options = TrainingOptions(train_batch_size=batch_size)
    order = BatchOrder(images, batch_size, seed=0, rank=processes - 1, processes=processes)
    assert steps_per_epoch(options, images, Processes(count=processes)) == len(list(order))


def test_a_last_image_is_left_alone_in_no_process():
    order = BatchOrder(49, 16, seed=0, processes=3)  # 48 can be shared, of which 3 would be left over
    assert [len(request.indices) for request in order] == [5, 5, 5]


def test_a_new_run_clears_what_a_finished_one_left(tmp_path):
    train(TrainingOptions(output_root_path=str(tmp_path), max_epochs=2, image_size=8, keep_every=1, max_images=1))
    folder = train(TrainingOptions(output_root_path=tmp_path, max_epochs=1, image_size=8, max_images=1)).folder
    assert sorted(p.name for p in (folder / "epochs").iterdir()) == ["000.png", "001.png"]
    assert not list(folder.glob("epoch-*"))


class Dilated(nn.Module):
    """A convolution of which oneDNN gives wrong bfloat16 gradients in channels last: dilated, 24 channels."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, 24, 3, padding=3, dilation=3), nn.ReLU(), nn.Conv2d(24, 2, 1), nn.Tanh()
        )

    def forward(self, lightness):
        return self.layers(lightness)


def test_dilated_convolutions_are_not_trained_in_channels_last(tmp_path):
    def layout(model):
        options = TrainingOptions(model_name=model, precision="bfloat16", output_root_path=tmp_path)
        return Regression(options, Processes(), steps=1).layout

    assert layout("resnet") == torch.channels_last
    assert layout(Dilated()) == torch.contiguous_format
