"""The data set `placeholder`: nothing leaks, nothing is downloaded, nothing changes from run to run."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
import skimage
import torch
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.cbook import get_sample_data
from PIL import Image
from sklearn.datasets import load_sample_image

from colorlab.data import DATASETS, ImageDataset, create_dataset, placeholder, samples

ROOT = Path(__file__).parents[1]
SPLITS = ("train", "val", "test")


def cut_afresh(split, size=32):
    """The data set cut from the photographs again, past the copies kept in memory."""
    placeholder.placeholder.cache_clear()
    dataset = create_dataset("placeholder", split, size=size)
    placeholder.placeholder.cache_clear()
    return dataset


def fingerprint(dataset):
    return hashlib.sha256(dataset.rgb.numpy().tobytes() + dataset.labels.numpy().tobytes()).hexdigest()


# Nothing leaks


@given(width=st.integers(1, 400), height=st.integers(1, 400))
def test_the_regions_of_a_photograph_divide_it(width, height):
    owners = np.zeros((height, width), dtype=int)
    for split in SPLITS:
        box = placeholder.region(split, width, height)
        owners[box.top : box.bottom, box.left : box.right] += 1
    assert (owners == 1).all()


@given(
    split=st.sampled_from(SPLITS), width=st.integers(16, 3000), height=st.integers(16, 3000), seed=st.integers(0, 99)
)
def test_crops_stay_in_their_region(split, width, height, seed):
    area = placeholder.region(split, width, height)
    for box in placeholder.crops(split, width, height, np.random.default_rng(seed), 20):
        assert area.left <= box.left < box.right <= area.right
        assert area.top <= box.top < box.bottom <= area.bottom
        assert box.right - box.left == box.bottom - box.top


@pytest.mark.parametrize("split", SPLITS)
def test_a_split_sees_its_own_region_and_no_other(split, monkeypatch):
    original = {name: samples.photograph(name) for name in placeholder.PHOTOGRAPHS}
    before = create_dataset("placeholder", split)

    def inverted(name, inside):
        pixels = np.array(original[name])
        height, width, _ = pixels.shape
        box = placeholder.region(split, width, height)
        mask = np.full((height, width, 1), not inside)
        mask[box.top : box.bottom, box.left : box.right] = inside
        return Image.fromarray(np.where(mask, 255 - pixels, pixels))

    monkeypatch.setattr(placeholder, "photograph", lambda name: inverted(name, inside=False))
    assert torch.equal(cut_afresh(split).rgb, before.rgb)
    monkeypatch.setattr(placeholder, "photograph", lambda name: inverted(name, inside=True))
    changed = (cut_afresh(split).rgb != before.rgb).flatten(1).any(dim=1)
    assert changed.all()


# Nothing is downloaded or copied


def test_another_process_without_network_and_home_cuts_the_same_images(tmp_path):
    program = """
import hashlib, sys

def no_network(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "urllib.Request"):
        raise OSError(f"{event}: this machine has no network")

sys.addaudithook(no_network)
from colorlab.data import create_dataset
for split in ("val", "test"):
    data = create_dataset("placeholder", split)
    print(hashlib.sha256(data.rgb.numpy().tobytes() + data.labels.numpy().tobytes()).hexdigest())
"""
    environment = {**os.environ, "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path), "PYTHONHASHSEED": "7"}
    found = subprocess.run(
        [sys.executable, "-c", program], env=environment, cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert found.stdout.split() == [fingerprint(create_dataset("placeholder", split)) for split in ("val", "test")]
    assert list(tmp_path.rglob("*.*")) == []


def test_no_file_of_scikit_image_is_copied_into_the_repository():
    def digest(path):
        return hashlib.sha256(path.read_bytes()).digest()

    shipped = {digest(path) for path in (Path(skimage.__file__).parent / "data").iterdir() if path.is_file()}
    assert len(shipped) > len(placeholder.PHOTOGRAPHS)
    folders = [ROOT / name for name in ("colorlab", "docs", "notebooks", "tests", "tools")]
    ours = [path for folder in folders for path in folder.rglob("*") if path.is_file() and path.stat().st_size]
    assert [path for path in ours if digest(path) in shipped] == []


def test_a_photograph_is_scikit_images_own():
    assert np.array_equal(np.array(samples.photograph("coffee")), skimage.data.coffee())


# What it holds


@pytest.mark.parametrize("split", SPLITS)
def test_every_class_has_as_many_images(split):
    dataset = create_dataset("placeholder", split)
    assert len(dataset.classes) >= 6
    counts = torch.bincount(dataset.labels, minlength=len(dataset.classes))
    assert counts.tolist() == [{"train": 120, "val": 25, "test": 25}[split]] * len(dataset.classes)


def test_splits_share_their_classes_and_no_image():
    datasets = [create_dataset("placeholder", split) for split in SPLITS]
    assert len({dataset.classes for dataset in datasets}) == 1
    images = [image.numpy().tobytes() for dataset in datasets for image in dataset.rgb]
    assert len(set(images)) == len(images)


@pytest.mark.parametrize(("split", "size"), [("train", 32), ("val", 8), ("test", 224)])
def test_images_have_the_size_that_was_asked_for(split, size):
    dataset = create_dataset("placeholder", split, size=size)
    rgb, label = dataset[len(dataset) - 1]
    assert (rgb.dtype, rgb.shape) == (torch.uint8, (3, size, size))
    assert dataset.classes[label] == dataset.classes[-1]


def test_images_are_worth_coloring():
    rgb = create_dataset("placeholder", "train").rgb.float()
    chroma = (rgb.amax(dim=1) - rgb.amin(dim=1)).mean(dim=(1, 2))
    assert (chroma > 5).float().mean() > 0.8


def test_large_and_small_images_show_the_same():
    small = create_dataset("placeholder", "test").rgb.float()
    large = create_dataset("placeholder", "test", size=224).rgb.float()
    reduced = torch.nn.functional.avg_pool2d(large, 7)
    assert (reduced - small).abs().mean() < 5


# Mistakes


def test_an_unknown_name_is_answered_with_the_known_ones():
    with pytest.raises(ValueError, match=f"no dataset 'imagenet'; there are {', '.join(DATASETS)}"):
        create_dataset("imagenet", "train")
    with pytest.raises(ValueError, match="no photograph 'dog'; there are astronaut, cat, "):
        samples.photograph("dog")


def test_an_unknown_split_or_size_is_answered_with_what_there_is():
    with pytest.raises(ValueError, match="no split 'training'; there are train, val, test"):
        create_dataset("placeholder", "training")
    with pytest.raises(ValueError, match="size must be at least 1 pixel, got 0"):
        create_dataset("placeholder", "train", size=0)


@pytest.mark.parametrize(
    ("rgb", "labels", "message"),
    [
        (torch.zeros(2, 3, 4, 4), torch.zeros(2), "must be uint8"),
        (torch.zeros(2, 4, 4, 3, dtype=torch.uint8), torch.zeros(2), r"must be uint8 \(N, 3, H, W\), got .*4, 4, 3"),
        (torch.zeros(2, 3, 4, 4, dtype=torch.uint8), torch.zeros(3), r"labels must be \(2,\), one for each image"),
    ],
)
def test_a_data_set_of_the_wrong_shape_is_refused(rgb, labels, message):
    with pytest.raises(ValueError, match=message):
        ImageDataset(rgb, labels, ("only",))


# Sample photographs


def test_every_sample_can_be_opened():
    assert {name: samples.photograph(name).mode for name in samples.SAMPLES} == dict.fromkeys(samples.SAMPLES, "RGB")


def test_samples_of_scikit_learn_and_matplotlib_are_theirs():
    assert np.array_equal(np.array(samples.photograph("temple")), load_sample_image("china.jpg"))
    with get_sample_data("grace_hopper.jpg") as file:
        assert np.array_equal(np.array(samples.photograph("admiral")), plt.imread(file))


def test_a_batch_of_samples_keeps_the_centers():
    batch = samples.photographs("coffee", "rocket", size=(100, 200))
    assert (batch.dtype, batch.shape) == (torch.uint8, (2, 3, 100, 200))
    square = samples.photographs("coffee")[0].float()
    whole = torch.from_numpy(np.array(samples.photograph("coffee"))).movedim(-1, 0).float()
    middle = whole[:, :, (whole.shape[2] - whole.shape[1]) // 2 :][:, :, : whole.shape[1]]
    reduced = torch.nn.functional.interpolate(middle[None], (256, 256), mode="area")[0]
    assert square.shape == (3, 256, 256)
    assert (reduced - square).abs().mean() < 3  # two ways to reduce; another part of the photograph differs by 40


def test_a_sample_of_a_package_that_is_missing_names_the_extra(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(
        FileNotFoundError, match=r"'temple' .*china.jpg in sklearn.* is missing; .*colorlab\[notebooks\]"
    ):
        samples.photograph("temple")
