"""Images that stay in their files: what comes out is what would be in memory, whatever workers and processes do."""

import itertools
import multiprocessing
import os
import shutil
import signal

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.stats import kstest
from torchvision.transforms import RandomResizedCrop

from colorlab import color
from colorlab.data import create_dataset, create_loader, crops, stored
from colorlab.data.crops import middle, random_crop
from colorlab.data.decode import decode
from colorlab.data.samples import photograph
from colorlab.data.stored import StoredDataset
from colorlab.evaluation import gray, mean_color, score
from colorlab.training import TrainingOptions, train

SIZE = 72  # above a thumbnail's
NAMES = [("train", "cat", 11), ("train", "coffee", 7), ("val", "cat", 3), ("val", "coffee", 4)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """18 training and 7 validation images of 130×100 and 100×130."""
    root = tmp_path_factory.mktemp("own")
    for split, name, count in NAMES:
        (root / split / name).mkdir(parents=True)
        photo = photograph(name)
        for i in range(count):
            size = (130, 100) if i % 2 else (100, 130)
            left, top = 15 * i, 10 * i + (50 if split == "val" else 0)
            photo.crop((left, top, left + size[0], top + size[1])).save(
                root / split / name / f"{i:02d}.jpg", quality=90
            )
    return root


@pytest.fixture
def never_in_memory(monkeypatch):
    stored.stored_dataset.cache_clear()
    monkeypatch.setattr(stored, "IN_MEMORY", 0)
    yield
    stored.stored_dataset.cache_clear()


def everything(loader):
    batches = list(loader)
    return torch.cat([rgb for rgb, _ in batches]), torch.cat([labels for _, labels in batches])


# Where images are held


def test_small_sets_are_in_memory_and_training_crops_are_not(folder):
    assert not create_dataset(str(folder), "train", size=32).streamed
    assert not create_dataset(str(folder), "val", size=SIZE).streamed
    assert create_dataset(str(folder), "train", size=SIZE).streamed


@pytest.mark.parametrize("split", ["train", "val"])
def test_streamed_images_are_those_that_would_be_in_memory(folder, split, monkeypatch):
    held = create_dataset(str(folder), split, size=32)
    stored.stored_dataset.cache_clear()
    monkeypatch.setattr(stored, "IN_MEMORY", 7 * 32 * 32 * 3 - 1)
    streamed = create_dataset(str(folder), split, size=32)
    assert streamed.streamed
    assert not held.streamed
    assert len(streamed) == len(held) == (18 if split == "train" else 7)
    assert streamed.classes == held.classes
    for ours, theirs in ((everything(streamed.batches(4)), everything(held.batches(5))),):
        assert torch.equal(ours[0], theirs[0])
        assert torch.equal(ours[1], theirs[1])
    assert torch.equal(streamed.__getitems__([3, 1])[0], held.rgb[[3, 1]])
    assert torch.equal(streamed[-1][0], held[-1][0])
    with pytest.raises(IndexError):
        streamed[len(streamed)]
    # Training them gives the same, since thumbnails are only flipped.
    loaders = [create_loader(dataset, 5, seed=3)[0] for dataset in (streamed, held)]
    assert torch.equal(*(everything(loader)[0] for loader in loaders))


def test_all_at_once_only_where_they_fit(folder, monkeypatch):
    dataset = create_dataset(str(folder), "train", size=SIZE)
    assert dataset.rgb.shape == (18, 3, SIZE, SIZE)
    monkeypatch.setattr(stored, "IN_MEMORY", 1000)
    with pytest.raises(ValueError, match=r"18 images of 72×72 pixels are too many to hold .* batches\(size\)"):
        _ = dataset.rgb


# Chance


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_batches_do_not_depend_on_workers(folder, workers):
    dataset = create_dataset(str(folder), "train", size=SIZE)
    expected, _ = create_loader(dataset, 4, seed=5)
    loader, order = create_loader(dataset, 4, seed=5, workers=workers)
    assert loader.num_workers == workers
    before = torch.get_rng_state()
    for epoch, start in ((0, 0), (1, 0), (1, 2)):  # the last as after a resume
        order.epoch, order.start = epoch, start
        expected.sampler.epoch, expected.sampler.start = epoch, start
        ours, theirs = everything(loader), everything(expected)
        assert torch.equal(ours[0], theirs[0])
        assert torch.equal(ours[1], theirs[1])
    assert torch.equal(torch.get_rng_state(), before)


def test_a_batch_can_be_taken_up_anywhere(folder):
    dataset = create_dataset(str(folder), "train", size=SIZE)
    loader, order = create_loader(dataset, 4, seed=5)
    order.epoch = 2
    whole = list(loader)
    order.start = 3
    for ours, theirs in zip(loader, whole[3:], strict=True):
        assert torch.equal(ours[0], theirs[0])


def test_processes_share_what_one_would_see(folder):
    dataset = create_dataset(str(folder), "train", size=SIZE)
    alone, _ = create_loader(dataset, 6, seed=1)
    shares = [create_loader(dataset, 6, seed=1, rank=rank, processes=2)[0] for rank in (0, 1)]
    for (rgb, _), *parts in zip(alone, *shares, strict=True):
        assert torch.equal(parts[0][0], rgb[::2])
        assert torch.equal(parts[1][0], rgb[1::2])


@pytest.mark.parametrize("workers", [0, 2])
def test_shifted_images_are_windows_of_what_numpy_mirrors(folder, workers):
    dataset = create_dataset(str(folder), "train", size=32)
    still, order = create_loader(dataset, 18, seed=4)
    moved, moved_order = create_loader(dataset, 18, seed=4, max_shift=2, workers=workers)
    seen = set()
    for order.epoch in range(8):
        moved_order.epoch = order.epoch
        for before, after in zip(everything(still)[0], everything(moved)[0], strict=True):
            mirrored = np.pad(before.numpy(), ((0, 0), (2, 2), (2, 2)), mode="reflect")
            windows = itertools.product(range(5), range(5))
            places = [(y, x) for y, x in windows if np.array_equal(mirrored[:, y : y + 32, x : x + 32], after)]
            assert len(places) == 1
            seen |= set(places)
    assert len(seen) == 25
    unmoved, _ = create_loader(dataset, 18, max_shift=2)
    assert torch.equal(everything(unmoved)[0], dataset.rgb)


def test_crops_change_from_epoch_to_epoch_and_validation_does_not(folder):
    dataset = create_dataset(str(folder), "train", size=SIZE)
    loader, order = create_loader(dataset, 18, seed=0)
    first = everything(loader)
    order.epoch = 1
    second = everything(loader)
    by_image = [dict(zip(labels.tolist(), rgb, strict=False)) for rgb, labels in (first, second)]
    assert not torch.equal(by_image[0][0], by_image[1][0])
    still, _ = create_loader(dataset, 18)
    assert torch.equal(everything(still)[0], dataset.rgb)
    assert torch.equal(everything(still)[0], everything(still)[0])


def test_an_interrupt_is_left_to_the_first_process(folder):
    """Ctrl-C reaches the workers, too; they go on, since the run ends after the next batch."""
    dataset = create_dataset(str(folder), "train", size=SIZE)
    batches = iter(create_loader(dataset, 2, workers=1)[0])
    first = next(batches)
    (worker,) = multiprocessing.active_children()
    os.kill(worker.pid, signal.SIGINT)
    assert len([first, *batches]) == 9


# Crops, against the image itself

RAMP = np.stack(np.broadcast_arrays(np.arange(200)[:, None], np.arange(240)[None], 128), axis=-1).astype(np.uint8)


def png(pixels, folder):
    path = folder / "image.png"
    Image.fromarray(pixels).save(path)
    return path.read_bytes()


def test_the_middle_of_a_photograph_is_the_seeds(tmp_path):
    # 7/8 of the shorter side: 175 of 200, resized to 100. A ramp's mean stays where its middle is.
    small = middle(png(RAMP, tmp_path), 100).double()
    assert small.shape == (3, 100, 100)
    assert float(small[0].mean()) == pytest.approx(99, abs=1)
    assert float(small[1].mean()) == pytest.approx(119.5, abs=1)
    assert float(small[0, -1].mean() - small[0, 0].mean()) == pytest.approx(175, abs=3)


def test_pixels_are_not_enlarged_where_there_are_enough(tmp_path):
    # 7/8 would be 175 pixels; 190 are asked for and there.
    cut = middle(png(RAMP, tmp_path), 190)
    np.testing.assert_array_equal(cut.movedim(0, -1).numpy(), RAMP[5:195, 25:215])


def test_a_thumbnail_is_the_whole_square(tmp_path):
    cut = middle(png(RAMP[:64, :100], tmp_path), 64)
    np.testing.assert_array_equal(cut.movedim(0, -1).numpy(), RAMP[:64, 18:82])


@pytest.mark.parametrize("kind", ["png", "jpeg", "large jpeg", "turned jpeg"])
def test_random_crops_are_torchvisions(tmp_path, kind):
    """On a ramp, what a crop shows tells where it was cut; the distributions are those of RandomResizedCrop."""
    image, exif = Image.fromarray(RAMP), Image.Exif()
    if kind == "large jpeg":
        image = image.resize((960, 800), Image.Resampling.BILINEAR)
    if kind == "turned jpeg":
        image = image.transpose(Image.Transpose.ROTATE_90)
        exif[274] = 6  # to be shown turned by 90° to the right
    image.save(tmp_path / "ramp", format=kind.split()[-1], **({} if kind == "png" else {"quality": 98, "exif": exif}))
    content = (tmp_path / "ramp").read_bytes()
    before = torch.get_rng_state()
    cut = torch.stack([random_crop(content, 60, seed) for seed in range(600)]).double()
    assert torch.equal(torch.get_rng_state(), before)
    red, green = cut[:, 0].mean(-1), cut[:, 1].mean(-2)
    height, width = (red[:, -2] - red[:, 1]) * 60 / 57, (green[:, -2] - green[:, 1]) * 60 / 57
    # What the second pixel shows lies 1.5 pixels of the crop from its edge.
    top, left = red[:, 1] + 0.5 - 1.5 * height / 60, green[:, 1] + 0.5 - 1.5 * width / 60
    boxes = torch.stack([top.round(), left.round(), height.round(), width.round()]).numpy()
    image = torch.empty(3, 200, 240, device="meta")
    torch.manual_seed(0)
    expected = np.array([RandomResizedCrop.get_params(image, [0.08, 1], [3 / 4, 4 / 3]) for _ in range(2000)]).T
    for found, theirs in zip(boxes, expected, strict=True):
        assert kstest(found, theirs).pvalue > 0.001
    assert kstest(boxes[3] / boxes[2], expected[3] / expected[2]).pvalue > 0.001
    assert (cut[:, 2] - 128).abs().max() <= 4


def test_large_jpegs_are_reduced_while_they_are_decoded(tmp_path, monkeypatch):
    Image.fromarray(RAMP).resize((1920, 1600)).save(tmp_path / "large.jpg")
    content = (tmp_path / "large.jpg").read_bytes()
    asked = []
    monkeypatch.setattr(
        crops, "decode", lambda content, smallest: asked.append(smallest) or decode(content, smallest)
    )
    middle(content, 70)
    random_crop(content, 70, 0)
    assert asked[0] == 80
    assert 70 <= asked[1] < 800
    assert max(decode(content, asked[1]).shape) < 1920


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (300, 1), (2, 3)])
@pytest.mark.parametrize("size", [1, 32, 100])
def test_images_of_any_shape_become_squares(tmp_path, shape, size):
    content = png(np.full((*shape, 3), 77, dtype=np.uint8), tmp_path)
    assert (middle(content, size) == 77).all()
    assert (random_crop(content, size, 1) == 77).all()
    assert middle(content, size).shape == (3, size, size)


# Files that cannot be read


@pytest.fixture
def spoiled(folder, tmp_path):
    """The same images, the files 2, 3 and 17 of 18 damaged."""
    shutil.copytree(folder, tmp_path / "spoiled")
    files = sorted((tmp_path / "spoiled" / "train").rglob("*.jpg"))
    files[2].write_bytes(b"")
    files[3].write_bytes(files[3].read_bytes()[:900])
    files[17].write_text("not an image")
    return tmp_path / "spoiled"


@pytest.mark.parametrize("workers", [0, 2])
def test_the_next_readable_file_stands_in_and_they_are_counted(folder, spoiled, capsys, workers):
    sound, dataset = (create_dataset(str(path), "train", size=SIZE) for path in (folder, spoiled))
    loader, _ = create_loader(dataset, 5, workers=workers)
    for _ in range(2):
        rgb, labels = everything(loader)
        instead = [0, 1, 4, 4, *range(4, 17), 0]
        assert torch.equal(rgb, sound.rgb[instead])
        assert torch.equal(labels, sound.labels[instead])
    for _ in range(2):
        dataset.report_unreadable()
    said = f"{spoiled}: skipped 3 unreadable files, first train/cat/02.jpg: the file is empty (0 bytes)\n"
    assert capsys.readouterr().err == said


def test_they_fail_on_request_before_training_begins(spoiled, tmp_path):
    options = TrainingOptions(
        dataset_name=str(spoiled), image_size=SIZE, unreadable="fail", output_root_path=tmp_path / "output"
    )
    with pytest.raises(ValueError, match=r"train/cat/02\.jpg cannot be read: .*empty"):
        train(options)
    assert not (tmp_path / "output").exists()


def test_a_folder_of_nothing_readable_is_one_sentence(tmp_path):
    (tmp_path / "train").mkdir()
    for i in range(3):
        (tmp_path / "train" / f"{i}.jpg").write_bytes(b"x")
    with pytest.raises(ValueError, match="3 files in a row cannot be read"):
        create_dataset(str(tmp_path), "train", size=SIZE)[0]
    with pytest.raises(ValueError, match="3 files for 'train', of which none can be read"):
        create_dataset(str(tmp_path), "train", size=32)


# Gray images


@pytest.mark.parametrize("size", [32, SIZE])
def test_images_with_little_color_are_left_out(tmp_path, capsys, size):
    (tmp_path / "train").mkdir()
    photo = photograph("coffee").crop((0, 0, 120, 120))
    photo.save(tmp_path / "train" / "b.jpg")
    photo.convert("L").save(tmp_path / "train" / "a.jpg")
    photo.convert("L").convert("RGB").save(tmp_path / "train" / "c.png")
    assert len(create_dataset(str(tmp_path), "train", size=size)) == 3
    dataset = create_dataset(str(tmp_path), "train", size=size, min_colorfulness=5)
    assert len(dataset) == 1
    assert float(color.colorfulness(dataset[0][0])) > 5
    assert "skipped 2 of 3 images with less color than 5" in capsys.readouterr().err
    with pytest.raises(ValueError, match="none can be read or has enough color"):
        create_dataset(str(tmp_path), "train", size=size, min_colorfulness=500)


# Training and evaluation know no difference


@pytest.mark.usefixtures("never_in_memory")
def test_evaluation_takes_streamed_images(folder):
    dataset = create_dataset(str(folder), "val", size=32)
    assert dataset.streamed
    stored.stored_dataset.cache_clear()
    stored.IN_MEMORY = 2**30
    held = create_dataset(str(folder), "val", size=32)
    assert not held.streamed
    assert mean_color(dataset, batch_size=3)(torch.zeros(1, 1, 1, 1)).flatten().tolist() == pytest.approx(
        mean_color(held)(torch.zeros(1, 1, 1, 1)).flatten().tolist()
    )
    assert score(gray(), dataset).equals(score(gray(), held))


@pytest.mark.slow
def test_training_is_the_same_with_workers_and_after_a_stop(folder, tmp_path):
    def options(name, **others):
        return TrainingOptions(
            dataset_name=str(folder),
            image_size=SIZE,
            max_epochs=2,
            train_batch_size=6,
            output_root_path=tmp_path,
            experiment_name=name,
            checkpoint_minutes=0,
            max_images=2,
            **others,
        )

    straight = train(options("straight"))

    class PowerCutError(Exception):
        pass

    def power_cut(history):
        raise PowerCutError

    with pytest.raises(PowerCutError):
        train(options("cut", loader_workers=2), on_epoch=power_cut)
    resumed = train(options("cut", loader_workers=1, resume=True))
    theirs = straight.model.state_dict()
    assert all(torch.equal(tensor, theirs[name]) for name, tensor in resumed.model.state_dict().items())


def test_workers_are_for_gpus_unless_asked_for():
    cpu, cuda = torch.device("cpu"), torch.device("cuda")
    assert TrainingOptions().workers(cpu) == 0
    assert TrainingOptions(loader_workers=3).workers(cpu) == TrainingOptions(loader_workers=3).workers(cuda) == 3
    assert 1 <= TrainingOptions().workers(cuda, 100) <= TrainingOptions().workers(cuda) <= 16
    with pytest.raises(ValueError, match="loader_workers must not be negative, got -1"):
        TrainingOptions(loader_workers=-1)
    with pytest.raises(ValueError, match="unreadable must be one of skip, fail, got 'ignore'"):
        TrainingOptions(unreadable="ignore")


def test_a_stored_data_set_is_a_image_data_set(folder):
    dataset = create_dataset(str(folder), "train", size=SIZE)
    assert isinstance(dataset, StoredDataset)
    assert dataset.classes == ("cat", "coffee")
    assert dataset.labels.tolist() == [0] * 11 + [1] * 7
