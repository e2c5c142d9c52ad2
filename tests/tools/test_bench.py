"""tools/bench.py: its sub-commands, table and JSON; never whether a time is good."""

import dataclasses
import json

import fixtures
import numpy as np
import pytest
import tensorflow as tf
from checkout import ROOT
from tiny_run import sounds, write_run

from cmgen.config import DataConfig, EncoderConfig, GanConfig, TrainConfig
from cmgen.export import writer
from cmgen.export.samples import Samples
from cmgen.media import charts, images
from cmgen.models.run import load_run
from cmgen.prepare.local import PrepareConfig, prepare
from cmgen.utils.errors import UserError
from tools.benchmarks import growth, lms, mains, operations, serve, textbook, timing, train
from tools.benchmarks import input as input_

CLASSES = ("bell", "drum", "flute")


@pytest.fixture(scope="module")
def exports(tmp_path_factory):
    root = tmp_path_factory.mktemp("work")
    pictures = np.zeros((2, 32, 32, 3), np.float32)
    for task, given in (("s2i", sounds(2)), ("i2s", pictures)):
        run = load_run(write_run(root / task, CLASSES, task=task))
        writer.export(run, root / "exports" / task, Samples(given, None, "test"), {})
    return root / "exports"


def test_timed_calls_are_counted_and_summed_up():
    calls = []
    found = timing.timed(lambda: calls.append(1), "nothing", 4, 1, 30, 60.0)
    assert len(calls) == 30 + timing.WARM_UP_CALLS and found.calls == 30
    assert 0 < found.fastest_ms <= found.p50_ms <= found.p99_ms
    assert found.items_per_second == pytest.approx(4000 / found.p50_ms)
    assert timing.timed(lambda: None, "short", 1, 1, 10**9, 0.01).calls < 10**9


def test_the_command_prints_a_table_and_writes_json(exports, run_main, tmp_path):
    done = run_main(
        "tools/bench.py", "serve", f"--model={exports / 's2i'}", "--calls=3", "--batches=1,2",
        "--threads=1,2", "--output=bench.json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    written = json.loads((tmp_path / "bench.json").read_text())
    cases = {
        "ONNX, waveform -> picture",
        "SavedModel, waveform -> picture",
        "SavedModel, bytes -> PNG",
    }
    found = [(r["case"], r["batch"], r["threads"], r["calls"]) for r in written["serve"]]
    assert sorted(found) == sorted((c, b, t, 3) for c in cases for b in (1, 2) for t in (1, 2))
    assert written["benchmark"] == "serve" and written["machine"]["cores"] >= 1
    assert {"processor", "load_average"} <= written["machine"].keys()
    assert {"tensorflow", "onnxruntime"} <= written["versions"].keys()
    assert written["onnx_batch1_p50_ms"] > 0 and written["savedmodel_batch1_p50_ms"] > 0
    single = [r for r in written["serve"] if (r["batch"], r["threads"]) == (1, 2)]
    assert written["savedmodel_batch1_p50_ms"] in [
        r["p50_ms"] for r in single if r["case"] == "SavedModel, bytes -> PNG"
    ]
    lines = done.stdout.splitlines()
    assert lines[0].split()[:2] == ["case", "batch"] and len(lines) == 1 + len(found) + 1


def test_models_of_sounds_are_timed_too(exports):
    found = serve.measure(1, exports / "i2s", (1,), 2, 60.0)
    assert [t.case for t in found] == [
        "ONNX, picture -> LMS", "SavedModel, picture -> LMS", "SavedModel, bytes -> WAV"
    ]  # fmt: skip


def test_a_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(UserError, match="no exported model"):
        serve.newest_version(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "a command is missing; give lms, input, train, serve, all or growth"),
        (("rain",), "'rain' is no command; give lms"),
        (("serve", "--threads=0"), "--threads=0: needs whole numbers"),
        (("growth", "--batch_sizes=3"), "--batch_sizes=3: must be even"),
        (("serve", "--model=nowhere"), "--model=nowhere: no exported model"),
    ],
)
def test_what_is_wrong_is_said(run_main, arguments, message):
    done = run_main("tools/bench.py", *arguments)
    assert done.returncode == 2 and message in done.stderr and "Traceback" not in done.stderr


def test_both_are_called_in_turns_and_the_ratio_is_theirs(monkeypatch):
    order: list[str] = []
    monkeypatch.setattr(timing, "_milliseconds", lambda call: (call(), next(clock))[1])
    clock = iter([1.0, 3.0, 2.0, 8.0, 1.0, 2.0])
    found = timing.in_turns(
        lambda: order.append("ours"), lambda: order.append("theirs"), "a", "b", 3, 60.0
    )
    assert order == ["ours", "theirs"] * 5  # two rounds of warm-up
    assert (found.median, found.low, found.high) == (3.0, 2.5, 3.5)  # of 3, 4 and 2
    assert (found.ours_ms, found.baseline_ms, found.rounds) == (1.0, 3.0, 3)


def test_our_lms_is_librosa_s():
    ratio, difference = lms.measure(1, 60.0)
    assert ratio.median > 0 and difference < 1e-3


TINY_GAN = GanConfig(generator_channels=4, discriminator_channels=4, compressed_size=8)
TINY = TrainConfig(
    batch_size=4,
    data=DataConfig(image_size=32),
    gan=TINY_GAN,
    sound_encoder=EncoderConfig(widths=(4, 4, 4, 4), hidden=8, encoding_size=16),
)


def test_a_step_is_compared_at_equal_networks():
    step = train.measure(TINY, "float32", 1, 60.0)
    assert step.ratio.rounds == 1 and step.ratio.median > 0
    # At least the discriminator's first convolution: 2 * 4 * 4 * 3 * 4 for each of 16 x 16 pixels.
    assert step.gflop > 4 * 16 * 16 * 2 * 4 * 4 * 3 * 4 / 1e9
    assert step.gflop < step.textbook_gflop
    assert step.matrix_gflops > 0 and step.generator_parameters > step.discriminator_parameters
    written = json.loads(json.dumps(train.as_json(step)))
    assert written["ratio"]["median"] == step.ratio.median


def test_operations_are_counted_as_by_hand():
    @tf.function(autograph=False)
    def work(x, kernel, matrix):
        with tf.GradientTape() as tape:
            tape.watch([x, kernel])
            y = tf.nn.conv2d(x, kernel, 2, "SAME")
        return y, tape.gradient(y, [x, kernel]), tf.matmul(matrix, matrix, transpose_a=True) + 1.0

    shapes = ([2, 8, 8, 5], [3, 3, 5, 7], [10, 20])
    found = operations.count(work.get_concrete_function(*(tf.TensorSpec(s) for s in shapes)))
    # The convolution and both gradients: 2 x 4 x 4 places, each with 3 x 3 taps from 5 to 7 channels.
    assert found == 3 * 2 * (2 * 4 * 4) * (3 * 3 * 5 * 7) + 2 * 20 * 10 * 20


def test_the_textbook_s_plain_networks_have_the_gradients_of_ours():
    gan = train.make_gan(TINY, "float32")
    batch = train.random_batch(TINY)
    plain = textbook.with_plain_networks(gan, "float32")
    for ours, theirs in zip(
        textbook.gradients(gan, batch), textbook.gradients(plain, batch), strict=True
    ):
        scale = max(float(tf.reduce_max(tf.abs(gradient))) for gradient in theirs)
        for one, other in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(one, other, atol=2e-4 * scale)


def test_growth_is_measured_and_drawn(tmp_path, monkeypatch):
    # In this process, for a new one takes seconds to start.
    monkeypatch.setattr(timing, "in_process", lambda work, threads, *given: work(threads, *given))
    monkeypatch.setattr(growth, "WARM_UP_BATCHES", 1)
    monkeypatch.setattr(growth, "BATCHES", 3)
    monkeypatch.setattr(growth, "STEPS", 1)
    (one,) = growth.measure(tmp_path, 3, (2,))
    assert one.recordings == 6 and all(value > 0 for value in vars(one).values())
    (step,) = growth.measure_steps(TINY, (2,))
    assert step.batch == 2 and step.milliseconds_a_pair == step.milliseconds / 2 > 0
    found = [one, dataclasses.replace(one, recordings=60, streamed_gib=one.streamed_gib * 1.04)]
    steps = [step, dataclasses.replace(step, batch=4)]
    assert growth.keys(found)["streamed_memory_vs_size_before"] == pytest.approx(1.04)
    assert growth.keys(found[:1])["streamed_memory_vs_size_before"] is None
    assert len(growth.table(found, steps).splitlines()) == 3 + 1 + 3
    growth.draw_figure(tmp_path / "growth.png", found, steps)
    drawn = images.read_image(tmp_path / "growth.png")
    assert drawn.shape[0] > 4 * 180 and {tuple(c) for c in charts.LINES[:3]} <= {
        tuple(pixel) for pixel in drawn.reshape(-1, 3)
    }


@pytest.mark.slow
def test_growth_by_its_command(run_main, tmp_path):
    done = run_main(
        "tools/bench.py", "growth", "--sizes=1", "--recordings=3", "--batch_sizes=2",
        "--output=growth.json", timeout=900,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    written = json.loads((tmp_path / "growth.json").read_text())
    assert [one["recordings"] for one in written["recordings"]] == [3]
    assert written["prepare_seconds_a_recording"] > 0 and len(written["steps"]) == 1
    assert (tmp_path / "growth.png").is_file()


def test_a_main_that_ends_tells_its_memory(tmp_path):
    spent = mains.run_main("cmgen.train", ("--help",), tmp_path / "log")
    assert 0 < spent.peak_gib < 8 and spent.seconds > 0
    assert "usage" in (tmp_path / "log").read_text()


def test_pytorch_has_the_same_networks_and_steps():
    torch = pytest.importorskip("torch")
    from tools.benchmarks.textbook_torch import Textbook

    gan = train.make_gan(TINY, "float32")
    step = Textbook(TINY, "float32", 16, gan.generator.canvas.stages)
    assert step.parameters() == (
        gan.generator.count_params(), gan.discriminator.count_params(),
    )  # fmt: skip
    before = [p.detach().clone() for p in step.discriminator.parameters()]
    assert np.isfinite(step())
    assert any(
        not torch.equal(a, b) for a, b in zip(before, step.discriminator.parameters(), strict=True)
    )


def test_input_is_measured_in_real_training(tmp_path):
    raw = fixtures.write_corpus(tmp_path / "videos", {"train": 2}, seconds=1.0)
    prepare(raw, tmp_path / "prepared", PrepareConfig(image_size=32))
    data = DataConfig(data=str(tmp_path / "prepared"), image_size=32)
    found = input_.measure(dataclasses.replace(TINY, data=data), "float32", 2)
    assert 0 < found.wait_share.median < 1 and found.vs_training.median > 0
    assert found.wait_share.rounds == found.vs_training.rounds == input_.TURNS
    assert found.wait_share.ours_ms == found.vs_training.baseline_ms > 0


def test_a_run_that_fails_is_no_measurement():
    with pytest.raises(UserError, match="--batch_size=3"):
        input_.short_run(("--batch_size=3",), 1)


def test_all_has_the_promised_keys_and_says_what_is_missing(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    import bench

    monkeypatch.setattr(bench, "_lms", lambda values: {"lms_vs_librosa": 2.0})
    monkeypatch.setattr(bench, "_train", lambda values: {"train_vs_textbook_float32": 1.0})
    monkeypatch.setattr(bench, "_input", lambda values: {"input_wait_share": 0.1})
    bench.ALL(["bench.py", "--model=nowhere", f"--output={tmp_path / 'all.json'}"])
    bench.all_()
    written = json.loads((tmp_path / "all.json").read_text())
    assert written["onnx_batch1_p50_ms"] is None and written["savedmodel_batch1_p50_ms"] is None
    assert "nowhere" in written["serve"]["not_measured"]
    assert list(written)[:3] == ["lms_vs_librosa", "train_vs_textbook_float32", "input_wait_share"]
