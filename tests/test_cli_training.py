"""``colorlab colorizer`` and ``colorlab classifier``: the seed's options, what they write, and how they end."""

from __future__ import annotations

import dataclasses
import itertools
import json
import re
import signal
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from colorlab import cli
from colorlab.data import ImageDataset, create_dataset
from colorlab.models import describe_weights, load_classifier, load_weights
from colorlab.training import ClassifierOptions, TrainingOptions

# The table of the seed's README, what concerns training; paths without their "./".
SEED = {
    "seed": 0,
    "experiment-name": "experiment_name",
    "model-name": "resnet",
    "dataset-name": "placeholder",
    "dataset-root-path": "data",
    "use-dataset-archive": False,
    "output-root-path": "output",
    "max-epochs": 5,
    "train-batch-size": 100,
    "val-batch-size": 100,
    "batch-output-frequency": 1,
    "max-images": 10,
}
MODELS = ["resnet", "unet32", "unet224", "nazerigan32", "nazerigan224", "cgan", "distribution"]
TINY = ["--max-epochs", "1", "--train-batch-size", "12", "--image-size", "8"]


@pytest.fixture
def desk(tmp_path, monkeypatch):
    """A folder to work in, with 24 training, 8 validation and 8 test images of two classes in ``photos``."""
    monkeypatch.chdir(tmp_path)
    for split, count in (("train", 24), ("val", 8), ("test", 8)):
        rgb = create_dataset("placeholder", split, size=8).rgb
        for number in range(count):
            folder = Path("photos", split, ("astronaut", "tissue")[number % 2])
            folder.mkdir(parents=True, exist_ok=True)
            image = rgb[0 if number % 2 == 0 else -1] if split == "test" else rgb[number * len(rgb) // count]
            Image.fromarray(image.movedim(0, -1).numpy()).save(folder / f"{number:02d}.png")
    return tmp_path


def run(capsys, *arguments):
    """The exit status, what was printed, and what was complained about."""
    try:
        status = cli.main([str(argument) for argument in arguments])
    except SystemExit as end:
        status = end.code
    printed = capsys.readouterr()
    return status, printed.out, printed.err


def words(text):
    """As one line, without the frame that is drawn around it."""
    return re.sub(r"[\s│╭╮╰╯─]+", " ", text)


def files(folder):
    return sorted(path.relative_to(folder).as_posix() for path in Path(folder).rglob("*") if path.is_file())


# The options


@pytest.mark.parametrize(("option", "default"), SEED.items())
def test_the_seeds_options_have_the_seeds_names_and_defaults(option, default):
    field = option.replace("-", "_")
    for options in (TrainingOptions, ClassifierOptions):
        if options is ClassifierOptions and option in ("model-name", "max-images"):
            continue
        value = options().to_dict()[field]
        assert (value, type(value)) == (default, type(default))


@pytest.mark.parametrize("task", ["colorizer", "classifier"])
def test_help_fits_a_screen_and_names_every_option(capsys, monkeypatch, task):
    monkeypatch.setenv("COLUMNS", "80")
    status, out, err = run(capsys, task, "--help")
    assert (status, err) == (0, "")
    # In a terminal the list has a frame; without one, its lower side is a line of spaces.
    lines = re.sub(r"\x1b\[[0-9;]*m", "", out).rstrip().split("\n")
    assert len(lines) <= 52
    assert max(map(len, lines)) <= 80
    options = {"colorizer": TrainingOptions, "classifier": ClassifierOptions}[task]
    for field in dataclasses.fields(options):
        assert f"--{field.name.replace('_', '-')}" in out
    # At the sizes of the models of 32 pixels, as many fit as there were: 100.
    fitting = dict.fromkeys(("train-batch-size", "val-batch-size"))
    for option, default in {**SEED, **fitting}.items():
        if task == "colorizer":
            assert re.search(rf"--{option} [^(]*\(default: {re.escape(str(default))}\)", words("\n".join(lines)))


def test_help_of_all_names_the_seeds_tasks(capsys):
    status, out, _ = run(capsys, "--help")
    assert status == 0
    for task in ("colorizer", "classifier", "eval-gen", "eval-mse", "eval-ps", "eval-si"):
        assert task in out


@pytest.mark.parametrize(
    ("option", "wrong", "allowed", "nearest"),
    [
        ("--model-name", "unet33", MODELS, "unet32"),
        ("--model-name", "nazerigan2240", MODELS, "nazerigan224"),
        ("--model-name", "nazerigan224cgan", MODELS, "nazerigan224"),
        ("--loss", "L1", ["mse", "l1", "huber"], None),
        ("--loss", "hubert", ["mse", "l1", "huber"], "huber"),
        ("--schedule", "cosin", ["auto", "one-cycle", "cosine", "constant"], "cosine"),
        ("--precision", "float23", ["auto", "float32", "bfloat16", "float16"], "float32"),
        (
            "--dataset-name",
            "places356",
            ["placeholder", "cifar10", "places100", "places205", "places365"],
            "places365",
        ),
    ],
)
def test_a_wrong_value_is_answered_with_the_right_ones(desk, capsys, option, wrong, allowed, nearest):
    status, out, err = run(capsys, "colorizer", option, wrong)
    assert (status, out) == (2, "")
    answer = words(err)
    assert repr(wrong) in answer
    assert ", ".join(allowed) in answer
    if nearest is not None:
        assert f"did you mean {nearest}?" in answer
    assert not Path("output").exists()


def test_a_wrong_classifier_is_answered_with_the_right_ones(desk, capsys):
    status, _, err = run(capsys, "classifier", "--classifier-name", "vgg19")
    assert status == 2
    assert "'vgg19' is not one of vgg16, small, squeeze; did you mean vgg16?" in words(err)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["colorizer", "--max-epochs", "five"], ["--max-epochs", "five", "INT"]),
        (["colorizer", "--train-batch-size", "0"], ["train_batch_size must be at least 1, got 0"]),
        (["colorizer", "--use-dataset-archive", "Maybe"], ["--use-dataset-archive", "Maybe", "True", "False"]),
        (["colorizer", "--use-dataset-archive"], ["--use-dataset-archive"]),
        (["colorizer", "--max-epoch", "5"], ["--max-epoch", "Perhaps you meant", "--max-epochs"]),
        (["colorizer", "--experiment-name", "../elsewhere"], ["experiment_name", "../elsewhere"]),
        (["classifier", "--loss", "l1"], ["--loss"]),
        (["colouriser"], ["colouriser", "colorizer", "classifier", "eval-gen"]),
        ([], ["colorizer", "classifier", "eval-gen"]),
    ],
)
def test_what_cannot_be_understood_ends_with_2_before_anything_is_written(desk, capsys, arguments, named):
    before = files(desk)
    status, out, err = run(capsys, *arguments)
    assert (status, out) == (2, "")
    for part in named:
        assert part in words(err)
    assert files(desk) == before


@pytest.mark.parametrize(("word", "archive"), [("True", True), ("False", False)])
def test_use_dataset_archive_takes_words(desk, capsys, word, archive):
    status, _, err = run(capsys, "colorizer", "--dataset-name", "places365", "--use-dataset-archive", word)
    assert status == 1
    (sentence,) = [line for line in err.splitlines() if line.startswith("colorlab: ")]
    missing = "data/places365.tar" if archive else "data/places365"
    assert sentence.endswith(missing)


# What the tasks write


def test_colorizer_trains_and_compares_with_the_baselines(desk, capsys):
    status, out, err = run(capsys, "colorizer", "--dataset-name", "photos", *TINY, "--max-images", "2")
    assert status == 0
    assert "colorlab:" not in err
    folder = Path("output/experiment_name")
    assert files(folder) == [
        "best.safetensors",
        "checkpoint.pt",
        "epochs/000.png",
        "epochs/001.png",
        "last.safetensors",
        "options.json",
        "train_stats.csv",
    ]
    assert load_weights(folder / "last.safetensors").name == "resnet"
    written = json.loads((folder / "options.json").read_text())
    asked = {"dataset_name": "photos", "max_epochs": 1, "train_batch_size": 12, "image_size": 8, "max_images": 2}
    assert written == {**TrainingOptions().to_dict(), **asked}
    row = pd.read_csv(folder / "train_stats.csv").iloc[0]
    for text in (f"{row['train_loss']:.5f}", "On 8 test images", "gray", "mean color", "resnet", str(folder)):
        assert text in out


def test_every_option_of_the_seed_arrives(desk, capsys):
    arguments = {
        "seed": 3,
        "experiment-name": "cgan_experiment001",
        "model-name": "unet32",
        "dataset-name": str(desk / "photos"),
        "dataset-root-path": "elsewhere",
        "use-dataset-archive": False,
        "output-root-path": "runs",
        "max-epochs": 2,
        "train-batch-size": 16,
        "val-batch-size": 4,
        "batch-output-frequency": 2,
        "max-images": 0,
    }
    assert arguments.keys() == SEED.keys()
    given = [word for option, value in arguments.items() for word in (f"--{option}", str(value))]
    status, _, _ = run(capsys, "colorizer", *given, "--image-size", "16")
    assert status == 0
    written = json.loads(Path("runs/cgan_experiment001/options.json").read_text())
    assert {option: written[option.replace("-", "_")] for option in arguments} == arguments
    assert len(pd.read_csv("runs/cgan_experiment001/train_stats.csv")) == 2


def test_classifier_keeps_the_weights_of_the_best_accuracy(desk, capsys):
    given = ["--dataset-name", "photos", "--classifier-name", "small", *TINY, "--max-epochs", "3"]
    status, out, _ = run(capsys, "classifier", *given)
    assert status == 0
    folder = Path("output/experiment_name")
    assert files(folder) == [
        "best.safetensors",
        "checkpoint.pt",
        "last.safetensors",
        "options.json",
        "train_stats.csv",
    ]
    table = pd.read_csv(folder / "train_stats.csv", index_col="epoch")
    assert {"train_loss", "train_accuracy", "val_loss", "val_accuracy"} <= set(table)
    best = describe_weights(folder / "best.safetensors")
    assert table["val_accuracy"][best["epoch"]] == table["val_accuracy"].max()
    classifier = load_classifier(folder / "best.safetensors")
    assert classifier.classes == ("astronaut", "tissue")
    assert str(folder) in out


def interrupt(monkeypatch, batch):
    """Ctrl-C while the ``batch``-th batch is fetched, once."""
    fetch, fetched = ImageDataset.__getitems__, itertools.count(1)

    def interrupted(self, indices):
        if next(fetched) == batch:
            signal.raise_signal(signal.SIGINT)
        return fetch(self, indices)

    monkeypatch.setattr(ImageDataset, "__getitems__", interrupted)


def test_a_classifier_goes_on_where_it_was_stopped(desk, capsys, monkeypatch):
    given = ["classifier", "--dataset-name", "photos", "--classifier-name", "small", *TINY, "--max-epochs", "2"]
    assert run(capsys, *given, "--experiment-name", "straight")[0] == 0
    interrupt(monkeypatch, 1)
    assert run(capsys, *given)[0] == 130
    assert run(capsys, *given, "--resume")[0] == 0
    straight, resumed = (Path("output", name, "last.safetensors") for name in ("straight", "experiment_name"))
    theirs, ours = (load_classifier(path).state_dict() for path in (straight, resumed))
    assert all((ours[name] == tensor).all() for name, tensor in theirs.items())


# How they end


@pytest.mark.slow
@pytest.mark.parametrize("batch", [1, 2])
def test_an_interrupt_keeps_what_was_learned_and_says_how_to_go_on(desk, capsys, monkeypatch, batch):
    given = ["colorizer", "--dataset-name", "photos", *TINY]
    assert run(capsys, *given, "--experiment-name", "straight")[0] == 0
    interrupt(monkeypatch, batch)
    status, out, _ = run(capsys, *given)
    assert status == 130
    assert "Written to output/experiment_name; stopped early, --resume continues" in out
    load_weights("output/experiment_name/last.safetensors")

    status, _, err = run(capsys, *given)
    assert status == 1
    assert "colorlab: output/experiment_name holds an unfinished run, stopped in epoch 1 of 1" in err
    status, _, err = run(capsys, *given, "--resume", "--seed", "8")
    assert status == 1
    assert "colorlab: cannot resume output/experiment_name: it was started with seed = 0, not 8" in err

    status, out, _ = run(capsys, *given, "--resume")
    assert status == 0
    assert "stopped" not in out
    straight, resumed = (Path("output", name, "last.safetensors") for name in ("straight", "experiment_name"))
    theirs, ours = (load_weights(path).state_dict() for path in (straight, resumed))
    assert all((ours[name] == tensor).all() for name, tensor in theirs.items())


def test_a_diverged_training_ends_with_1_and_a_sentence(desk, capsys):
    given = ["--dataset-name", "photos", *TINY, "--learning-rate", "1e30", "--schedule", "constant"]
    status, out, err = run(capsys, "colorizer", *given)
    assert (status, out) == (1, "")
    assert "Traceback" not in err
    (sentence,) = [line for line in err.splitlines() if line.startswith("colorlab: ")]
    assert "the loss became NaN or infinite in epoch 1, batch " in sentence


@pytest.mark.parametrize(
    ("task", "arguments", "named"),
    [
        (
            "colorizer",
            ["--model-name", "unet224", "--image-size", 32],
            "unet224 takes heights and widths that are multiples of 32 and at least 96",
        ),
        (
            "colorizer",
            ["--model-name", "cgan", "--image-size", 32],
            "discriminator of cgan needs images of at least 224 pixels, got 32×32",
        ),
        ("colorizer", ["--device", "abacus"], "device 'abacus' cannot be used here"),
        ("colorizer", ["--dataset-name", "./nowhere"], "there is no folder or tar at nowhere"),
        ("colorizer", ["--output-root-path", "photos/train/tissue/01.png"], "photos/train/tissue/01.png"),
        ("classifier", ["--classifier-name", "small", "--image-size", "4"], "both at least 8"),
        ("classifier", ["--classifier-name", "small", "--dataset-name", "photos/train/tissue"], "at least 2 classes"),
    ],
)
def test_what_cannot_be_done_ends_with_1_and_a_sentence(desk, capsys, task, arguments, named):
    Path("photos/train/tissue/IMG_0003.png").write_bytes(Path("photos/train/tissue/01.png").read_bytes())
    status, out, err = run(capsys, task, *arguments)
    assert (status, out) == (1, "")
    assert "Traceback" not in err
    (sentence,) = [line for line in err.splitlines() if line.startswith("colorlab: ")]
    assert named in sentence
    assert not list(Path("output").rglob("*.safetensors"))


GAN = "which is trained against a discriminator"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"model_name": "nazerigan32", "loss": "l1"}, f"loss makes no difference to nazerigan32, {GAN}"),
        ({"model_name": "nazerigan32", "ema": 0.9}, f"ema makes no difference to nazerigan32, {GAN}"),
        ({"model_name": "cgan", "weight_decay": 0.9}, f"weight_decay makes no difference to cgan, {GAN}"),
        ({"model_name": "cgan", "recognition_weight": 1.0}, f"recognition_weight makes no difference to cgan, {GAN}"),
        ({"l1_weight": 5.0}, "l1_weight makes no difference to resnet, which has no discriminator"),
        ({"encoder_rate": 0.5}, "encoder_rate makes no difference to resnet, which has no pretrained encoder"),
        ({"frozen_stride": 8}, "frozen_stride makes no difference to resnet, which has no pretrained encoder"),
        ({"min_crop_area": 0.5}, "min_crop_area makes no difference to placeholder"),
        ({"unreadable": "fail", "dataset_name": "cifar10"}, "unreadable makes no difference to cifar10"),
        (
            {"min_crop_area": 0.5, "also_train_on": ("photos",)},
            "min_crop_area makes no difference to an image size up",
        ),
    ],
)
def test_options_that_do_nothing_are_refused_with_the_reason(desk, given, said):
    with pytest.raises(ValueError, match=said):
        TrainingOptions(**given)


@pytest.mark.parametrize(
    "given",
    [
        {"model_name": "distribution", "encoder_rate": 0.5, "frozen_stride": 8},
        {"min_crop_area": 0.5, "also_train_on": ("photos",), "image_size": 96},
        {"dataset_name": "places365", "use_dataset_archive": True, "unreadable": "fail"},
        {"loss": "huber", "weight_decay": 0.1},
        {"dataset_root_path": Path("there"), "dataset_name": "cifar10"},
    ],
)
def test_options_that_do_something_are_accepted_in_silence(desk, given):
    assert TrainingOptions(**given).notes() == []


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"dataset_root_path": Path("there")}, ["dataset_root_path makes no difference to placeholder"]),
        (
            {"dataset_name": "photos", "use_dataset_archive": True},
            ["use_dataset_archive makes no difference to photos"],
        ),
    ],
)
def test_options_of_the_framework_of_2019_are_accepted_everywhere(desk, given, said):
    assert TrainingOptions(**given).notes() == said


def test_every_option_of_the_framework_of_2019_is_accepted_with_every_task(desk, capsys):
    given = ["--max-images", "3", "--model-name", "cgan", "--eval-type=colorized", "--model-path", "there"]
    status, _, err = run(
        capsys, "classifier", "--classifier-name", "small", "--dataset-name", "photos", *TINY, *given
    )
    assert status == 0
    said = "--max-images, --model-name, --eval-type, --model-path makes no difference to the task classifier"
    assert err.count(said) == 1


def test_the_example_of_the_framework_of_2019_has_sizes_that_fit():
    options = TrainingOptions(
        model_name="cgan", dataset_name="places365", max_epochs=100, train_batch_size=16, val_batch_size=16
    )
    assert (options.size, options.batch_size, options.validation_batch_size) == (224, 16, 16)


def test_a_run_says_which_options_do_nothing(desk, capsys):
    given = ["--dataset-root-path", "there"]
    status, _, err = run(capsys, "colorizer", "--dataset-name", "photos", *TINY, *given)
    assert status == 0
    assert err.count("dataset_root_path makes no difference to photos") == 1
