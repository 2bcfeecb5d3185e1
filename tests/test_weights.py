"""Weights on disk: what is written comes back, and what is not colorlab's is refused in one sentence."""

import copy
import json
import pickle

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

import colorlab
from colorlab.models import create_colorizer, describe_weights, load_weights, save_weights

NAMES = ("resnet", "unet32")


@pytest.fixture(scope="module", params=NAMES)
def trained(request):
    """A colorizer in which every tensor, statistics of batch norm too, is other than in a new one."""
    torch.manual_seed(0)
    model = create_colorizer(request.param)
    for tensor in model.state_dict().values():
        if tensor.is_floating_point():
            tensor.copy_(torch.rand_like(tensor) * 0.1)
    return model.eval()


@pytest.fixture
def resnet_file(tmp_path):
    path = tmp_path / "resnet.safetensors"
    save_weights(create_colorizer("resnet"), path)
    return path


def rewritten(path, **header):
    """The file with parts of its header replaced."""
    with safe_open(path, framework="pt") as file:
        facts = {**json.loads(file.metadata()["colorlab"]), **header}
    save_file(load_file(path), path, metadata={"colorlab": json.dumps(facts)})
    return path


def assert_refused(path, reason):
    with pytest.raises(ValueError, match=reason) as refused:
        load_weights(path)
    message = str(refused.value)
    assert str(path) in message
    assert "\n" not in message


# What is written comes back


def test_a_loaded_colorizer_is_the_saved_one(trained, tmp_path):
    save_weights(trained, tmp_path / "model.safetensors")
    loaded = load_weights(tmp_path / "model.safetensors")
    assert loaded.name == trained.name
    assert not loaded.training
    for name, tensor in trained.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor), name
    lightness = torch.linspace(-1, 1, 32 * 32).view(1, 1, 32, 32)
    assert torch.equal(loaded(lightness), trained(lightness))


def test_half_precision_halves_the_file_and_loads_as_float32(trained, tmp_path):
    full, half = tmp_path / "full.safetensors", tmp_path / "half.safetensors"
    save_weights(trained, full)
    save_weights(trained, half, dtype=torch.float16)
    assert half.stat().st_size == pytest.approx(full.stat().st_size / 2, rel=0.02)
    loaded = load_weights(half)
    for name, tensor in trained.state_dict().items():
        assert loaded.state_dict()[name].dtype == tensor.dtype
        assert torch.allclose(loaded.state_dict()[name], tensor, rtol=1e-3, atol=1e-6), name


def test_half_precision_keeps_statistics_that_it_cannot_hold(trained, tmp_path):
    """The variance of an unnormalized layer's outputs can be in the millions, and float16 ends at 65,504."""
    wide = copy.deepcopy(trained)
    norm = next(module for module in wide.modules() if isinstance(module, torch.nn.BatchNorm2d))
    norm.running_var.fill_(3e6)
    save_weights(wide, tmp_path / "wide.safetensors", dtype=torch.float16)
    found = next(
        m for m in load_weights(tmp_path / "wide.safetensors").modules() if isinstance(m, torch.nn.BatchNorm2d)
    )
    assert torch.equal(found.running_var, norm.running_var)


def test_the_header_says_what_is_needed_to_use_the_file_alone(trained, tmp_path):
    path = tmp_path / "model.safetensors"
    save_weights(trained, path, {"options": {"seed": 3}, "classes": ["cat", "coffee"]})
    about = describe_weights(path)
    assert about["model_name"] == trained.name
    assert about["options"] == {"seed": 3}
    assert about["classes"] == ["cat", "coffee"]
    # L = 50·(input + 1), and a, b = 110·output.
    assert about["ranges"] == {"lightness_centre": 50, "ab_scale": 110}
    assert about["versions"] == {"colorlab": colorlab.__version__, "torch": str(torch.__version__)}


def test_a_file_is_plain_safetensors_for_everybody_else(trained, tmp_path):
    path = tmp_path / "model.safetensors"
    save_weights(trained, path)
    tensors = load_file(path)
    assert tensors.keys() == trained.state_dict().keys()


def test_missing_folders_are_made_and_nothing_else_is_left(tmp_path):
    path = tmp_path / "new" / "folder" / "model.safetensors"
    save_weights(create_colorizer("resnet"), path)
    assert list(path.parent.iterdir()) == [path]


def test_a_save_that_fails_leaves_the_earlier_file(resnet_file):
    earlier = resnet_file.read_bytes()
    with pytest.raises(ValueError, match="not JSON serializable"):
        save_weights(create_colorizer("resnet"), resnet_file, {"classes": object()})
    assert resnet_file.read_bytes() == earlier
    assert list(resnet_file.parent.iterdir()) == [resnet_file]


# What is refused


class Dangerous:
    """Unpickling this would raise the alarm."""

    def __reduce__(self):
        return exec, ("raise SystemExit('a pickle was executed')",)


def test_pickled_weights_are_refused_and_not_executed(tmp_path):
    path = tmp_path / "model.pt"
    torch.save({"weights": torch.zeros(3)}, path)
    assert_refused(path, "colorlab loads no pickled weights")
    path.write_bytes(pickle.dumps(Dangerous()))
    assert_refused(path, "colorlab loads no pickled weights")
    path.with_suffix(".safetensors").write_bytes(path.read_bytes())
    assert_refused(path.with_suffix(".safetensors"), "not a readable safetensors file")


@pytest.mark.parametrize("keep", [0, 4, 1000, -1])
def test_a_truncated_file_is_refused(resnet_file, keep):
    resnet_file.write_bytes(resnet_file.read_bytes()[:keep])
    assert_refused(resnet_file, "not a readable safetensors file")


def test_foreign_safetensors_are_refused(tmp_path):
    path = tmp_path / "foreign.safetensors"
    save_file({"weight": torch.zeros(3)}, path)
    assert_refused(path, "was not written by colorlab")
    save_file({"weight": torch.zeros(3)}, path, metadata={"format": "pt"})
    assert_refused(path, "was not written by colorlab")


def test_weights_of_another_architecture_are_refused(resnet_file):
    assert_refused(rewritten(resnet_file, model_name="unet32"), "are not those of a unet32")


@pytest.mark.parametrize("change", ["missing", "left over", "misshapen"])
def test_tensors_that_do_not_fit_are_refused(resnet_file, change):
    with safe_open(resnet_file, framework="pt") as file:
        metadata = file.metadata()
    tensors = load_file(resnet_file)
    if change == "missing":
        del tensors["head.0.weight"]
    elif change == "left over":
        tensors["head.99.weight"] = torch.zeros(1)
    else:
        tensors["head.0.weight"] = torch.zeros(1)
    save_file(tensors, resnet_file, metadata=metadata)
    assert_refused(resnet_file, "are not those of a resnet")


def test_an_unknown_model_is_refused(resnet_file):
    assert_refused(rewritten(resnet_file, model_name="alexnet"), "no colorizer 'alexnet'")


def test_other_value_ranges_are_refused(resnet_file):
    other = {"lightness_centre": 50, "ab_scale": 128}
    assert_refused(rewritten(resnet_file, ranges=other), "trained with other value ranges")


@pytest.mark.parametrize("header", ["{", "[]", "{}", '{"model_name": "resnet"}'])
def test_a_damaged_header_is_refused(resnet_file, header):
    save_file(load_file(resnet_file), resnet_file, metadata={"colorlab": header})
    assert_refused(resnet_file, "was not written by colorlab")


def test_a_missing_file_is_named(tmp_path):
    for path in (tmp_path / "nothing.safetensors", tmp_path):
        with pytest.raises(FileNotFoundError, match="no weights at ") as missing:
            load_weights(path)
        assert str(path) in str(missing.value)
