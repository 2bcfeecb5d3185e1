"""The five verbs at the top level: what they take, and what they give."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.utils.data import Dataset

import colorlab
from colorlab import pretrained
from colorlab.data import ImageDataset
from colorlab.data.samples import photograph
from colorlab.hints import to_json
from colorlab.training import TrainingOptions

RESNET = "resnet"


@pytest.fixture
def photos(tmp_path):
    """A folder of three images and a text."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(3):
        part = photograph("cat").crop((40 * number, 0, 40 * number + 60, 40))
        part.save(folder / f"IMG_{number}.jpg", quality=95)
    (folder / "notes.txt").write_text("not an image")
    return folder


class Photos(Dataset):
    """Squares of a photograph, of any size, as a stranger may have them."""

    def __init__(self, count=20, width=40, height=48):
        pixels = torch.from_numpy(np.array(photograph("cat")))
        self.images = [pixels[:height, 10 * i : 10 * i + width].movedim(-1, 0) for i in range(count)]

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        return self.images[index], index % 2


class Tiny(nn.Module):
    """Two convolutions, of which the first halves the image."""

    def __init__(self):
        super().__init__()
        self.down = nn.Conv2d(1, 8, 3, stride=2, padding=1)
        self.up = nn.ConvTranspose2d(8, 2, 2, stride=2)

    def forward(self, lightness):
        return self.up(self.down(lightness).relu()).tanh()


def same(one, other):
    return np.array_equal(np.asarray(one), np.asarray(other))


# ---- colorize


def test_an_image_may_come_in_any_form(photos):
    path = photos / "IMG_0.jpg"
    expected = colorlab.colorize(path, RESNET)
    assert same(colorlab.colorize(str(path), RESNET), expected)
    assert same(colorlab.colorize(path.read_bytes(), RESNET), expected)
    assert same(colorlab.colorize(io.BytesIO(path.read_bytes()), RESNET), expected)
    with path.open("rb") as file:
        assert same(colorlab.colorize(file, RESNET), expected)
    with Image.open(path) as image:
        assert same(colorlab.colorize(image, RESNET), expected)
    assert same(colorlab.colorize(path, pretrained.path(RESNET)), expected)
    assert same(colorlab.colorize(path, colorlab.load(RESNET)), expected)
    assert same(colorlab.colorize(path, RESNET, device="cpu"), expected)


def test_a_file_open_as_text_is_refused(photos):
    with (photos / "notes.txt").open() as file, pytest.raises(TypeError, match="open it with mode 'rb'"):
        colorlab.colorize(file)
    with pytest.raises(ValueError, match=r"the image in 5 bytes .* no known kind"):
        colorlab.colorize(b"hello")


def test_several_images_come_one_by_one(photos):
    paths = sorted(photos.glob("*.jpg"))
    expected = [colorlab.colorize(path, RESNET) for path in paths]
    several = colorlab.colorize(photos, RESNET)
    assert same(next(several), expected[0])
    assert all(map(same, several, expected[1:]))
    assert all(map(same, colorlab.colorize(paths, RESNET), expected))


def test_a_file_of_a_folder_that_cannot_be_read_is_skipped_with_a_warning(photos):
    (photos / "IMG_1.jpg").write_bytes((photos / "IMG_0.jpg").read_bytes()[:300])
    with pytest.warns(UserWarning, match=r"skipped .*IMG_1\.jpg"):
        assert len(list(colorlab.colorize(photos, RESNET))) == 2
    with pytest.raises(ValueError, match="IMG_1"):
        list(colorlab.colorize([photos / "IMG_1.jpg"], RESNET))


def test_results_are_written_where_they_are_wanted(photos, tmp_path):
    written = colorlab.colorize(photos, RESNET, to=tmp_path / "done")
    assert [path.name for path in written] == ["IMG_0.png", "IMG_1.png", "IMG_2.png"]
    image = colorlab.colorize(photos / "IMG_0.jpg", RESNET, to=tmp_path / "one.png")
    with Image.open(tmp_path / "one.png") as stored, Image.open(written[0]) as first:
        assert same(stored, image)
        assert same(first, image)
    colorlab.colorize(photos / "IMG_0.jpg", RESNET, to=tmp_path / "one.webp")
    colorlab.colorize(photos, RESNET, to=tmp_path / "done")  # replaces its own
    with pytest.raises(ValueError, match="would overwrite"):
        colorlab.colorize(photos / "IMG_0.jpg", RESNET, to=photos / "IMG_0.jpg")
    with pytest.raises(ValueError, match=r"not the name of an image file; end it in \.png"):
        colorlab.colorize(image, RESNET, to=tmp_path / "one.txt")


def test_chroma_is_a_factor():
    image = photograph("cat").crop((0, 0, 64, 64))
    gray = np.asarray(colorlab.colorize(image, RESNET, chroma=0)).astype(int)
    assert (gray.max(axis=-1) - gray.min(axis=-1)).max() <= 1
    spread = [np.ptp(np.asarray(colorlab.colorize(image, RESNET, chroma=c)), axis=-1).mean() for c in (0.5, 1, 2)]
    assert spread == sorted(spread)
    with pytest.raises(ValueError, match="chroma must be 0"):
        colorlab.colorize(image, RESNET, chroma=-1)


def test_hints_pull_their_surroundings():
    image = photograph("cat").convert("L").crop((0, 0, 96, 64))
    plain = np.asarray(colorlab.colorize(image, RESNET)).astype(int)
    hinted = np.asarray(colorlab.colorize(image, RESNET, hints=[colorlab.Hint(70, 20, "#c02020")])).astype(int)
    redder = (hinted[..., 0] - hinted[..., 1]) - (plain[..., 0] - plain[..., 1])
    assert redder[20, 70] > 20
    assert redder[20, 70] > redder[60, 5]
    triple = colorlab.colorize(image, RESNET, hints=[colorlab.Hint(70, 20, (192, 32, 32))])
    assert same(triple, hinted)


def test_hints_of_a_file_are_those_of_the_painter(tmp_path):
    image = photograph("cat").convert("L").crop((0, 0, 96, 64))
    hints = [colorlab.Hint(70, 20, "#c02020")]
    expected = colorlab.colorize(image, RESNET, hints=hints)
    (tmp_path / "hints.json").write_text(to_json(hints, (64, 96)))
    for given in (tmp_path / "hints.json", str(tmp_path / "hints.json")):
        assert same(colorlab.colorize(image, RESNET, hints=given), expected)


@pytest.mark.parametrize(
    ("hints", "error", "said"),
    [
        ([(1, 2, "#ffffff")], TypeError, r"colorlab\.Hint\(x, y, color\), not tuple"),
        ("nowhere.json", ValueError, "nowhere.json cannot be opened"),
    ],
)
def test_what_are_no_hints_is_said(hints, error, said):
    with pytest.raises(error, match=said):
        colorlab.colorize(photograph("cat").crop((0, 0, 32, 32)), RESNET, hints=hints)


def test_a_hint_outside_the_image_is_refused():
    hints = [colorlab.Hint(32, 0, "#ffffff")]
    with pytest.raises(ValueError, match="outside an image of 32×32 pixels"):
        colorlab.colorize(photograph("cat").crop((0, 0, 32, 32)), RESNET, hints=hints)
    for color in ("red", "#fff", (1, 2), (0, 0, 256)):
        with pytest.raises(ValueError, match="#rrggbb or three numbers"):
            colorlab.Hint(0, 0, color)


def test_weights_stay_loaded_and_nobody_can_spoil_them(monkeypatch):
    image = photograph("cat").crop((0, 0, 48, 48))
    expected = colorlab.colorize(image, RESNET)
    calls = []
    monkeypatch.setattr(pretrained, "load_weights", lambda path: calls.append(path))
    model = colorlab.load(RESNET)
    model.train()
    model.working_size = 8
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    assert same(colorlab.colorize(image, RESNET), expected)
    assert not colorlab.load(RESNET).training
    assert calls == []


def test_a_weights_file_that_changes_is_read_again(tmp_path):
    image = photograph("cat").crop((0, 0, 48, 48))
    path = tmp_path / "mine.safetensors"
    results = []
    for name in ("resnet", "unet32"):
        path.write_bytes(pretrained.path(name).read_bytes())
        results.append(colorlab.colorize(image, path))
        assert same(results[-1], colorlab.colorize(image, name))
    assert not same(*results)


def test_any_network_colors():
    torch.manual_seed(0)
    network = Tiny().train()
    result = colorlab.colorize(photograph("cat").crop((0, 0, 51, 37)), network)
    assert result.size == (51, 37)
    assert network.training
    with pytest.raises(ValueError, match=r"Conv2d gives \(1, 3, 128, 128\) for lightness"):
        colorlab.colorize(photograph("cat"), nn.Conv2d(1, 3, 1))


# ---- load, list_models


def test_a_model_comes_with_its_card():
    assert colorlab.list_models() == list(pretrained.NAMES)
    assert "cgan" in colorlab.list_models(trained=False)
    model = colorlab.load(RESNET)
    assert model.card == pretrained.card(RESNET) == model._repr_markdown_()
    assert "dataset_name" in colorlab.load(pretrained.path(RESNET)).card
    assert all(not parameter.is_cuda for parameter in model.parameters())


def test_what_cannot_be_loaded_is_said(tmp_path):
    with pytest.raises(ValueError, match="did you mean unet32"):
        colorlab.load("unet33")
    with pytest.raises(ValueError, match=r"colorlab\.train\('cgan', data\) trains a cgan"):
        colorlab.load("cgan")
    with pytest.raises(FileNotFoundError, match="no weights at"):
        colorlab.load(tmp_path / "nothing.safetensors")


# ---- train


def settings(tmp_path, **more):
    return {"output_root_path": tmp_path / "out", "max_epochs": 1, "device": "cpu", "max_images": 2, **more}


def test_a_network_and_a_dataset_as_they_are(tmp_path, capsys):
    torch.manual_seed(0)
    network, data = Tiny(), Photos()
    before = [parameter.clone() for parameter in network.parameters()]
    training = colorlab.train(network, data, **settings(tmp_path, experiment_name="mine"))
    assert training.model.network is network
    assert any(not torch.equal(*pair) for pair in zip(before, network.parameters(), strict=True))
    assert len(training.history.rows) == 1
    assert training.folder == tmp_path / "out" / "mine"
    with pytest.raises(
        ValueError, match=r"best.safetensors holds weights of .*Tiny, which had no name .*register_col"
    ):
        colorlab.load(training.folder / "best.safetensors")


def test_data_may_be_a_list_and_validation_another(tmp_path):
    few, others = Photos(4), Photos(6)
    options = settings(tmp_path, image_size=16, train_batch_size=2)
    training = colorlab.train("resnet", [few, others], Photos(3), **options)
    assert (training.folder / "options.json").read_text().count("Photos") == 3
    options = TrainingOptions(dataset_name=few, also_train_on=(others,), validate_on=Photos(3))
    assert [len(options.dataset(split)) for split in ("train", "val")] == [10, 3]


def test_a_tenth_of_a_dataset_is_validated_on():
    options = TrainingOptions(dataset_name=Photos(20))
    train, val = options.dataset("train"), options.dataset("val")
    assert (len(train), len(val)) == (18, 2)
    assert train.pick([0])[0].shape == (1, 3, 32, 32)
    assert train.classes == ("0", "1")
    assert not any((image == other).all() for image in val.rgb for other in train.rgb)


def test_a_loss_as_it_is(tmp_path):
    def cubed(predicted, target):
        return (predicted - target).abs().pow(3).mean()

    training = colorlab.train("resnet", Photos(4), **settings(tmp_path, loss=cubed))
    assert '"loss": "cubed"' in (training.folder / "options.json").read_text()


def test_the_options_object_still_works(tmp_path):
    options = TrainingOptions(dataset_name=Photos(4), **settings(tmp_path))
    assert len(colorlab.train(options).history.rows) == 1
    with pytest.raises(TypeError, match="either TrainingOptions, or a model"):
        colorlab.train(options, max_epochs=3)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"epochs": 3}, "no option 'epochs'; did you mean max_epochs"),
        ({"lerning_rate": 3}, "did you mean learning_rate"),
        ({"qqq": 3}, "no option 'qqq'; there are seed, "),
    ],
)
def test_unknown_options_get_the_nearest(options, said):
    with pytest.raises(TypeError, match=said):
        colorlab.train("resnet", "placeholder", **options)


def test_wrong_kinds_are_said():
    with pytest.raises(TypeError, match=r"model must be a colorizer's name or an nn\.Module, not int"):
        colorlab.train(3)
    with pytest.raises(TypeError, match="data must be the name of a dataset, the path of images or a torch Dataset"):
        colorlab.train("resnet", 3)
    with pytest.raises(ValueError, match="did you mean unet32"):
        colorlab.train("unet33")


@pytest.mark.parametrize(
    ("name", "size", "batch"),
    [("resnet", 32, 100), ("unet224", 224, 16), ("nazerigan224", 224, 16), ("cgan", 224, 16), ("unet32", 32, 100)],
)
def test_sizes_follow_the_model(name, size, batch):
    options = TrainingOptions(model_name=name)
    assert (options.size, options.batch_size, options.validation_batch_size) == (size, batch, batch)
    recorded = options.to_dict()
    assert (recorded["image_size"], recorded["train_batch_size"]) == (size, batch)


@pytest.mark.filterwarnings("ignore::colorlab.training.CollapseWarning")
@pytest.mark.parametrize("name", ["cgan", "unet224", "nazerigan224", "distribution"])
def test_every_model_trains_with_nothing_but_its_name(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    few = ImageDataset(torch.randint(256, (2, 3, 224, 224), dtype=torch.uint8), torch.tensor([0, 1]), "ab")
    monkeypatch.setattr(TrainingOptions, "dataset", lambda self, split: few)
    monkeypatch.setattr(TrainingOptions, "max_epochs", 1)
    if name == "distribution":
        few = ImageDataset(few.rgb[:, :, :128, :128].contiguous(), few.labels, "ab")
    training = colorlab.train(name, max_epochs=1)
    assert training.model.working_size == few.rgb.shape[-1]
    assert str(training.folder) == "output/experiment_name"


def test_a_run_goes_on_on_another_device_which_is_said(tmp_path, capsys):
    options = settings(tmp_path, schedule="constant", device="auto")
    colorlab.train("resnet", "placeholder", **options, image_size=8)
    more = {**options, "device": "cpu", "max_epochs": 2, "resume": True, "image_size": 8}
    assert len(colorlab.train("resnet", "placeholder", **more).history.rows) == 2
    assert capsys.readouterr().err.count("continues on the device 'cpu', after 'auto'") == 1


# ---- results


def test_a_training_shows_its_curve_and_its_table(tmp_path):
    training = colorlab.train("resnet", Photos(4), **settings(tmp_path))
    assert repr(training).startswith("Training(resnet, 1 epoch, validation loss ")
    assert len(repr(training)) < 200
    html = training._repr_html_()
    assert "data:image/png;base64," in html
    assert "val_loss" in html


def test_an_evaluation_shows_the_leaderboard():
    few = ImageDataset(Photos(4, 32, 32)[0][0][None].repeat(4, 1, 1, 1), torch.zeros(4, dtype=torch.int64), ["cat"])
    network = Tiny().train()
    evaluation = colorlab.evaluate([RESNET, network, network], few, scores=["mae", "psnr"])
    assert set(evaluation.board.index) == {"original", "gray", "mean color", RESNET, "Tiny", "Tiny (2)"}
    assert evaluation.rows.groupby("model").size().eq(4).all()
    assert network.training
    assert "<table" in evaluation._repr_html_()
    assert "MAE" in repr(evaluation)
    assert evaluation.means.loc["original", "mae"] == 0


def test_an_evaluation_says_what_it_cannot_do():
    with pytest.raises(ValueError, match="resnet takes multiples of 8 pixels, at least 8, got size 20"):
        colorlab.evaluate(RESNET, Photos(2), size=20)
    with pytest.raises(ValueError, match=r"no score 'msee'; .*did you mean mse"):
        colorlab.evaluate(RESNET, Photos(2), size=32, scores=["msee"])


def test_figures_draw_themselves(tmp_path):
    image = photograph("cat").crop((0, 0, 32, 32))
    for what in (
        image,
        [image] * 3,
        torch.zeros(10, 3, 8, 8),
        (torch.zeros(2, 3, 8, 8), torch.zeros(2)),
        {"a": [image]},
    ):
        figure = colorlab.plots.figure(what)
        assert figure._repr_png_()[:4] == b"\x89PNG"
    training = colorlab.train("resnet", Photos(4), **settings(tmp_path))
    assert colorlab.plots.figure(training)._repr_png_()
    with pytest.raises(TypeError, match="there is no figure of int"):
        colorlab.plots.figure(3)


def test_show_displays(monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda data, **more: shown.append(data))
    colorlab.show([photograph("cat").crop((0, 0, 32, 32))] * 3)
    assert "image/png" in shown[0]


# ---- a stranger's script

SCRIPT = '''
import torch
from PIL import Image
from torch import nn

import colorlab


@colorlab.register_colorizer("mine")
class Mine(nn.Module):
    """Three convolutions at half the size."""

    def __init__(self, channels=8):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, channels, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.ReLU(),
            nn.ConvTranspose2d(channels, 2, 2, stride=2),
        )

    def forward(self, lightness):
        return self.layers(lightness).tanh()


if __name__ == "__main__":
    training = colorlab.train(Mine(channels=12), "photos/", max_epochs=3, learning_rate=1e-2)
    print(training)
    model = colorlab.load("output/experiment_name/best.safetensors")
    assert model.network.layers[0].out_channels == 12
    board = colorlab.evaluate({"mine": model, "resnet": "resnet"}, "photos/")
    print(board)
    assert set(board.board.index) >= {"gray", "mine", "resnet"}
    written = colorlab.colorize("photos/", model, to="colored/")
    assert len(written) == 40 and Image.open(written[0]).size == (48, 40)
    for image in colorlab.colorize("photos/", "output/experiment_name/best.safetensors", size=32):
        assert image.size == (48, 40)
    print("all done")
'''


def stranger(arguments, folder):
    environment = {**os.environ, "PYTHONPATH": str(Path(colorlab.__file__).parents[1])}
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, cwd=folder, env=environment, check=False
    )


def test_a_strangers_script_of_40_lines_needs_nothing_but_the_verbs(tmp_path):
    assert len(SCRIPT.strip().splitlines()) <= 40
    (tmp_path / "photos").mkdir()
    for number in range(40):
        left, top = 6 * number, 3 * number
        image = photograph("cat").crop((left, top, left + 48, top + 40))
        image.save(tmp_path / "photos" / f"IMG_{number:04d}.png")
    (tmp_path / "script.py").write_text(SCRIPT)
    done = stranger(["script.py"], tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("all done\n")

    # Another process knows the network only after an import, and is told which.
    weights = "output/experiment_name/best.safetensors"
    code = f"import colorlab; colorlab.load({weights!r})"
    done = stranger(["-c", code], tmp_path)
    assert (
        "weights of the unregistered colorizer 'mine' (class Mine); first run the cell or script that" in done.stderr
    )
    done = stranger(["-c", f"import colorlab, script; print(type(colorlab.load({weights!r}).network))"], tmp_path)
    assert "script.Mine" in done.stdout


def test_import_is_quick(tmp_path):
    began = time.perf_counter()
    code = "import sys, colorlab; dir(colorlab); assert not {'torch', 'matplotlib', 'timm', 'ipywidgets'} & {*sys.modules}"
    done = stranger(["-c", code], tmp_path)
    assert done.returncode == 0, done.stderr
    assert time.perf_counter() - began < 20  # on a machine as busy as can be; by itself it takes 0.05 s


def test_a_baseline_may_be_named_and_stands_in_the_leaderboard_once():
    board = colorlab.evaluate(["gray", "resnet-placeholder"], "placeholder", scores=["mae"], size=32).board
    assert sorted(board.index) == ["gray", "mean color", "original", "resnet-placeholder"]
