"""One place for each addition: what a stranger registers is found by name everywhere."""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import Dataset, Subset

import colorlab
from colorlab import cli, data, evaluation, models, training
from colorlab.data import ImageDataset, create_dataset
from colorlab.data.samples import photograph
from colorlab.models import (
    Colorizer,
    create_classifier,
    create_colorizer,
    describe_weights,
    load_classifier,
    load_weights,
    save_weights,
)
from colorlab.models.colorizer import ModuleColorizer
from colorlab.registry import Registry, did_you_mean
from colorlab.training import ClassifierOptions, TrainingOptions, train_classifier

REGISTRIES = (models.COLORIZERS, models.CLASSIFIERS, data.DATASETS, training.OBJECTIVES, evaluation.SCORES)


@pytest.fixture(autouse=True)
def as_it_was():
    """What a test registers is gone after it."""
    before = [dict(registry) for registry in REGISTRIES]
    yield
    for registry, entries in zip(REGISTRIES, before, strict=True):
        registry.clear()
        registry.update(entries)


def squares(count=6, side=32):
    pixels = torch.from_numpy(np.array(photograph("cat"))).movedim(-1, 0)
    rgb = torch.stack([pixels[:, :side, 8 * i : 8 * i + side] for i in range(count)])
    return ImageDataset(rgb, torch.arange(count) % 2, ("cat", "dog"))


def network(channels=4, *, bias=True):
    return nn.Sequential(nn.Conv2d(1, channels, 3, padding=1), nn.ReLU(), nn.Conv2d(channels, 2, 1, bias=bias))


def run(capsys, *arguments):
    status = cli.main(list(map(str, arguments)))
    out, err = capsys.readouterr()
    return status, out, err


# ---- the registry itself


def test_an_unknown_name_is_answered_with_the_known_ones_and_the_nearest():
    registry = Registry("fruit")
    registry.add("apple", 1, network)
    registry.add("pear", 2, network)
    assert (registry.find("apple"), list(registry)) == (1, ["apple", "pear"])
    with pytest.raises(ValueError, match=r"^no fruit 'aple'; there are apple, pear; did you mean apple\?$"):
        registry.find("aple")
    assert did_you_mean("zzz", registry) == ""


def test_a_cell_that_is_run_again_replaces_what_it_registered_and_nobody_else_does():
    for width in (3, 4):
        colorlab.register_colorizer("again")(lambda width=width: network(width))
        assert create_colorizer("again").network[0].out_channels == width
    with pytest.raises(ValueError, match=r"'resnet' is already registered by colorlab\.models\.resnet\.ResNetCol"):
        colorlab.register_colorizer("resnet")(network)
    for name in ("", "a/b", "x.safetensors"):
        with pytest.raises(ValueError, match="needs a name that is not a path"):
            colorlab.register_colorizer(name)(network)


# ---- networks


def test_a_function_that_makes_a_network(tmp_path):
    make = colorlab.register_colorizer("built", size=64)(network)
    built = create_colorizer("built", channels=6, bias=False)
    assert isinstance(built, ModuleColorizer)
    assert (built.name, built.arguments, built.working_size) == ("built", {"channels": 6, "bias": False}, 64)
    assert models.size_of("built") == models.size_of(make()) == 64
    save_weights(create_colorizer(make(5)), tmp_path / "b.safetensors")
    assert describe_weights(tmp_path / "b.safetensors")["arguments"] == {"channels": 5, "bias": True}
    loaded = load_weights(tmp_path / "b.safetensors")
    assert loaded.network[0].out_channels == 5
    # Without its name, the same network is nobody's.
    assert create_colorizer(network()).name == ""


def test_a_class_of_colorizers_keeps_what_it_was_constructed_with(tmp_path):
    @colorlab.register_colorizer("classy")
    class Classy(Colorizer):
        working_size = 48
        stride = 4

        def __init__(self, first, *, second=(1, 2), **more):
            super().__init__()
            self.layer = nn.Conv2d(1, 2, first)
            self.given = first, second, more

        def predict(self, lightness):
            return self.layer(lightness)

    class Under(Classy):
        pass

    model = Classy(1, second=[3], third="x")
    assert (model.name, model.working_size) == ("classy", 48)
    save_weights(model, tmp_path / "c.safetensors")
    assert load_weights(tmp_path / "c.safetensors").given == (1, [3], {"third": "x"})
    assert Under(1).name == ""  # it is another network
    with pytest.raises(
        ValueError, match=r"the constructor arguments of classy cannot be saved .* not JSON serializable"
    ):
        save_weights(Classy(1, third=object()), tmp_path / "d.safetensors")
    assert not (tmp_path / "d.safetensors").exists()


def test_a_registered_network_trains_by_its_name_and_as_it_is(tmp_path):
    make = colorlab.register_colorizer("mine", size=16)(network)
    options = {"output_root_path": tmp_path, "max_epochs": 1, "device": "cpu", "max_images": 1}
    for model in ("mine", make(3)):
        result = colorlab.train(model, squares(), **options)
        assert result.model.working_size == 16
        path = result.folder / "best.safetensors"
        assert describe_weights(path)["model_name"] == "mine"
        assert describe_weights(path)["options"]["model_name"] == "mine"
        assert isinstance(colorlab.load(path), Colorizer)
        assert "best" in colorlab.evaluate(path, squares(), scores=["mae"]).board.index
    assert "mine" in colorlab.list_models(trained=False)


def test_a_network_with_a_discriminator_is_trained_against_it(tmp_path):
    class Judge(models.Discriminator):
        name = "duel"

        def __init__(self):
            super().__init__()
            self.layer = nn.Conv2d(3, 1, 3)

        def judge(self, lightness, ab):
            return self.layer(torch.cat([lightness, ab], dim=1))

    colorlab.register_colorizer("duel", discriminator=Judge)(network)
    result = colorlab.train("duel", squares(), output_root_path=tmp_path, max_epochs=1, device="cpu", max_images=1)
    assert "train_d_real" in result.history.table()
    with pytest.raises(ValueError, match="ema makes no difference to duel, which is trained against a discriminator"):
        TrainingOptions(model_name="duel", ema=0.9)


def test_what_is_no_network_is_said():
    colorlab.register_colorizer("nothing")(lambda: 3)
    with pytest.raises(TypeError, match=r"'nothing' must make an nn.Module, not int"):
        create_colorizer("nothing")


@pytest.mark.parametrize(("stride", "seen"), [(1, 1), (2, 2), (8, 8)])
def test_the_sizes_that_a_network_takes_are_tried_out(stride, seen):
    layers = nn.Sequential(
        nn.Conv2d(1, 2, stride, stride=stride), nn.Upsample(scale_factor=stride), nn.BatchNorm2d(2)
    )
    layers[2].eval()
    layers.train()
    layers[2].eval()
    assert create_colorizer(layers).stride == seen
    assert (layers.training, layers[2].training) == (True, False)


# ---- losses


def test_a_loss_by_name(tmp_path):
    calls = []

    @colorlab.register_objective("mine")
    def mine(predicted, target):
        calls.append(predicted.shape)
        return (predicted - target).abs().mean()

    options = {"output_root_path": tmp_path, "max_epochs": 1, "device": "cpu", "max_images": 1}
    result = colorlab.train("resnet", squares(), loss="mine", **options)
    assert calls[0] == (5, 2, 32, 32)
    assert describe_weights(result.folder / "best.safetensors")["options"]["loss"] == "mine"
    with pytest.raises(ValueError, match="loss must be one of auto, mse, l1, huber, mine, cross_entropy, got 'mien'"):
        TrainingOptions(loss="mien")


# ---- datasets


class Uneven(Dataset):
    """Images of different shapes, with classes that have names."""

    classes = ("cat", "dog")

    def __init__(self, split, count=4):
        self.split, self.count = split, count

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        return torch.full((3, 30 + index, 40), 10 * index, dtype=torch.uint8), index % 2


def test_a_dataset_by_name():
    colorlab.register_dataset("uneven")(Uneven)
    dataset = create_dataset("uneven", "val", size=20)
    assert dataset.source.split == "val"
    assert dataset.classes == ("cat", "dog")
    rgb, labels = dataset.pick([3, 0])
    assert rgb.shape == (2, 3, 20, 20)
    assert (rgb[:, 0, 0, 0].tolist(), labels.tolist()) == ([30, 0], [1, 0])
    assert TrainingOptions(dataset_name="uneven").dataset("train").source.split == "train"
    with pytest.raises(ValueError, match=r"no dataset 'unevem'; there are .*uneven.*; did you mean uneven"):
        create_dataset("unevem", "val")
    with pytest.raises(ValueError, match="min_colorfulness makes no difference to uneven"):
        TrainingOptions(dataset_name="uneven", min_colorfulness=3)


def test_a_dataset_is_given_what_it_asks_for(tmp_path):
    seen = {}

    @colorlab.register_dataset("asks")
    def asks(split, size, root, min_colorfulness):
        seen.update(split=split, size=size, root=root, min_colorfulness=min_colorfulness)
        return squares(side=size)

    create_dataset("asks", "test", size=24, root=tmp_path, min_colorfulness=2)
    assert seen == {"split": "test", "size": 24, "root": tmp_path, "min_colorfulness": 2}


def test_a_subset_keeps_the_names_of_its_classes():
    subset = Subset(Subset(Uneven("train"), [0, 1, 2]), [1, 2])
    assert create_dataset(subset, "train", size=8).classes == ("cat", "dog")
    assert create_dataset(subset, "train", size=8).labels.tolist() == [1, 0]


@pytest.mark.parametrize(
    ("item", "found"),
    [
        ((torch.zeros(3, 8, 8), 0), r"torch\.float32 \(3, 8, 8\)"),
        ((torch.zeros(1, 8, 8, dtype=torch.uint8), 0), r"torch\.uint8 \(1, 8, 8\)"),
        (("image", 0), "str"),
    ],
)
def test_items_of_another_kind_are_refused(item, found):
    class Odd(Dataset):
        def __len__(self):
            return 1

        def __getitem__(self, index):
            return item

    with pytest.raises(ValueError, match=f"item 0 of Odd must be an image, a uint8 RGB tensor .*; got {found}"):
        create_dataset(Odd(), "train", size=8).pick([0])


def test_a_dataset_without_a_length_is_refused():
    class Endless(torch.utils.data.IterableDataset):
        def __iter__(self):
            return iter(())

    with pytest.raises(TypeError, match="Endless has no length"):
        create_dataset(Endless(), "train")


# ---- classifiers


def test_a_classifier_by_name(tmp_path):
    @colorlab.register_classifier("linear")
    class Linear(nn.Module):
        def __init__(self, classes, side=32):
            super().__init__()
            self.layer = nn.Linear(3 * side**2, len(classes))

        def forward(self, rgb):
            return self.layer(rgb.flatten(1))

    options = ClassifierOptions(
        classifier_name="linear", dataset_name=squares(), max_epochs=1, output_root_path=tmp_path, device="cpu"
    )
    result = train_classifier(options)
    loaded = load_classifier(result.folder / "best.safetensors")
    assert (loaded.name, loaded.arguments, loaded.classes) == ("linear", {"side": 32}, ("cat", "dog"))
    assert loaded(squares().rgb).shape == (6, 2)
    assert repr(result).startswith("ClassifierTraining(linear, 1 epoch")
    with pytest.raises(ValueError, match=r"no classifier 'lineer'; .*did you mean linear"):
        create_classifier("lineer", ("a", "b"))


# ---- scores


def test_a_score_by_name():
    @colorlab.register_score("blueness", unit="Lab", range=(0, 400), direction="lower", best=0)
    def blueness(original, result):
        return (result.lab[:, 2] - original.lab[:, 2]).abs().mean(dim=(1, 2))

    evaluation_ = colorlab.evaluate("resnet", squares())
    assert "blueness (Lab, ↓)" in evaluation_.board
    assert evaluation_.means.loc["original", "blueness"] == 0

    @colorlab.register_score("far", range=(0, 1))
    def far(original, result):
        return result.lab.abs().amax(dim=(1, 2, 3))

    with pytest.raises(ValueError, match=r"the score 'far' gave .*, outside its range 0 to 1"):
        colorlab.evaluate("resnet", squares(), scores=["far"])
    colorlab.register_score("pixels")(lambda original, result: result.lab)
    with pytest.raises(ValueError, match=r"'pixels' must give a value per image, \(6,\), got \(6, 3, 32, 32\)"):
        colorlab.evaluate("resnet", squares(), scores=["pixels"])
    with pytest.raises(ValueError, match="direction of a score must be lower, higher, none"):
        colorlab.register_score("odd", direction="up")


# ---- the command line and the menus

MODULE = """
    import torch
    from torch import nn
    import colorlab

    @colorlab.register_colorizer("theirs", size=16)
    class Theirs(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Conv2d(1, 2, 3, padding=1)

        def forward(self, lightness):
            return self.layer(lightness)

    @colorlab.register_objective("quartic")
    def quartic(predicted, target):
        return (predicted - target).pow(4).mean()

    @colorlab.register_dataset("noise")
    class Noise(torch.utils.data.Dataset):
        classes = ("one", "two")

        def __init__(self, split):
            pass

        def __len__(self):
            return 6

        def __getitem__(self, index):
            return torch.full((3, 16, 16), 20 * index, dtype=torch.uint8), index % 2

    @colorlab.register_score("zero", direction="lower")
    def zero(original, result):
        return torch.zeros(len(original.rgb))
"""


def test_the_command_line_knows_what_a_module_registers(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    Path("their_module.py").write_text(textwrap.dedent(MODULE))
    try:
        given = ["--model-name", "theirs", "--dataset-name", "noise", "--loss", "quartic", "--max-epochs", "1"]
        status, out, err = run(capsys, "--import", "their_module", "colorizer", *given, "--device", "cpu")
        assert status == 0, err
        assert "theirs" in out
        weights = "output/experiment_name/best.safetensors"
        given = ["--models", weights, "--dataset-name", "noise", "--image-size", "16", "--device", "cpu"]
        status, out, err = run(capsys, "eval-all", *given, "--import=their_module")
        assert status == 0, err
        assert "zero (↓)" in out
        photograph("cat").crop((0, 0, 40, 40)).save("cat.png")
        status, out, err = run(capsys, "--import", "their_module", "colorize", "cat.png", "--model-path", weights)
        assert status == 0, err
        assert Path("colorized/cat.png").exists()
        with pytest.raises(SystemExit):
            cli.main(["colorizer", "--help"])
        assert "theirs" in capsys.readouterr().out
    finally:
        sys.modules.pop("their_module", None)


def test_a_module_that_is_not_there_is_said(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run(capsys, "--import", "nonesuch", "colorizer")[::2] == (
        1,
        "colorlab: --import: No module named 'nonesuch'\n",
    )
    assert run(capsys, "colorizer", "--import")[0] == 1


def test_a_networks_weights_are_in_the_menu_of_the_bench(tmp_path):
    from colorlab.widgets import ColorizeBench

    make = colorlab.register_colorizer("mine")(network)
    bench = ColorizeBench("cat", "mine", models={"mine": make()}, size=32)
    assert "mine" in bench.model.options


def test_messages_and_help_are_made_from_the_registries(capsys):
    with pytest.raises(SystemExit):
        cli.main(["colorizer", "--help"])
    help_text = "".join(capsys.readouterr().out.split())
    assert ",".join(models.COLORIZERS) in help_text.replace("││", "")
    for name in data.DATASETS:
        assert name in help_text


def test_the_page_on_extending_colorlab_runs(tmp_path):
    page = (Path(__file__).parent.parent / "CONTRIBUTING.md").read_text(encoding="utf-8")
    section = page.partition("## Extending colorlab")[2].partition("\n## ")[0]
    module, script = re.findall(r"```python\n(.*?)```", section, flags=re.DOTALL)
    (tmp_path / "my_module.py").write_text(module, encoding="utf-8")
    (tmp_path / "script.py").write_text(f"{script}print(len(board.board))\n", encoding="utf-8")
    command = re.search(r"python -m (colorlab .*)", section)[1].split()
    for arguments in (["script.py"], ["-m", *command, "--max-epochs", "1", "--experiment-name", "by-command"]):
        done = subprocess.run([sys.executable, *arguments], cwd=tmp_path, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "output" / "by-command" / "last.safetensors").is_file()
