"""The recipes of the weights that ship, and their pack for another machine."""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
import torch
from PIL import Image

from colorlab import pretrained
from colorlab.models import create_classifier, describe_weights, save_weights

ROOT = Path(__file__).parent.parent


@pytest.fixture
def desk(tmp_path, monkeypatch):
    """An empty folder to work in, with two archives of three images each beside it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    for name, size in (("cifar10", (32, 32)), ("tinyimagenet", (64, 80))):
        with tarfile.open(tmp_path / f"{name}.tar", "w") as tar:
            for split in ("train", "val", "test"):
                file = io.BytesIO()
                Image.new("RGB", size, (200, 90, 40)).save(file, "JPEG")
                entry = tarfile.TarInfo(f"{name}/{split}/thing/0.jpg")
                entry.size = len(file.getvalue())
                file.seek(0)
                tar.addfile(entry, file)
    monkeypatch.setenv("COLORLAB_REAL_DATA", str(tmp_path))
    for name in ("recipes", "pack_recipes"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return tmp_path


def test_every_file_that_ships_has_its_recipe(desk):
    from recipes import JUDGES, RECIPES

    assert tuple(RECIPES) == pretrained.NAMES
    assert set(RECIPES) | set(JUDGES) == set(pretrained.FILES)


def test_what_recipes_need(desk):
    from pack_recipes import needs

    assert needs(["resnet"]) == {"cifar10": 32, "tinyimagenet": 32, "photographs": 96, "photos": 96}
    assert needs(["classifier-cifar10", "trunk"]) == {"cifar10": 32, "tinyimagenet": 64}
    assert needs(["classifier-placeholder"]) == {}


def test_packed_images_have_the_size_that_is_used(desk):
    from pack_recipes import pack_archive

    pack_archive("tinyimagenet", 32, desk / "packed.tar")
    with tarfile.open(desk / "packed.tar") as tar:
        assert tar.getnames() == [f"tinyimagenet/{split}/thing/0.jpg" for split in ("train", "val", "test")]
        with Image.open(tar.extractfile(tar.getmembers()[0])) as image:
            assert (image.size, image.format) == ((32, 40), "WEBP")


def test_a_pack_runs_elsewhere_and_takes_over_what_is_finished(desk, monkeypatch):
    import pack_recipes
    from recipes import JUDGES

    # Without the wheels, which come from the network; what they hold is installed here.
    monkeypatch.setattr(pack_recipes, "fetch_wheels", lambda python, folder: None)
    monkeypatch.setattr(sys, "argv", ["pack", "classifier-placeholder"])
    pack_recipes.main()
    options = JUDGES["classifier-placeholder"]
    options.folder.mkdir(parents=True)
    torch.manual_seed(0)
    facts = {"options": options.to_dict(), "classes": ["a", "b"], "epoch": options.max_epochs}
    weights = options.folder / "last.safetensors"
    save_weights(create_classifier("small", ("a", "b")), weights, facts)
    before = weights.read_bytes()
    done = subprocess.run([sys.executable, "output/pack.pyz"], capture_output=True, text=True, cwd=desk)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "classifier-placeholder: output/weights-classifier-placeholder/last.safetensors\n"
    assert weights.read_bytes() == before
    assert (desk / "pack" / "colorlab" / "training" / "loop.py").exists()


def test_a_run_with_other_options_is_not_taken_over(desk):
    from recipes import JUDGES, _finished

    options = JUDGES["classifier-placeholder"]
    assert not _finished(options)
    options.folder.mkdir(parents=True)
    weights = options.folder / "last.safetensors"
    model = create_classifier("small", ("a", "b"))
    for changed, epoch, finished in (({}, 8, True), ({}, 7, False), ({"seed": 1}, 8, False)):
        facts = {"options": options.to_dict() | changed, "classes": ["a", "b"], "epoch": epoch}
        save_weights(model, weights, facts)
        assert describe_weights(weights)["epoch"] == epoch
        assert _finished(options) is finished
    elsewhere = {"options": options.to_dict() | {"dataset_name": "pack/data/cifar10.tar"}, "epoch": 8}
    save_weights(model, weights, elsewhere | {"classes": ["a", "b"]})
    assert _finished(options)
