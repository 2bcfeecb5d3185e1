"""Features of a frozen encoder, kept on disk: the same as computed, once for each crop, safe to kill."""

from __future__ import annotations

import pytest
import torch

from colorlab import pretrained
from colorlab.data.loading import BatchOrder
from colorlab.training import TrainingOptions, feature_cache, train
from colorlab.training.feature_cache import FeatureCache


@pytest.fixture
def images():
    generator = torch.Generator().manual_seed(0)
    rgb = torch.randint(256, (6, 3, 16, 16), generator=generator, dtype=torch.uint8)
    return rgb, rgb[:, :1].float() / 255


class Encoder:
    """Two features of a lightness, counting the images that it sees."""

    def __init__(self) -> None:
        self.seen = 0

    def __call__(self, lightness):
        self.seen += len(lightness)
        return [lightness.repeat(1, 2, 1, 1) - 0.5, torch.nn.functional.avg_pool2d(lightness, 4)]


def make(folder, encoder, weight=1.0, images=6):
    return FeatureCache(folder, encoder, [torch.tensor([weight])], torch.zeros(1, 1, 16, 16), images)


def test_features_are_those_of_the_encoder_and_computed_once(tmp_path, images):
    encoder = Encoder()
    cache = make(tmp_path, encoder)
    expected = encoder(images[1])
    encoder.seen = 0
    for _ in range(2):
        for some in ([0, 1, 2], [2, 3], [5, 4, 0]):
            found = cache.features(images[0][some], images[1][some])
            for ours, theirs in zip(found, expected, strict=True):
                # Half precision has 11 bits: half a step of 2⁻¹¹ of values below 1.
                torch.testing.assert_close(ours, theirs[some], rtol=0, atol=2**-12)
    assert encoder.seen == 6
    # Another run finds them; one with other weights of the encoder does not.
    later = Encoder()
    torch.testing.assert_close(make(tmp_path, later).features(*images)[0], cache.features(*images)[0], rtol=0, atol=0)
    assert later.seen == 1  # the example
    make(tmp_path, later, weight=2.0).features(*images)
    assert later.seen == 8


def test_what_was_not_written_to_its_end_is_computed_again(tmp_path, images):
    make(tmp_path, Encoder()).features(*images)
    keys = next(tmp_path.glob("*.keys"))
    keys.write_bytes(keys.read_bytes()[: 16 * 4 + 7])  # killed while it wrote the fifth key
    encoder = Encoder()
    found = make(tmp_path, encoder).features(*images)
    assert encoder.seen == 1 + 2
    torch.testing.assert_close(found[0], images[1].repeat(1, 2, 1, 1) - 0.5, rtol=0, atol=2**-12)


def test_images_beyond_its_size_are_computed_and_not_kept(tmp_path, images):
    encoder = Encoder()
    cache = make(tmp_path, encoder, images=4)
    cache.features(*images)
    cache.features(*images)
    assert encoder.seen == 1 + 6 + 2


def test_a_cache_that_would_be_too_large_is_refused_before_it_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(feature_cache, "LIMIT", 1e4)
    with pytest.raises(
        ValueError, match=r"feature_cache would take 0\.1 GB for 100000 images, more than 1e-05 GB; use"
    ):
        make(tmp_path, Encoder(), images=100_000)
    assert not list(tmp_path.iterdir())


def test_crops_repeat_after_as_many_epochs():
    order = BatchOrder(20, 6, seed=3, crops=2)

    def epoch(number):
        order.epoch = number
        batches = list(order)
        return {
            index: (flip, seed)
            for batch in batches
            for index, flip, seed in zip(batch.indices, batch.flips, batch.seeds, strict=True)
        }

    first, second, third = (epoch(number) for number in (1, 2, 3))
    assert first == third
    assert all(first[index][1] != second[index][1] for index in first)
    order.crops = 0
    assert epoch(1) != epoch(3)


def test_training_with_a_cache_is_training_without(tmp_path):
    options = {
        "model_name": "distribution",
        "initial_weights": pretrained.path("distribution"),
        "image_size": 32,
        "max_epochs": 2,
        "train_batch_size": 120,
        "val_batch_size": 120,
        "max_images": 1,
        "frozen_stride": 32,
        "crops": 1,
        "output_root_path": tmp_path,
    }
    plain = train(TrainingOptions(**options, experiment_name="plain"))
    cached = train(TrainingOptions(**options, experiment_name="cached", feature_cache=tmp_path / "cache"))
    assert len(next((tmp_path / "cache").glob("*.keys")).read_bytes()) == 16 * 960
    for ours, theirs in zip(cached.history.rows, plain.history.rows, strict=True):
        # Features are rounded to half precision, one part in 2,000, and training begins alike.
        assert ours["train_loss"] == pytest.approx(theirs["train_loss"], rel=0.01)
    again = train(TrainingOptions(**options, experiment_name="again", feature_cache=tmp_path / "cache"))
    assert [row["train_loss"] for row in again.history.rows] == [row["train_loss"] for row in cached.history.rows]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"model_name": "resnet"}, "feature_cache makes no difference to resnet, which has no pretrained encoder"),
        ({"model_name": "distribution", "crops": 1}, "feature_cache needs an encoder and images that stay the same"),
        ({"model_name": "distribution", "frozen_stride": 32}, "feature_cache needs an encoder and images that stay"),
    ],
)
def test_a_cache_needs_what_stays_the_same(tmp_path, options, said):
    with pytest.raises(ValueError, match=said):
        train(TrainingOptions(**options, feature_cache=tmp_path, output_root_path=tmp_path))
