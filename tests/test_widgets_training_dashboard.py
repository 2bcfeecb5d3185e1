"""The training dashboard without a browser: it shows what training does, changes nothing of it, and stops it whole."""

import base64
import dataclasses
import functools
import html
import io
import re
import time
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from PIL import Image
from safetensors.torch import load_file
from traitlets.config import Config

from colorlab import color, plots
from colorlab.training import History, Progress, StopRequest, TrainingOptions, train
from colorlab.widgets import TrainingDashboard
from colorlab.widgets.training_dashboard import POINTS, BatchMeans, curves_html, duration, sheet


def options_in(folder, **others):
    """Options of a run of a second: 8 pixels, two epochs of four batches."""
    settings = {"image_size": 8, "max_epochs": 2, "max_images": 4, "train_batch_size": 240, "precision": "float32"}
    return TrainingOptions(output_root_path=folder, **{**settings, **others})


@pytest.fixture
def tiny(tmp_path):
    return functools.partial(options_in, tmp_path)


def said(dashboard):
    """The text of the status line."""
    return html.unescape(re.sub("<[^>]*>", "", dashboard.status.value))


def shown(widget):
    """The image inside a part of the dashboard."""
    data = re.search(r'src="data:image/\w+;base64,([^"]+)"', widget.value)
    return Image.open(io.BytesIO(base64.b64decode(data[1])))


def until(condition, seconds=60):
    """Wait for what another thread does."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.005)


def assert_same_outcome(one, other):
    for name, tensor in one.model.state_dict().items():
        assert torch.equal(tensor, other.model.state_dict()[name]), name
    tables = [run.history.table().drop(columns="images_per_second") for run in (one, other)]
    assert tables[0].equals(tables[1])
    assert all(torch.equal(*pair) for pair in zip(one.history.images, other.history.images, strict=True))


@pytest.fixture(scope="module")
def by_train(tmp_path_factory):
    """What comes out without a dashboard."""
    return train(options_in(tmp_path_factory.mktemp("plain")))


# ---- it changes nothing of what is learned


def test_watching_changes_nothing(tiny, by_train):
    dashboard = TrainingDashboard(tiny())
    dashboard.run(wait=True)
    assert_same_outcome(dashboard.training, by_train)
    assert not dashboard.training.stopped
    assert said(dashboard).startswith("Finished all 2 epochs.")
    assert (dashboard.start.disabled, dashboard.halt.disabled) == (True, True)
    assert dashboard.bar.value == 1


def test_a_thread_of_its_own_changes_nothing_either(tiny, by_train):
    dashboard = TrainingDashboard(tiny())
    dashboard.start.click()
    assert dashboard.running  # the click came back before the run had ended
    assert (dashboard.start.disabled, dashboard.halt.disabled) == (True, False)
    with pytest.raises(RuntimeError, match=r"training already; stop\(\) it first"):
        dashboard.run()
    until(lambda: not dashboard.running)
    assert_same_outcome(dashboard.training, by_train)


# ---- stopping


def test_stopping_keeps_what_was_learned_and_going_on_is_as_if_nothing_had_been(tiny, by_train):
    options = tiny()
    dashboard = TrainingDashboard(options)
    dashboard.bar.observe(lambda _: dashboard.stop(), "value")  # as soon as there is progress
    dashboard.run(wait=True)
    dashboard.bar.unobserve_all("value")
    stopped = dashboard.training
    assert stopped.stopped
    assert said(dashboard).startswith("Stopped in epoch 1 of 2. What was learned is kept")
    kept = load_file(options.folder / "last.safetensors")
    assert all(torch.equal(kept[name], tensor) for name, tensor in stopped.model.state_dict().items())
    assert not torch.equal(*(next(iter(run.model.parameters())) for run in (stopped, by_train)))
    assert (dashboard.start.disabled, dashboard.halt.disabled) == (False, True)
    assert dashboard.start.description == "Go on"
    assert dashboard.epoch.max == 1  # the images of the epoch that was cut short

    dashboard.run(wait=True)
    assert_same_outcome(dashboard.training, by_train)
    assert dashboard.epoch.max == 2


def test_the_stop_button_ends_a_run_in_its_thread(tiny):
    dashboard = TrainingDashboard(tiny(max_epochs=500))
    dashboard.start.click()
    until(lambda: dashboard.bar.value > 0)
    dashboard.halt.click()
    assert dashboard.halt.disabled
    until(lambda: not dashboard.running)
    assert dashboard.training.stopped
    assert re.match(r"Stopped in epoch \d+ of 500\.", said(dashboard))
    assert re.fullmatch(r"epoch \d+ of 500(, \d+ images/s)?", dashboard.pace.value)
    assert dashboard.left.value == ""


def test_a_stop_without_a_run_does_nothing(tiny):
    dashboard = TrainingDashboard(tiny())
    dashboard.stop()
    assert said(dashboard) == "Ready."
    dashboard.run(wait=True)
    assert not dashboard.training.stopped


def test_another_dashboard_goes_on_where_the_first_was_stopped(tiny, by_train):
    first = TrainingDashboard(tiny())
    first.bar.observe(lambda _: first.stop(), "value")
    first.run(wait=True)
    second = TrainingDashboard(tiny())
    second.run(wait=True)
    assert_same_outcome(second.training, by_train)


# ---- mistakes are sentences


def test_a_run_of_other_options_is_never_overwritten(tiny):
    train(tiny())
    weights = (tiny().folder / "last.safetensors").read_bytes()
    dashboard = TrainingDashboard(tiny(max_epochs=3))
    dashboard.start.click()
    until(lambda: not dashboard.running)
    assert re.search(
        r"it was started with max_epochs = 2, not 3, and its learning rate schedule ends there", said(dashboard)
    )
    assert dashboard.training is None
    assert (dashboard.start.disabled, dashboard.halt.disabled) == (False, True)
    assert (tiny().folder / "last.safetensors").read_bytes() == weights


def test_what_goes_wrong_is_said_and_with_wait_also_raised(tiny):
    dashboard = TrainingDashboard(tiny(dataset_name="places100"))
    with pytest.raises(ValueError, match="places100"):
        dashboard.run(wait=True)
    assert "places100" in said(dashboard)
    assert not dashboard.start.disabled


def test_a_loss_that_is_no_number_is_said(tiny):
    dashboard = TrainingDashboard(tiny(learning_rate=1e25, schedule="constant"))
    dashboard.start.click()
    until(lambda: not dashboard.running)
    assert said(dashboard).startswith("the loss became NaN or infinite in epoch 1")


# ---- what is shown


def test_the_slider_looks_back_and_otherwise_follows(tiny):
    dashboard = TrainingDashboard(tiny())
    seen = []
    dashboard.epoch.observe(lambda change: seen.append(change["new"]), "value")
    dashboard.run(wait=True)
    assert seen == [1, 2]
    last = dashboard.images.value
    assert "After epoch 2" in last
    dashboard.epoch.value = 0
    assert dashboard.epoch_number.value == 0
    assert "Before training" in dashboard.images.value
    # Untrained, the network answers gray, as in the row of inputs above.
    rows = np.asarray(shown(dashboard.images).convert("RGB")).astype(int)
    assert np.ptp(rows[: len(rows) * 2 // 3], axis=2).mean() < 1
    dashboard.epoch_number.value = 2
    assert dashboard.images.value == last


def test_who_looks_back_is_not_torn_away_by_the_next_epoch(tiny):
    dashboard = TrainingDashboard(tiny(max_epochs=3))

    def look_back(_):
        dashboard.epoch.value = 0

    dashboard.epoch.observe(look_back, "value")
    dashboard.run(wait=True)
    assert dashboard.epoch.value == 0
    assert dashboard.epoch.max == 3


def test_speed_and_time_left_are_told_while_it_trains(tiny):
    dashboard = TrainingDashboard(tiny(max_epochs=40))
    told = []
    dashboard.left.observe(lambda change: told.append((dashboard.pace.value, change["new"])), "value")
    dashboard.start.click()
    until(lambda: told)
    dashboard.stop()
    until(lambda: not dashboard.running)
    pace, left = told[0]
    speed = int(re.fullmatch(r"epoch \d+ of 40, (\d+) images/s", pace)[1])
    assert 0 < speed < 1e6
    assert re.fullmatch(r"about \d+ (s|min) left", left)


def test_an_earlier_run_is_shown_first(tiny, by_train):
    dashboard = TrainingDashboard(tiny(), history=by_train.history)
    assert said(dashboard) == "Ready; what is shown is an earlier run."
    assert dashboard.epoch.max == dashboard.epoch.value == 2
    assert f"validation {by_train.history.rows[-1]['val_loss']:.4f}" in dashboard.curves.value
    dashboard.run(wait=True)
    assert_same_outcome(dashboard.training, by_train)


def test_the_sheet_is_input_colored_and_true():
    generator = torch.Generator().manual_seed(0)
    truth, colored = (torch.randint(0, 256, (4, 3, 8, 8), generator=generator, dtype=torch.uint8) for _ in range(2))
    history = History(truth=truth, images=[colored])
    image = np.asarray(sheet(history, 0))
    size = image.shape[1] // (4 * 10 + 2)  # make_grid leaves 2 pixels between images
    small = torch.from_numpy(image[::size, ::size].copy()).movedim(-1, 0)
    rows = [
        torch.stack([small[:, 10 * r + 2 : 10 * r + 10, 10 * c + 2 : 10 * c + 10] for c in range(4)])
        for r in range(3)
    ]
    assert (rows[0].amax(1) == rows[0].amin(1)).all()
    assert (color.rgb_to_lab(rows[0])[:, 0] - color.rgb_to_lab(truth)[:, 0]).abs().max() < 0.3
    assert torch.equal(rows[1], colored)
    assert torch.equal(rows[2], truth)
    assert np.asarray(sheet(history, 0, step=2)).shape[1] % (2 * 10 + 2) == 0
    with pytest.raises(ValueError, match="train with max_images above 0"):
        sheet(History(), 0)


def test_a_run_without_images_is_watched_all_the_same(tiny):
    dashboard = TrainingDashboard(tiny(max_images=0, max_epochs=1))
    dashboard.run(wait=True)
    assert said(dashboard).startswith("Finished")
    assert dashboard.images.value == ""


def progress(seen, total, loss):
    return Progress(1, seen, total, {"loss": loss}, History())


def test_a_short_run_keeps_every_batch_and_a_long_one_means():
    few = BatchMeans()
    for batch in range(1, 21):
        few.add(progress(batch, 40, float(batch)))
    table = few.table(epochs=4)
    np.testing.assert_allclose(table.loss, range(1, 21))
    np.testing.assert_allclose(table.index, np.arange(1, 21) / 10)

    many, values = BatchMeans(), np.random.default_rng(0).normal(size=100 * POINTS)
    for batch, value in enumerate(values):
        many.add(progress(batch, len(values), float(value)))
    table = many.table(epochs=1)
    np.testing.assert_allclose(table.loss, values.reshape(POINTS, 100).mean(axis=1))


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.2, "0 s"), (89, "89 s"), (90, "2 min"), (3600, "60 min"), (7800, "2 h 10 min")]
)
def test_times_are_as_precise_as_a_guess(seconds, text):
    assert duration(seconds) == text


def test_it_leaves_a_image_a_text_and_a_caption_in_the_notebook(tiny, by_train):
    shell = InteractiveShell.instance(config=Config(HistoryManager={"enabled": False}))
    try:
        with capture_output() as captured:
            shell.display_formatter.format(TrainingDashboard(tiny(max_epochs=30), history=by_train.history))
    finally:
        InteractiveShell.clear_instance()
    (output,) = captured.outputs
    assert output.data["text/plain"] == "TrainingDashboard('resnet', max_epochs=30)"
    assert "application/vnd.jupyter.widget-view+json" in output.data
    assert Image.open(io.BytesIO(base64.b64decode(output.data["image/png"]))).width == 100 * plots.WIDTH
    assert len(output.metadata["image/png"]["alt"]) > 20
    assert captured.stdout.startswith("The dashboard as it opened, after 2 epochs")


# ---- what it builds on: the training loop's callbacks


def test_progress_counts_every_image_also_after_a_stop(tiny):
    reports, wish = [], StopRequest()

    def watch(report):
        reports.append(report)
        wish.made = report.seen >= 360

    options = tiny(train_batch_size=60, batch_output_frequency=2)
    assert train(options, on_batch=watch, stop=wish).stopped
    assert [report.seen for report in reports] == [120, 240, 360]
    train(dataclasses.replace(options, resume=True), on_batch=reports.append)
    assert [report.seen for report in reports] == list(range(120, 1921, 120))
    assert {report.total for report in reports} == {1920}
    assert [report.epoch for report in reports] == [1] * 8 + [2] * 8
    assert reports[-1].history.table().index.tolist() == [1, 2]
    assert all(np.isfinite(report.statistics["loss"]) for report in reports)


def test_who_watches_gets_no_bar(tiny, capsys):
    train(tiny(max_epochs=1), on_batch=lambda report: None)
    assert "image/s" not in "".join(capsys.readouterr())
    train(tiny(experiment_name="drawn", max_epochs=1))
    assert "image/s" in "".join(capsys.readouterr())


def test_curves_take_the_color_of_the_pages_text_and_leave_the_page_alone():
    run = History()
    run.rows.extend({"epoch": i, "train_loss": 1 / i, "val_loss": 2 / i} for i in (1, 2))
    text = curves_html(plots.training(run), alt='Losses by "epoch" <1>')
    svg = ElementTree.fromstring(re.search(r"<svg.*</svg>", text, re.DOTALL)[0].replace("xlink:href", "href"))
    assert svg.get("aria-label") == 'Losses by "epoch" <1>'
    assert [part.text for part in svg.iter("text") if part.text in ("training", "validation")] == [
        "training",
        "validation",
    ]
    assert "currentColor" in text
    assert "#000000" not in text  # neither black on a dark page
    assert not re.search(r"fill: #ffffff|fill: white", text)  # nor a white card on it
    assert all(rule.startswith(".colorlab-curves ") for rule in re.findall(r"[^<>{}\n]+(?=\{)", text))
    assert all(color.lower() in text for color in plots.PALETTE[:2])
