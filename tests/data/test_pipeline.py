"""From a prepared folder to batches: what is in them, and that they can be had again."""

import json
import shutil

import numpy as np
import pytest
import tensorflow as tf
from fixtures import CLASSES, write_corpus
from PIL import Image

from cmgen.config import DataConfig, TrainConfig
from cmgen.data import pairs, pipeline, sampling
from cmgen.data.shards import INFO_FILE, read_info
from cmgen.models.distributed import get_strategy
from cmgen.prepare.local import PrepareConfig, prepare
from cmgen.utils.errors import UserError
from cmgen.utils.hashes import file_hash
from cmgen.utils.typed_json import CHECKSUM

CONFIG = TrainConfig()
WINDOW = CONFIG.sound.window_samples
BATCH = 8


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pipeline")
    raw = write_corpus(folder / "raw", {"train": 3, "validation": 1, "test": 1}, seconds=2.0)
    prepare(raw, folder / "prepared", PrepareConfig())
    return folder / "prepared"


@pytest.fixture(scope="module")
def unpaired(tmp_path_factory):
    """Two pictures and two sounds of each class that share only their class."""
    import soundfile
    from fixtures import tone

    folder = tmp_path_factory.mktemp("unpaired")
    for name, (colour, pitch) in CLASSES.items():
        for number, split in enumerate(("train", "validation", "test")):
            for index in range(2):
                path = folder / "raw" / "images" / split / name / f"{index}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                shade = tuple(c - 20 * index for c in colour)
                Image.new("RGB", (80, 64), shade).save(path)
                path = folder / "raw" / "sounds" / split / name / f"{index}.wav"
                path.parent.mkdir(parents=True, exist_ok=True)
                sound = tone(pitch, 0.7 + 0.2 * index, number)
                soundfile.write(str(path), sound, 44100)
    prepare(folder / "raw", folder / "prepared", PrepareConfig())
    return folder / "prepared"


def load(folder, split="train", cache_gib=4.0):
    return pipeline.load_split(folder, split, DataConfig(cache_gib=cache_gib))


def batches(recordings, start_step=0, count=4, seed=5, size=BATCH):
    config = pipeline.BatchConfig(batch_size=size, seed=seed)
    dataset = pipeline.training_dataset(recordings, config, CONFIG, start_step)
    return list(dataset.take(count).as_numpy_iterator())


def assert_equal_batches(first, second):
    assert len(first) == len(second)
    for a, b in zip(first, second, strict=True):
        assert a.keys() == b.keys()
        for name in a:
            np.testing.assert_array_equal(a[name], b[name], err_msg=name)


@pytest.mark.parametrize("cache_gib", [4.0, 0.0])
def test_shapes_are_static_and_values_in_range(prepared, cache_gib):
    recordings = load(prepared, cache_gib=cache_gib)
    config = pipeline.BatchConfig(batch_size=BATCH, seed=5, noise_size=7)
    dataset = pipeline.training_dataset(recordings, config, CONFIG)
    shapes = {name: tuple(spec.shape) for name, spec in dataset.element_spec.items()}
    assert shapes == {
        "waveform": (BATCH, WINDOW),
        "image": (BATCH, 64, 64, 3),
        "label": (BATCH,),
        "noise": (BATCH, 7),
        "uniforms": (BATCH, pipeline.UNIFORMS),
    }
    batch = next(dataset.as_numpy_iterator())
    assert batch["label"].dtype == np.int32
    assert 0.05 < np.abs(batch["waveform"]).max() <= 1
    assert -1 <= batch["image"].min() < -0.5 < 0.3 < batch["image"].max() <= 1
    assert batch["uniforms"].min() >= 0 and batch["uniforms"].max() < 1


@pytest.mark.parametrize("cache_gib", [4.0, 0.0])
def test_a_batch_shows_and_sounds_its_classes_evenly(prepared, cache_gib):
    colours = [np.array(CLASSES[name][0]) for name in sorted(CLASSES)]
    pitches = [CLASSES[name][1] for name in sorted(CLASSES)]
    some = batches(load(prepared, cache_gib=cache_gib), count=6)
    labels = np.concatenate([batch["label"] for batch in some])
    assert (labels[0::2] != labels[1::2]).all()
    assert np.ptp(np.bincount(labels)) <= 2
    for batch in some:
        for waveform, image, label in zip(
            batch["waveform"], batch["image"], batch["label"], strict=True
        ):
            spectrum = np.abs(np.fft.rfft(waveform))
            assert abs(np.argmax(spectrum) * 2 - pitches[label]) <= 2
            pixels = (image + 1) * 127.5
            distances = [np.abs(pixels - colour).sum(-1).min() for colour in colours]
            assert np.argmin(distances) == label


def test_the_picture_is_the_frame_nearest_the_windows_middle(prepared):
    recordings = load(prepared)
    sound, frames = recordings.sound.numpy(), recordings.frames.numpy()
    for batch in batches(recordings, count=2):
        for waveform, image in zip(batch["waveform"], batch["image"], strict=True):
            samples = np.rint(waveform * 32768).astype(np.int16)
            places = np.flatnonzero(sound[: -WINDOW + 1] == samples[0])
            [begin] = [p for p in places if np.array_equal(sound[p : p + WINDOW], samples)]
            index = np.searchsorted(recordings.sound_offsets, begin, "right") - 1
            assert begin + WINDOW <= recordings.sound_offsets[index + 1]
            first, last = recordings.frame_offsets[index : index + 2]
            middle = begin - recordings.sound_offsets[index] + WINDOW // 2
            nearest = first + np.argmin(np.abs(recordings.frame_times[first:last] - middle))
            pixels = np.rint((image + 1) * 127.5).astype(np.uint8)
            np.testing.assert_array_equal(pixels, frames[nearest])


@pytest.mark.parametrize("cache_gib", [4.0, 0.0])
def test_a_later_start_gives_the_rest_of_the_same_stream(prepared, cache_gib):
    whole = batches(load(prepared, cache_gib=cache_gib), count=7)
    later = batches(load(prepared, cache_gib=cache_gib), start_step=5, count=2)
    assert_equal_batches(whole[5:], later)
    assert not np.array_equal(whole[0]["noise"], whole[1]["noise"])


def test_another_seed_gives_another_stream(prepared):
    recordings = load(prepared)
    first, second = (batches(recordings, count=1, seed=seed)[0] for seed in (5, 6))
    for name in ("waveform", "noise", "uniforms"):
        assert not np.array_equal(first[name], second[name])


def test_the_iterator_of_streamed_data_resumes_by_its_checkpoint(prepared, tmp_path):
    def iterator():
        config = pipeline.BatchConfig(batch_size=BATCH, seed=5)
        return iter(pipeline.training_dataset(load(prepared, cache_gib=0.0), config, CONFIG))

    first = iterator()
    for _ in range(3):
        next(first)
    path = tf.train.Checkpoint(iterator=first).write(str(tmp_path / "place"))
    expected = [next(first) for _ in range(3)]
    second = iterator()
    tf.train.Checkpoint(iterator=second).read(path).assert_consumed()
    for wanted in expected:
        found = next(second)
        for name in wanted:
            np.testing.assert_array_equal(found[name], wanted[name])


def test_replicas_share_a_batch_without_changing_it(prepared):
    devices = [device.name for device in tf.config.list_logical_devices("CPU")]
    if len(devices) < 2:
        pytest.skip("needs two logical devices")
    recordings = load(prepared)
    strategy = get_strategy("mirrored")
    config = pipeline.BatchConfig(batch_size=BATCH, seed=5)
    dataset = pipeline.training_dataset(recordings, config, CONFIG)
    shared = iter(strategy.experimental_distribute_dataset(dataset))
    for expected in batches(recordings, count=2):
        parts = strategy.experimental_local_results(next(shared))
        merged = tf.nest.map_structure(lambda *part: np.concatenate(part), *parts)
        assert_equal_batches([merged], [expected])
        for part in parts:
            labels = part["label"].numpy()
            assert (labels[0::2] != labels[1::2]).all()


@pytest.mark.parametrize(
    ("cache_gib", "changes"),
    [(4.0, {}), (4.0, {"mismatch": "mixed", "instants": 2}), (0.0, {})],
)
def test_workers_see_together_what_one_would(prepared, cache_gib, changes):
    recordings = load(prepared, cache_gib=cache_gib)

    def stream(shard):
        kind = pipeline.BatchConfig(batch_size=BATCH, seed=5, shard=shard, **changes)
        dataset = pipeline.training_dataset(recordings, kind, CONFIG, start_step=1)
        return list(dataset.take(3).as_numpy_iterator())

    parts = zip(stream((0, 2)), stream((1, 2)), strict=True)
    for whole, (first, second) in zip(stream((0, 1)), parts, strict=True):
        assert len(first["label"]) == len(second["label"]) == BATCH // 2
        merged = {name: np.concatenate([first[name], second[name]]) for name in whole}
        for name, values in whole.items():
            np.testing.assert_array_equal(merged[name], values, err_msg=name)


def test_every_pass_takes_each_recording_once_and_windows_start_anywhere(prepared):
    recordings = load(prepared)
    heard = recordings.samples >= WINDOW
    table = sampling.ClassTable.of(recordings.labels, heard, 3)
    positions = tf.range(3 * 2 * 30, dtype=tf.int64)
    label, visit = pairs.class_stream(positions, 3, seed=1)
    picked = sampling.pick_recordings(label, visit, table, seed=1).numpy()
    orders = set()
    for name in range(3):
        mine = picked[label.numpy() == name]
        order = np.argsort(visit.numpy()[label.numpy() == name])
        passes = mine[order].reshape(-1, 3)
        assert (np.sort(passes, axis=1) == table.members[3 * name : 3 * name + 3]).all()
        orders |= {tuple(one) for one in passes - passes.min()}
    assert len(orders) > 3
    low, high = tf.zeros([4000], tf.int64), tf.fill([4000], tf.constant(9, tf.int64))
    starts = sampling.pick_starts(tf.constant(3, tf.int64), low, high, seed=1).numpy()
    assert np.bincount(starts).min() > 300 and starts.max() == 9


@pytest.mark.parametrize("cache_gib", [4.0, 0.0])
def test_unpaired_data_meet_by_class(unpaired, cache_gib):
    recordings = load(unpaired, cache_gib=cache_gib)
    assert not recordings.paired
    colours = [np.array(CLASSES[name][0]) for name in sorted(CLASSES)]
    shades = set()
    for batch in batches(recordings, count=4):
        assert (batch["label"][0::2] != batch["label"][1::2]).all()
        for image, label in zip(batch["image"], batch["label"], strict=True):
            colour = np.rint((image[32, 32] + 1) * 127.5)
            assert min(np.abs(colour - colours[label] + d).max() for d in (0, 20)) < 6
            shades.add((int(label), tuple(colour)))
    assert len(shades) == 6  # every picture of every class is used
    [batch] = pipeline.evaluation_windows(recordings, 1, CONFIG).as_numpy_iterator()
    # 0.7 and 0.9 s of sound give windows at 0, 0.1, 0.2 and at 0 to 0.4 s.
    assert np.bincount(batch["recording"])[recordings.samples > 0].tolist() == [3, 5] * 3
    assert set(batch["frame"]) == set(range(6))
    np.testing.assert_array_equal(batch["label"], recordings.labels[batch["recording"]])


@pytest.mark.parametrize("folder", ["prepared", "unpaired"])
def test_evaluation_windows_are_the_same_from_memory_and_from_shards(folder, request):
    path = request.getfixturevalue(folder)
    for stride in (1, 3):
        found = [
            list(
                pipeline.evaluation_windows(
                    load(path, "test", cache), stride, CONFIG, batch_size=16
                ).as_numpy_iterator()
            )
            for cache in (4.0, 0.0)
        ]
        assert_equal_batches(*found)


@pytest.mark.parametrize("cache_gib", [4.0, 0.0])
@pytest.mark.parametrize("change", ["foreign", "one less", "one more", "empty"])
def test_whole_shards_of_something_else_are_refused(prepared, tmp_path, cache_gib, change):
    folder = tmp_path / "prepared"
    shutil.copytree(prepared, folder)
    path = min(folder.glob("train-*.tfrecord"))
    records = [record.numpy() for record in tf.data.TFRecordDataset(str(path))]
    changed = {
        "foreign": [b"\n\xac", *records[1:]],
        "one less": records[1:],
        "one more": [*records, records[0]],
        "empty": [],
    }
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in changed[change]:
            writer.write(record)
    with pytest.raises(UserError, match=rf"{path.name}: is damaged, or was changed"):
        load(folder, cache_gib=cache_gib)
    # As by someone who writes the new checksum, too.
    said = (folder / INFO_FILE).read_text()
    forged = json.loads(said.replace(read_info(folder).checksums[path.name], file_hash(path)))
    del forged[CHECKSUM]
    (folder / INFO_FILE).write_text(json.dumps(forged))
    with pytest.raises(UserError, match=r"not what cmgen.prepare wrote.*prepare the data again"):
        load(folder, cache_gib=cache_gib)


def test_evaluation_takes_every_window_that_lies_inside_the_sound_once(prepared):
    recordings = load(prepared, "test")
    parts = list(pipeline.evaluation_windows(recordings, 1, CONFIG, batch_size=7))
    whole = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    # 2 s at 10 frames a second: from 0.3 s on, the picture at 0.2 s being too early.
    times = recordings.frame_times[whole["frame"]]
    assert times.min() == round(0.3 * 44100) and times.max() == round(1.7 * 44100)
    assert len(whole["frame"]) == len(set(whole["frame"])) == 3 * 15
    assert whole["sounding"].all()
    begin = times[5] - WINDOW // 2 + recordings.sound_offsets[whole["recording"][5]]
    expected = recordings.sound.numpy()[begin : begin + WINDOW] / 32768
    np.testing.assert_allclose(whole["waveform"][5], expected, atol=1e-7)
    few = list(pipeline.evaluation_windows(recordings, 4, CONFIG))
    assert set(few[0]["frame"].numpy()) <= set(whole["frame"])


def test_silent_windows_are_marked(tmp_path):
    import soundfile
    from fixtures import tone

    for name in ("bell", "drum"):
        for number, split in enumerate(("train", "test")):
            path = tmp_path / "raw" / split / name / "a.wav"
            path.parent.mkdir(parents=True)
            sound = tone(440, 2.0, number)
            sound[:44100] *= 1e-4
            soundfile.write(str(path), sound, 44100)
    prepare(tmp_path / "raw", tmp_path / "prepared", PrepareConfig())
    recordings = load(tmp_path / "prepared", "test")
    [batch] = pipeline.evaluation_windows(recordings, 1, CONFIG).as_numpy_iterator()
    assert "image" not in batch and set(batch["frame"]) == {-1}
    # Windows every 0.1 s; those that end before 1 s hold the silence alone.
    first = batch["sounding"][batch["recording"] == 0]
    assert first.tolist() == [False] * 6 + [True] * 10
    with pytest.raises(UserError, match="no pictures of class 'bell'"):
        batches(load(tmp_path / "prepared"))


def test_bad_requests_are_named(prepared):
    with pytest.raises(UserError, match="has no split 'shifted'"):
        load(prepared, "shifted")
    with pytest.raises(UserError, match="--batch_size=7"):
        batches(load(prepared), size=7)


@pytest.mark.parametrize("settings", [{"mismatch": "mixed"}, {"instants": 4}])
def test_instants_need_pictures_of_the_sounds_own_recording(unpaired, settings):
    kind = pipeline.BatchConfig(batch_size=8, seed=1, **settings)
    with pytest.raises(UserError, match=r"only their class.*correspondence_weight=0"):
        pipeline.training_dataset(load(unpaired), kind, TrainConfig())


def test_one_class_has_no_mismatched_pairs(tmp_path):
    write_corpus(tmp_path / "raw", {"train": 1, "test": 1}, classes=("bell",))
    prepare(tmp_path / "raw", tmp_path / "prepared", PrepareConfig())
    with pytest.raises(UserError, match="only the class 'bell'"):
        batches(load(tmp_path / "prepared"))


def test_one_class_alone_has_pairs_of_other_moments(prepared):
    recordings = load(prepared)
    name = recordings.classes[1]
    config = pipeline.BatchConfig(8, 5, mismatch="recording", mismatch_seconds=0.5, only=(name,))
    batch = next(pipeline.training_dataset(recordings, config, CONFIG).as_numpy_iterator())
    assert set(batch["label"]) == {1}
    assert not (batch["waveform"][0] == batch["waveform"][1]).all()
    with pytest.raises(UserError, match="--mismatch=instrument or recording"):
        pipeline.training_dataset(recordings, pipeline.BatchConfig(8, 5, only=(name,)), CONFIG)
    with pytest.raises(UserError, match="--class=kazoo"):
        pipeline.training_dataset(recordings, pipeline.BatchConfig(8, 5, only=("kazoo",)), CONFIG)


def test_instants_are_windows_of_one_recording(prepared):
    recordings = load(prepared)
    config = pipeline.BatchConfig(batch_size=12, seed=5, instants=4)
    batch = next(pipeline.training_dataset(recordings, config, CONFIG).as_numpy_iterator())
    labels = batch["label"].reshape(3, 4)
    assert (labels == labels[:, :1]).all() and labels[0, 0] != labels[1, 0]
    assert len({wave.tobytes() for wave in batch["waveform"]}) == 12
