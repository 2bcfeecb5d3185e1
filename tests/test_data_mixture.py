"""Several datasets in one run, validation from another, and how much of an image a random crop takes."""

import numpy as np
import pytest
import torch
from PIL import Image

from colorlab.data import ImageDataset, Mixture, create_dataset
from colorlab.data.crops import random_crop
from colorlab.training import TrainingOptions, train


def dataset(levels, labels, classes):
    rgb = torch.tensor(levels, dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 3, 4, 4).contiguous()
    return ImageDataset(rgb, torch.tensor(labels), classes)


@pytest.fixture
def mixture():
    return Mixture([dataset([1, 2, 3], [0, 1, 0], ["dog", "cat"]), dataset([4, 5], [0, 1], ["bird", "dog"])])


def test_images_follow_each_other_and_classes_of_one_name_are_one(mixture):
    assert len(mixture) == 5
    assert mixture.classes == ("bird", "cat", "dog")
    rgb, labels = mixture.pick([4, 0, 3, 1])
    assert rgb[:, 0, 0, 0].tolist() == [5, 1, 4, 2]
    assert [mixture.classes[label] for label in labels.tolist()] == ["dog", "dog", "bird", "cat"]
    assert [mixture.classes[label] for label in mixture.labels.tolist()] == ["dog", "cat", "dog", "bird", "dog"]
    assert mixture.rgb[:, 0, 0, 0].tolist() == [1, 2, 3, 4, 5]


def test_each_image_keeps_its_own_seed(mixture):
    given = []
    for part in mixture.parts:
        part.pick_for_training = lambda own, seeds, part=part: given.append((own, seeds)) or part.pick(own)
    mixture.pick_for_training([4, 0, 3], [40, 0, 30])
    assert given == [([0], [0]), ([1, 0], [40, 30])]


def folder(path, count, size=(90, 80)):
    path.mkdir(parents=True)
    generator = np.random.default_rng(0)
    for number in range(count):
        color = generator.integers(256, size=3, dtype=np.uint8)
        Image.new("RGB", size, tuple(map(int, color))).save(path / f"{number}.png")
    return path


def test_a_run_takes_several_sources_and_validates_on_another(tmp_path):
    first, second = folder(tmp_path / "one/train/a", 5), folder(tmp_path / "two/train/b", 7)
    held_out = folder(tmp_path / "three/val/c", 3)
    options = TrainingOptions(
        dataset_name=str(first.parent.parent),
        also_train_on=(str(second.parent.parent),),
        validate_on=str(held_out.parent.parent),
        output_root_path=tmp_path,
        max_epochs=1,
        train_batch_size=4,
    )
    assert len(options.dataset("train")) == 12
    assert options.dataset("train").classes == ("a", "b")
    assert options.dataset("val").classes == ("c",)
    run = train(options)
    assert run.history.rows[0]["val_loss"] > 0
    again = train(TrainingOptions(**{**options.to_dict(), "resume": True}))
    assert again.history.rows == run.history.rows


def test_a_larger_least_area_makes_larger_crops(tmp_path):
    """An image whose red grows from left to right tells how much of its width a crop shows."""
    red = np.tile(np.linspace(0, 255, 200).astype(np.uint8), (200, 1))
    Image.fromarray(np.stack([red, red, red], axis=-1)).save(tmp_path / "ramp.png")
    content = (tmp_path / "ramp.png").read_bytes()
    widths = {
        area: [
            int(crop.max()) - int(crop.min()) for crop in (random_crop(content, 96, seed, area) for seed in range(40))
        ]
        for area in (0.08, 0.9)
    }
    # 90 % of the area at 3:4 is at least sqrt(0.9 * 3/4) = 82 % of the width.
    assert min(widths[0.9]) > 0.8 * 255
    assert min(widths[0.08]) < 0.5 * 255
    with pytest.raises(ValueError, match="min_crop_area must lie in"):
        TrainingOptions(min_crop_area=0.0)


def test_the_option_reaches_the_dataset(tmp_path):
    path = folder(tmp_path / "own/train/a", 3).parent.parent
    assert create_dataset(str(path), "train", size=96, min_crop_area=0.5).min_crop_area == 0.5
