"""Every colorizer × every kind of data set: trains, is cut off, goes on, is loaded and colors an image."""

from __future__ import annotations

import dataclasses
import hashlib
import pickle
import shutil
import tarfile

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torchvision.datasets import CIFAR10

import colorlab
from colorlab.data import create_dataset
from colorlab.data.placeholder import IMAGES_PER_CLASS, PHOTOGRAPHS, placeholder
from colorlab.data.samples import photograph
from colorlab.models import COLORIZERS, create_colorizer, load_weights
from colorlab.training import TrainingOptions, train
from colorlab.training.checkpoint import load_state

pytestmark = pytest.mark.slow

# The smallest that networks and discriminators take, so that all of it runs on one core.
SIZES = {
    "resnet": 32,
    "unet32": 32,
    "unet224": 96,
    "nazerigan32": 32,
    "nazerigan224": 160,
    "cgan": 224,
    "distribution": 32,
}
KINDS = ["placeholder", "cifar10", "places tree", "places tar", "own folder"]


def photographs(count, side=48):
    """Different squares of photographs, as PIL images."""
    sources = [photograph("astronaut"), photograph("cat")]
    for number in range(count):
        source = sources[number % 2]
        yield source.crop((number * 7, 0, number * 7 + 200, 200)).resize((side, side))


def write_cifar10(root, monkeypatch):
    """CIFAR-10 as Toronto publishes it, five training batches, one test batch and a file of names; 2 + 1 images."""
    folder = root / "cifar10" / CIFAR10.base_folder
    folder.mkdir(parents=True)
    names = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
    meta = {"label_names": names, "num_cases_per_batch": 10_000, "num_vis": 3072}
    written = {"batches.meta": meta}
    images = photographs(3, side=32)
    sizes = {"data_batch_1": 1, "data_batch_2": 1, "data_batch_3": 0, "data_batch_4": 0, "data_batch_5": 0}
    for name, count in {**sizes, "test_batch": 1}.items():
        data = [np.asarray(next(images)).transpose(2, 0, 1).reshape(3072) for _ in range(count)]
        written[name] = {
            "batch_label": f"{name}, tiny",
            "labels": [3] * count,
            "data": np.array(data, dtype=np.uint8).reshape(count, 3072),
            "filenames": [f"{name}_{number:06d}.png" for number in range(count)],
        }
    sums = {}
    for name, content in written.items():
        (folder / name).write_bytes(pickle.dumps(content, protocol=2))
        sums[name] = hashlib.md5((folder / name).read_bytes()).hexdigest()
    # The sums that torchvision expects are those of the 60,000.
    for split in ("train_list", "test_list"):
        monkeypatch.setattr(CIFAR10, split, [[name, sums[name]] for name, _ in getattr(CIFAR10, split)])
    monkeypatch.setattr(CIFAR10, "meta", {**CIFAR10.meta, "md5": sums["batches.meta"]})


def write_places(root):
    """``places365/{train,val,test}/<class>/<image>``, 2 + 2 + 2 images."""
    images = photographs(6)
    for split in ("train", "val", "test"):
        for name in ("abbey", "zen_garden"):
            folder = root / "places365" / split / name
            folder.mkdir(parents=True)
            next(images).save(folder / "00000001.jpg", quality=95)


def archive_places(root):
    write_places(root)
    with tarfile.open(root / "places365.tar", "w") as tar:
        tar.add(root / "places365", "places365")
    shutil.rmtree(root / "places365")


def write_own(root):
    """Images beside each other, whose names alone decide their split: 2 + 1 + 1."""
    (root / "holidays").mkdir()
    for number, image in zip((1, 2, 3, 25), photographs(4), strict=True):
        image.save(root / "holidays" / f"IMG_{number:04d}.jpg", quality=95)


@pytest.fixture(params=KINDS)
def data(request, tmp_path, monkeypatch):
    """The options that name a tiny data set, and how many training and validation images it has."""
    root = tmp_path / "data"
    root.mkdir()
    if request.param == "placeholder":
        # One image each of two photographs, of 120 or 25 of eight.
        placeholder.cache_clear()
        monkeypatch.setattr("colorlab.data.placeholder.PHOTOGRAPHS", PHOTOGRAPHS[:2])
        for split in IMAGES_PER_CLASS:
            monkeypatch.setitem(IMAGES_PER_CLASS, split, 1)
        yield {"dataset_name": "placeholder"}, (2, 2)
        placeholder.cache_clear()
    elif request.param == "cifar10":
        write_cifar10(root, monkeypatch)
        yield {"dataset_name": "cifar10", "dataset_root_path": root}, (2, 1)
    elif request.param == "places tree":
        write_places(root)
        yield {"dataset_name": "places365", "dataset_root_path": root}, (2, 2)
    elif request.param == "places tar":
        archive_places(root)
        yield {"dataset_name": "places365", "dataset_root_path": root, "use_dataset_archive": True}, (2, 2)
    else:
        write_own(root)
        yield {"dataset_name": str(root / "holidays")}, (2, 1)
    shutil.rmtree(tmp_path)  # checkpoints of the large networks take 700 MB


class PowerCutError(Exception):
    """The end of a run that nobody asked for."""


def power_cut(history):
    if len(history.rows) == 1:
        raise PowerCutError


# A step is not enough to leave gray far behind.
@pytest.mark.filterwarnings("ignore::colorlab.training.CollapseWarning")
@pytest.mark.parametrize("model_name", COLORIZERS)
def test_trains_goes_on_and_colors(model_name, data, tmp_path):
    named, (images, validated) = data
    # Two epochs of one step.
    options = TrainingOptions(
        **named,
        output_root_path=tmp_path / "output",
        model_name=model_name,
        image_size=SIZES[model_name],
        max_epochs=2,
        train_batch_size=2,
        max_images=1,
        learning_rate=0.01,
        schedule="constant",
    )
    assert [len(options.dataset(split)) for split in ("train", "val")] == [images, validated]
    with pytest.raises(PowerCutError):
        train(options, on_epoch=power_cut)
    assert load_state(options.folder / "checkpoint.pt")["epoch"] == 2
    after_one = load_file(options.folder / "last.safetensors")

    training = train(dataclasses.replace(options, resume=True))
    table = training.history.table()
    assert table.index.tolist() == [1, 2]
    assert np.isfinite(table.to_numpy()).all()
    assert len(training.history.images) == 3

    model = load_weights(options.folder / "last.safetensors")
    moved = [name for name, p in model.named_parameters() if not torch.equal(p, after_one[name])]
    # All kernels, or at least all but those that a gray start keeps still for a step.
    assert len(moved) > 0.5 * len(list(model.parameters()))
    image = np.asarray(photograph("cat").crop((0, 0, 50, 40)))
    painted = np.asarray(colorlab.colorize(image, model, size=32))
    assert painted.shape == image.shape
    gray = np.asarray(colorlab.colorize(image, create_colorizer("resnet").eval(), size=32))
    assert not np.array_equal(painted, gray)


def test_the_matrix_is_complete():
    assert list(SIZES) == list(COLORIZERS)
    for kind in ("placeholder", "cifar10", "places365"):
        with pytest.raises(ValueError, match=f"there are .*{kind}"):
            create_dataset("nonesuch", "train")
