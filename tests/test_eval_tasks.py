"""``colorlab eval-gen``, ``eval-mse``, ``eval-ps``, ``eval-si``, ``eval-all``: what they write, and how they end."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import json
import re
import shutil
import signal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from scipy.stats import binomtest
from skimage.color import rgb2lab
from tqdm import tqdm

from colorlab import cli, pretrained
from colorlab.data import create_dataset
from colorlab.evaluation import PerceptualDistance, colored, compare, gray, mean_color, score_images, scores, tasks
from colorlab.evaluation.options import (
    GenerationOptions,
    LeaderboardOptions,
    MSEOptions,
    PSOptions,
    SetOptions,
    SIOptions,
)
from colorlab.models import COLORIZERS, create_classifier, create_colorizer, save_weights

TASKS = {
    "eval-gen": GenerationOptions,
    "eval-mse": MSEOptions,
    "eval-ps": PSOptions,
    "eval-si": SIOptions,
    "eval-all": LeaderboardOptions,
}
# The table of the seed's README, what concerns evaluation; paths without their "./".
SEED = {
    "model-name": "resnet",
    "model-suffix": None,
    "model-path": "models",
    "dataset-name": "placeholder",
    "dataset-root-path": "data",
    "use-dataset-archive": False,
    "val-batch-size": 100,
    "eval-root-path": "eval",
    "eval-type": "original",
    "output-root-path": "output",
    "experiment-name": "experiment_name",
}
CLASSES = ("astronaut", "tissue")
PHOTOS = ["--dataset-name", "photos"]
TABLES = ("leaderboard.csv", "leaderboard.md", "scores.csv", "si_accuracy.csv")
COLORIZED = ["--eval-type", "colorized", "--model-suffix", "placeholder"]
NAMES = [f"{CLASSES[number % 2]}/img-{place:04d}.png" for place, number in enumerate([0, 2, 4, 6, 8, 1, 3, 5, 7])]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """``photos``, 6 training and 9 test images of two classes, and the set of ``resnet-placeholder`` in ``eval``."""
    root = tmp_path_factory.mktemp("made")
    for split, count in (("train", 6), ("test", 9)):
        rgb = create_dataset("placeholder", split, size=32).rgb
        for number in range(count):
            folder = root / "photos" / split / CLASSES[number % 2]
            folder.mkdir(parents=True, exist_ok=True)
            image = rgb[number] if number % 2 == 0 else rgb[-number]
            Image.fromarray(image.movedim(0, -1).numpy()).save(folder / f"{number:02d}.png")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        assert cli.main(["eval-gen", *PHOTOS, *COLORIZED]) == 0
    return root


@pytest.fixture
def desk(made, tmp_path, monkeypatch):
    """A folder to work in, with ``photos``."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(made / "photos", "photos")
    return tmp_path


@pytest.fixture
def evalset(made, desk):
    """The same, and the evaluation set."""
    shutil.copytree(made / "eval", "eval")
    return desk


def run(capsys, *arguments):
    """The exit status, what was printed, and what was complained about."""
    try:
        status = cli.main([str(argument) for argument in arguments])
    except SystemExit as end:
        status = end.code
    printed = capsys.readouterr()
    return status, printed.out, printed.err


def complaint(err):
    (sentence,) = [line for line in err.splitlines() if line.startswith("colorlab: ")]
    return sentence


def words(text):
    """As one line, without colors and the frame that is drawn around it."""
    return re.sub(r"[\s│╭╮╰╯─]+", " ", re.sub(r"\x1b\[[0-9;]*m", "", text))


def files(folder):
    return sorted(path.relative_to(folder).as_posix() for path in Path(folder).rglob("*") if path.is_file())


def content(folder):
    return {name: Path(folder, name).read_bytes() for name in files(folder)}


def images(kind, names=NAMES):
    """Read without any of the package's code."""
    arrays = [np.asarray(Image.open(Path("eval", kind, "test", name))) for name in names]
    return torch.from_numpy(np.stack(arrays)).movedim(-1, 1)


def photos(split="test"):
    return create_dataset("photos", split, size=32)


# ---- options


@pytest.mark.parametrize("task", TASKS)
def test_help_fits_a_screen_and_names_every_option(capsys, monkeypatch, task):
    monkeypatch.setenv("COLUMNS", "80")
    status, out, err = run(capsys, task, "--help")
    assert (status, err) == (0, "")
    lines = re.sub(r"\x1b\[[0-9;]*m", "", out).rstrip("\n").split("\n")
    assert len(lines) <= 50
    assert max(map(len, lines)) <= 80
    for field in dataclasses.fields(TASKS[task]):
        option = field.name.replace("_", "-")
        assert f"--{option}" in out
        if option in SEED:
            assert re.search(rf"--{option} [^(]*\(default: {re.escape(str(SEED[option]))}\)", words(out))


def test_every_option_of_the_seed_is_there():
    fields = {field.name.replace("_", "-") for options in TASKS.values() for field in dataclasses.fields(options)}
    assert SEED.keys() <= fields


@pytest.mark.parametrize(
    ("task", "option", "wrong", "answer"),
    [
        ("eval-gen", "--eval-type", "colored", "not one of original, grayscale, colorized; did you mean colorized?"),
        (
            "eval-mse",
            "--eval-type",
            "greyscale",
            "not one of original, grayscale, colorized; did you mean grayscale?",
        ),
        ("eval-si", "--model-name", "unet33", f"not one of {', '.join(COLORIZERS)}; did you mean unet32?"),
        ("eval-ps", "--trunk", "alexnet", "not one of alex, vgg, squeeze, colorlab, lite0; did you mean alex?"),
        ("eval-all", "--trunk", "squeezenet", "alex, vgg, squeeze, colorlab, lite0; did you mean squeeze?"),
        ("eval-gen", "--dataset-name", "places356", "places205, places365, or the path of a folder or tar"),
        ("eval-gen", "--image-size", "0", "image_size must be at least 1, got 0"),
        ("eval-mse", "--val-batch-size", "0", "val_batch_size must be at least 1, got 0"),
        ("eval-mse", "--model-suffix", "../x", "model_suffix is part of a folder's name"),
        ("eval-all", "--experiment-name", "../x", "experiment_name must name a folder"),
    ],
)
def test_a_wrong_value_ends_with_2_and_what_is_right(desk, capsys, task, option, wrong, answer):
    status, out, err = run(capsys, task, option, wrong)
    assert (status, out) == (2, "")
    assert answer in words(err)
    assert os_listing() == ["photos"]


def os_listing():
    return sorted(path.name for path in Path().iterdir())


def test_options_of_a_notebook_are_checked_as_well():
    assert MSEOptions(eval_root_path="elsewhere").eval_root_path == Path("elsewhere")
    with pytest.raises(ValueError, match="eval_type must be one of original, grayscale, colorized, got 'color'"):
        MSEOptions(eval_type="color")


def test_the_type_says_how_far_to_go():
    kinds = [SetOptions(eval_type=t, model_suffix="x").kinds for t in ("original", "grayscale", "colorized")]
    assert kinds == [("original",), ("original", "grayscale"), ("original", "grayscale", "resnet-x")]


# ---- eval-gen


def test_the_seeds_layout(desk, capsys):
    status, out, err = run(capsys, "eval-gen", *PHOTOS, *COLORIZED)
    assert (status, "colorlab:" in err) == (0, False)
    folders = ("grayscale", "original", "resnet-placeholder")
    assert sorted(path.name for path in Path("eval").iterdir()) == list(folders)
    for folder in folders:
        assert f"eval/{folder}" in out
        assert files(Path("eval", folder)) == ["manifest.json", *sorted(f"test/{name}" for name in NAMES)]


def test_original_is_the_data_set_and_grayscale_its_lightness(evalset):
    assert torch.equal(images("original"), photos().rgb)
    grays = images("grayscale")
    assert torch.equal(grays[:, 0], grays[:, 1])
    assert torch.equal(grays[:, 0], grays[:, 2])
    true, seen = (rgb2lab(rgb.movedim(1, -1).numpy())[..., 0] for rgb in (photos().rgb, grays))
    # 8 bits can miss an L by half a step, of which the largest, in the darks, is 0.55.
    assert abs(true - seen).max() < 0.3


def test_colorized_are_the_models_colors_with_the_true_lightness(evalset):
    model = pretrained.load("resnet-placeholder")
    assert torch.equal(images("resnet-placeholder"), colored(model, photos().rgb))
    assert not torch.equal(images("resnet-placeholder"), images("grayscale"))


def test_the_manifest_says_which_weights_made_the_images(evalset):
    manifest = json.loads(Path("eval/resnet-placeholder/manifest.json").read_text())
    assert manifest["weights_sha256"] == pretrained.FILES["resnet-placeholder"]
    assert Path(manifest["weights"]).name == "resnet-placeholder.safetensors"
    told = {name: manifest[name] for name in ("model", "dataset", "split", "size", "count")}
    assert told == {
        "model": "resnet-placeholder",
        "dataset": "photos",
        "split": "test",
        "size": [32, 32],
        "count": len(NAMES),
    }
    assert manifest["versions"]["torch"] == str(torch.__version__)
    original = json.loads(Path("eval/original/manifest.json").read_text())
    assert original["images_sha256"] == manifest["images_sha256"]
    assert "weights" not in original


@pytest.mark.parametrize(
    ("kind", "folders"), [([], ["original"]), (["--eval-type", "grayscale"], ["grayscale", "original"])]
)
def test_without_a_model_none_is_needed(desk, capsys, kind, folders):
    status, _, _ = run(capsys, "eval-gen", *PHOTOS, *kind, "--model-name", "cgan", "--eval-root-path", "set")
    assert status == 0
    assert sorted(path.name for path in Path("set").iterdir()) == folders


def test_the_batch_size_makes_no_difference(evalset, capsys):
    assert run(capsys, "eval-gen", *PHOTOS, "--eval-root-path", "other", "--val-batch-size", "4")[0] == 0
    assert content("other/original") == content("eval/original")


def interrupt(monkeypatch, number):
    """Ctrl-C while the ``number``-th image is written, once."""
    save = Image.Image.save
    saved = []

    def interrupted(self, path, **keywords):
        saved.append(path)
        save(self, path, **keywords)
        if len(saved) == number:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Image.Image, "save", interrupted)
    return saved


@pytest.mark.parametrize("number", [1, 13, 27])
def test_an_interrupted_run_goes_on_where_it_was(evalset, capsys, monkeypatch, number):
    given = ["eval-gen", *PHOTOS, *COLORIZED, "--eval-root-path", "second", "--val-batch-size", "4"]
    saved = interrupt(monkeypatch, number)
    status, _, err = run(capsys, *given)
    assert (status, complaint(err)) == (130, "colorlab: interrupted; the files written so far are kept")
    written = [name for name in files("second") if name.endswith(".png")]
    assert len(written) == number - 1
    status, _, err = run(capsys, "eval-mse", *COLORIZED, "--eval-root-path", "second")
    assert status == 1
    assert "eval-gen again" in complaint(err) or "write them with eval-gen" in complaint(err)
    assert run(capsys, *given)[0] == 0
    assert len(saved) == 27 + 1
    for folder in ("original", "grayscale", "resnet-placeholder"):
        assert content(Path("second", folder)) == content(Path("eval", folder))


def test_a_finished_set_is_left_as_it_is(evalset, capsys, monkeypatch):
    saved = interrupt(monkeypatch, 1)
    assert run(capsys, "eval-gen", *PHOTOS, *COLORIZED)[0] == 0
    assert saved == []


def test_what_is_lost_comes_back(evalset, capsys):
    before = content("eval")
    shutil.rmtree("eval/grayscale")
    Path("eval/resnet-placeholder/test", NAMES[3]).unlink()
    assert run(capsys, "eval-gen", *PHOTOS, *COLORIZED)[0] == 0
    assert content("eval") == before


def own_weights(path, seed=0, name="resnet"):
    torch.manual_seed(seed)
    model = create_colorizer(name)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    save_weights(model, path)
    return model.eval()


@pytest.mark.parametrize(
    ("path", "given", "folder"),
    [
        ("models/resnet.safetensors", [], "resnet"),  # before those of the name that ship
        ("models/resnet-mine.safetensors", ["--model-suffix", "mine"], "resnet-mine"),
        ("weights/resnet-2.safetensors", ["--model-suffix", "2", "--model-path", "weights"], "resnet-2"),
        ("output/x/best.safetensors", ["--model-path", "output/x/best.safetensors"], "resnet"),
    ],
)
def test_weights_of_your_own(desk, capsys, path, given, folder):
    model = own_weights(path)
    status, out, _ = run(capsys, "eval-gen", *PHOTOS, "--eval-type", "colorized", *given)
    assert status == 0
    assert path in out
    assert torch.equal(images(folder), colored(model, photos().rgb))


@pytest.mark.parametrize(
    ("given", "named"),
    [
        (["--model-suffix", "nonesuch"], ["models/resnet-nonesuch.safetensors", *pretrained.NAMES]),
        (["--model-path", "elsewhere"], ["elsewhere/resnet.safetensors"]),  # no silent stand-in that ships
        (["--model-path", "unet.safetensors"], ["unet.safetensors holds a unet32, but model_name is resnet"]),
        (
            ["--model-path", "unet.safetensors", "--model-name", "unet32", "--image-size", "24"],
            ["unet32 cannot color images of image_size 24", "multiples of 16"],
        ),
        (["--model-path", "text.safetensors"], ["text.safetensors is not a readable safetensors file"]),
        (["--device", "abacus"], ["device 'abacus' cannot be used here"]),
    ],
)
def test_weights_that_do_not_do_are_named_before_anything_is_written(desk, capsys, given, named):
    save_weights(create_colorizer("unet32"), "unet.safetensors")
    Path("text.safetensors").write_text("weights")
    status, _, err = run(capsys, "eval-gen", *PHOTOS, "--eval-type", "colorized", *given)
    assert status == 1
    for part in named:
        assert part in complaint(err)
    assert not Path("eval").exists()


def test_other_weights_do_not_go_into_the_same_folder(desk, capsys):
    own_weights("models/resnet-mine.safetensors")
    given = ["eval-gen", *PHOTOS, "--eval-type", "colorized", "--model-suffix", "mine"]
    assert run(capsys, *given)[0] == 0
    before = content("eval")
    own_weights("models/resnet-mine.safetensors", seed=1)
    status, _, err = run(capsys, *given)
    assert status == 1
    assert "eval/resnet-mine was made from other weights, says its manifest; remove" in complaint(err)
    assert content("eval") == before


def test_a_data_set_that_is_not_there(desk, capsys):
    status, _, err = run(capsys, "eval-gen", "--dataset-name", "places365")
    assert status == 1
    assert "data/places365" in complaint(err) or "places365 is not there" in complaint(err)
    assert not Path("eval").exists()


# ---- eval-mse


def test_mse_is_the_seeds(evalset, capsys):
    status, out, _ = run(capsys, "eval-mse", *COLORIZED)
    assert status == 0
    means = pd.read_csv("output/experiment_name/mse_loss.csv", index_col="model")
    rows = pd.read_csv("output/experiment_name/mse_images.csv")
    assert list(means.index) == ["original", "gray", "resnet-placeholder"]
    # From the files, by scikit-image and NumPy alone.
    true = rgb2lab(images("original").movedim(1, -1).numpy())[..., 1:]
    for model, kind in (("gray", "grayscale"), ("resnet-placeholder", "resnet-placeholder")):
        seen = rgb2lab(images(kind).movedim(1, -1).numpy())[..., 1:]
        errors = np.square(true - seen).mean(axis=(1, 2, 3))
        np.testing.assert_allclose(means.loc[model, "mse"], errors.mean(), rtol=1e-3)
        np.testing.assert_allclose(means.loc[model, "mse_se"], errors.std(ddof=1) / 3, rtol=1e-3)
        np.testing.assert_allclose(means.loc[model, "mse_seed"], (errors / 255**2).mean(), rtol=1e-3)
        np.testing.assert_allclose(means.loc[model, "mse_seed_se"], (errors / 255**2).std(ddof=1) / 3, rtol=1e-3)
        assert means.loc[model, "n"] == 9
        assert f"{means.loc[model, 'mse']:.6f}" in out
    assert means.loc["original", "mse"] == 0
    assert list(rows.columns) == ["model", "image", "label", "mse_seed", "mse"]
    own = rows[rows["model"] == "resnet-placeholder"].set_index("image")
    assert sorted(own.index) == sorted(NAMES)
    assert (own["label"] == own.index.str.split("/").str[0]).all()
    expected = score_images(images("original"), images("resnet-placeholder"), ["mse_seed", "mse"])
    for name, values in expected.items():
        np.testing.assert_allclose(own.loc[NAMES, name], values.numpy(), rtol=1e-12)


def test_batches_make_no_difference_and_the_folder_of_tables_is_an_option(evalset, capsys):
    assert run(capsys, "eval-mse", *COLORIZED)[0] == 0
    given = ["--val-batch-size", "2", "--output-root-path", "tables", "--experiment-name", "twos"]
    assert run(capsys, "eval-mse", *COLORIZED, *given)[0] == 0
    assert files("tables") == ["twos/mse_images.csv", "twos/mse_loss.csv"]
    once, twice = (pd.read_csv(f"{folder}/mse_images.csv") for folder in ("output/experiment_name", "tables/twos"))
    pd.testing.assert_frame_equal(once, twice, rtol=1e-6)


@pytest.mark.parametrize(
    ("task", "table"), [("eval-mse", "mse_loss"), ("eval-ps", "ps_distances"), ("eval-si", "si_accuracy")]
)
def test_a_folder_that_does_not_match_is_an_error_that_lists_the_differences(evalset, capsys, task, table):
    test = Path("eval/resnet-placeholder/test")
    (test / NAMES[0]).unlink()
    shutil.copy(test / NAMES[1], test / "stranger.png")
    given = {"eval-ps": ["--trunk", "colorlab"], "eval-si": ["--classifier-path", classifier("c.safetensors")]}
    status, _, err = run(capsys, task, *COLORIZED, *given.get(task, []))
    assert status == 1
    sentence = complaint(err)
    assert "eval/resnet-placeholder does not match eval/original" in sentence
    assert f"1 missing ({NAMES[0]}); 1 extra (stranger.png)" in sentence
    assert not Path("output", "experiment_name", f"{table}.csv").exists()


def test_a_damaged_image_is_named(evalset, capsys):
    path = Path("eval/grayscale/test", NAMES[4])
    path.write_bytes(path.read_bytes()[:100])
    status, _, err = run(capsys, "eval-mse", "--eval-type", "grayscale")
    assert status == 1
    assert str(path) in complaint(err)


def test_tables_that_cannot_be_written_are_named(evalset, capsys):
    Path("output").write_text("a file")
    status, _, err = run(capsys, "eval-mse")
    assert status == 1
    assert "output/experiment_name cannot be written to" in complaint(err)


# ---- eval-ps


def test_ps_says_what_measured(evalset, capsys):
    status, out, _ = run(capsys, "eval-ps", *COLORIZED, "--trunk", "colorlab", "--val-batch-size", "4")
    assert status == 0
    perceptual = PerceptualDistance("colorlab")
    means = pd.read_csv("output/experiment_name/ps_distances.csv", index_col="model")
    rows = pd.read_csv("output/experiment_name/ps_images.csv")
    assert list(means.columns) == [perceptual.label, f"{perceptual.label}_se", "n"]
    assert perceptual.label in out
    assert "LPIPS" not in perceptual.label
    for model, kind in (
        ("original", "original"),
        ("gray", "grayscale"),
        ("resnet-placeholder", "resnet-placeholder"),
    ):
        expected = perceptual(images("original"), images(kind)).numpy()
        own = rows[rows["model"] == model].set_index("image")[perceptual.label]
        np.testing.assert_allclose(own.loc[NAMES], expected, rtol=1e-5, atol=1e-9)
        np.testing.assert_allclose(means.loc[model, perceptual.label], expected.mean(), rtol=1e-5, atol=1e-9)
        se = expected.std(ddof=1) / 3
        np.testing.assert_allclose(means.loc[model, f"{perceptual.label}_se"], se, rtol=1e-4, atol=1e-9)


def test_ps_without_the_weights_that_were_named(evalset, capsys):
    status, _, err = run(capsys, "eval-ps", "--trunk", "squeeze", "--trunk-weights", "nowhere.pth")
    assert status == 1
    assert "nowhere.pth" in complaint(err)
    assert not Path("output").exists()


# ---- eval-si


def classifier(path, classes=CLASSES):
    torch.manual_seed(0)
    network = create_classifier("small", classes).eval()
    save_weights(network, path, {"classes": list(classes)})
    return path


def test_si_counts_what_the_classifier_recognizes(evalset, capsys):
    classes = ("moon", "tissue", "cat", "astronaut", "coffee", "rocket", "colony")
    given = ["--classifier-path", classifier("models/judge.safetensors", classes)]
    status, out, _ = run(capsys, "eval-si", *COLORIZED, *given, "--val-batch-size", "4")
    assert status == 0
    rows = pd.read_csv("output/experiment_name/si_images.csv")
    accuracy = pd.read_csv("output/experiment_name/si_accuracy.csv", index_col=0)
    assert list(accuracy.index) == ["original", "gray", "resnet-placeholder"]
    torch.manual_seed(0)
    network = create_classifier("small", classes).eval()
    labels = torch.tensor([classes.index(name.split("/")[0]) for name in NAMES])
    for model, kind in (
        ("original", "original"),
        ("gray", "grayscale"),
        ("resnet-placeholder", "resnet-placeholder"),
    ):
        with torch.inference_mode():
            best = network(images(kind)).topk(5).indices
        own = rows[rows["model"] == model].set_index("image").loc[NAMES]
        assert own["top1"].tolist() == (best[:, 0] == labels).tolist()
        assert own["top5"].tolist() == (best == labels[:, None]).any(dim=1).tolist()
        assert accuracy.loc[model, "n"] == 9
        for column in ("top1", "top5"):
            assert accuracy.loc[model, column] == pytest.approx(own[column].mean())
            interval = binomtest(int(own[column].sum()), 9).proportion_ci(0.95, method="wilson")
            assert accuracy.loc[model, f"{column}_low"] == pytest.approx(interval.low)
            assert accuracy.loc[model, f"{column}_high"] == pytest.approx(interval.high)
        assert model in out


@pytest.mark.parametrize(
    ("path", "named"),
    [
        (
            "nowhere.safetensors",
            [
                "there is no classifier at nowhere.safetensors",
                "what the task classifier trains",
                "cifar10, placeholder",
            ],
        ),
        ("strangers.safetensors", ["does not know the class 'astronaut'", "only moon, tissue"]),
        ("colorizer.safetensors", ["colorizer.safetensors cannot be used here"]),
    ],
)
def test_classifiers_that_cannot_judge(evalset, capsys, path, named):
    classifier("strangers.safetensors", ("moon", "tissue"))
    save_weights(create_colorizer("resnet"), "colorizer.safetensors")
    status, _, err = run(capsys, "eval-si", "--classifier-path", path)
    assert status == 1
    for part in named:
        assert part in complaint(err)


# ---- eval-all


@pytest.mark.slow
def test_the_leaderboard_has_the_baselines_and_every_model(desk, capsys):
    own_weights("mine.safetensors")
    given = ["--models", "resnet-placeholder", "mine.safetensors", "--trunk", "colorlab", "--val-batch-size", "4"]
    status, out, _ = run(capsys, "eval-all", *PHOTOS, *given)
    assert status == 0
    folder = Path("output/experiment_name")
    assert {"leaderboard.csv", "leaderboard.md", "scores.csv"} <= set(files(folder))
    models = ["original", "gray", "mean color", "resnet-placeholder", "mine.safetensors"]
    rows = pd.read_csv(folder / "scores.csv")
    board = pd.read_csv(folder / "leaderboard.csv", index_col=0)
    text = (folder / "leaderboard.md").read_text()
    assert list(rows["model"].unique()) == models
    assert set(board.index) == set(models)
    assert board.index[0] == "original"
    for model in models:
        assert model in out
        assert f"| {model} |" in text
        np.testing.assert_allclose(board.loc[model, "mse"], rows[rows["model"] == model]["mse"].mean(), rtol=1e-9)
        assert board.loc[model, "n"] == 9

    perceptual = PerceptualDistance("colorlab")
    entries = {
        "gray": gray(),
        "mean color": mean_color(photos("train")),
        "resnet-placeholder": pretrained.load("resnet-placeholder"),
        "mine.safetensors": own_weights("mine.safetensors"),
    }
    expected = compare(entries, photos(), scores=("mse", "psnr", "ssim"), perceptual=perceptual, original=True)
    for column in ("model", "image", "label"):
        assert rows[column].tolist() == expected[column].tolist()
    for column in ("mse", "psnr", "ssim", perceptual.label):
        np.testing.assert_allclose(rows[column], expected[column], rtol=1e-4, atol=1e-6)


def test_each_model_sees_each_image_once_and_there_is_one_bar(desk, monkeypatch):
    bars, seen = [], []
    model = pretrained.load("resnet-placeholder").train()
    model.register_forward_hook(lambda model, given, result: seen.append((len(result), model.training)))

    def counted(**keywords):
        bars.append(tqdm(**{**keywords, "disable": True}))
        return bars[-1]

    monkeypatch.setattr(scores, "tqdm", counted)
    options = LeaderboardOptions(
        dataset_name="photos", val_batch_size=4, trunk="colorlab", classifier_path=classifier("judge.safetensors")
    )
    table = tasks.evaluate_all(options, {"mine": model}).rows
    assert seen == [(4, False), (4, False), (1, False)]
    assert [bar.total for bar in bars] == [9]
    assert len(table) == 4 * 9
    assert all(module.training for module in model.modules())


def test_short_passes_show_no_bar_and_long_ones_one_on_standard_error(evalset, capsys, monkeypatch):
    """A bar needs a terminal: told that there is one, it appears after 2 seconds of the clock that tqdm reads."""
    whole = functools.partial(tqdm, disable=False, mininterval=0)
    monkeypatch.setattr(
        scores, "tqdm", lambda **keywords: whole(**{k: v for k, v in keywords.items() if k != "disable"})
    )
    given = ["eval-mse", *COLORIZED, "--val-batch-size", "1"]
    status, out, err = run(capsys, *given)
    assert (status, "eval-mse" in err) == (0, False)
    now = itertools.count(step=1.0)
    monkeypatch.setattr("tqdm.std.tqdm._time", lambda self: next(now), raising=False)
    monkeypatch.setattr("tqdm.std.time", lambda: next(now))
    status, out, err = run(capsys, *given)
    assert "eval-mse" in err
    assert "eval-mse" not in out


def test_a_resumed_leaderboard_goes_on_by_images_and_is_the_same(desk, capsys, monkeypatch):
    given = {"dataset_name": "photos", "val_batch_size": 2, "classifier_path": classifier("judge.safetensors")}
    model = pretrained.load("resnet-placeholder")
    whole = tasks.evaluate_all(LeaderboardOptions(**given), {"mine": model}).rows
    seen = []

    def count(model, given, result):
        seen.append(len(result))
        if len(seen) == 4:
            raise KeyboardInterrupt

    hook = model.register_forward_hook(count)
    monkeypatch.setattr(tasks, "_SAVE_EVERY", 0)
    with pytest.raises(KeyboardInterrupt):
        tasks.evaluate_all(LeaderboardOptions(**given), {"mine": model})
    assert files("output") == sorted(f"experiment_name/{name}" for name in (*TABLES, "scores.part"))
    with pytest.raises(ValueError, match=r"scores.part is from a run with other options, models or images; use the"):
        tasks.evaluate_all(LeaderboardOptions(**given, trunk="colorlab", resume=True), {"mine": model})
    table = tasks.evaluate_all(LeaderboardOptions(**given, resume=True), {"mine": model}).rows
    assert seen == [2, 2, 2, 2, 2, 1]  # the fourth batch was interrupted
    pd.testing.assert_frame_equal(table, whole, check_exact=True)
    hook.remove()
    assert not Path("output/experiment_name/scores.part").exists()


@pytest.mark.slow
def test_a_classifier_judges_all_models(desk, capsys):
    given = ["--models", "resnet-placeholder", "--classifier-path", classifier("judge.safetensors")]
    status, out, _ = run(capsys, "eval-all", *PHOTOS, *given, "--val-batch-size", "4")
    assert status == 0
    assert re.search(r"^Recognized by small\n[\s\S]*^log_probability ", out, re.MULTILINE)
    rows = pd.read_csv("output/experiment_name/scores.csv")
    torch.manual_seed(0)
    network = create_classifier("small", CLASSES).eval()
    seen = {
        "original": photos().rgb,
        "gray": colored(gray(), photos().rgb),
        "resnet-placeholder": colored(pretrained.load("resnet-placeholder"), photos().rgb),
    }
    for model, rgb in seen.items():
        with torch.inference_mode():
            right = network(rgb).argmax(dim=1) == photos().labels
        assert rows[rows["model"] == model]["top1"].tolist() == right.tolist()
    accuracy = pd.read_csv("output/experiment_name/si_accuracy.csv", index_col="model")
    assert list(accuracy.index) == ["original", "gray", "mean color", "resnet-placeholder"]
    np.testing.assert_allclose(accuracy["top1"], rows.groupby("model", sort=False)["top1"].mean())


@pytest.mark.parametrize(
    ("given", "named"),
    [
        (["--models", "resnet-placehodler"], ["did you mean resnet-placeholder?", *pretrained.NAMES]),
        (["--models", "nowhere.safetensors"], ["nowhere.safetensors"]),
        (["--models", "unet32", "--image-size", "24"], ["unet32 cannot color images of image_size 24"]),
        (["--models", "resnet", "--classifier-path", "nowhere"], ["there is no classifier at nowhere"]),
        (["--models", "resnet", "--trunk", "squeeze", "--trunk-weights", "nowhere.pth"], ["nowhere.pth"]),
    ],
)
def test_what_cannot_compete_is_named(desk, capsys, given, named):
    status, out, err = run(capsys, "eval-all", *PHOTOS, *given)
    assert (status, out) == (1, "")
    for part in named:
        assert part in complaint(err)
    assert not Path("output").exists()


def test_eval_all_says_which_model_is_scored_far_from_its_size(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["eval-all", "--models", "unet32", "--image-size", "32"]) == 0
    assert "unet32 is made for images of 96 px, not of 32 px; --image-size 96" in capsys.readouterr().err
