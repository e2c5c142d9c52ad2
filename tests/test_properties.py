"""What holds for any sound, any folder and any settings, tried on random ones (hypothesis)."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import tensorflow as tf
from absl import flags
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cmgen import config
from cmgen.config import SoundConfig, TrainConfig
from cmgen.data import pipeline, sampling
from cmgen.data.recordings import Recordings
from cmgen.data.shards import DatasetInfo
from cmgen.generate import sound_to_image
from cmgen.media import lms_tf
from cmgen.media.lms import frame_count
from cmgen.prepare import plan
from cmgen.prepare.listing import RawFile, make_listing
from cmgen.prepare.sources import FileItem, recognise
from cmgen.train import __main__ as train
from cmgen.utils.errors import UserError
from cmgen.utils.typed_json import from_json, to_json
from tools.benchmarks.lms import librosa_db

SOUND = SoundConfig()
# The same examples each time, however fast the machine is.
settings.register_profile(
    "cmgen",
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("cmgen")


@st.composite
def waveforms(draw: st.DrawFn) -> np.ndarray:
    """Half a second of a few tones, a click and noise, from nearly silent to full scale."""
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    time = np.arange(SOUND.window_samples) / SOUND.sample_rate
    wave = np.zeros_like(time)
    for pitch in draw(st.lists(st.floats(20.0, 20000.0), max_size=4)):
        wave += np.sin(2 * np.pi * pitch * time + random.uniform(0, 6))
    wave += draw(st.sampled_from([0.0, 1e-4, 0.1])) * random.standard_normal(len(time))
    if draw(st.booleans()):
        wave[draw(st.integers(0, len(time) - 1))] += 1.0
    loudest = max(float(np.abs(wave).max()), 1e-9)
    return (wave / loudest * 10 ** draw(st.floats(-4.0, 0.0))).astype(np.float32)


@given(waveforms())
@settings(max_examples=20)
def test_any_sound_s_spectrogram_is_librosa_s(wave):
    ours = lms_tf.log_mel_db(tf.constant(wave[None]), SOUND).numpy()[0]
    np.testing.assert_allclose(ours, librosa_db(wave, SOUND), atol=1e-3, rtol=0)


@given(st.lists(waveforms(), min_size=2, max_size=3), st.floats(0.1, 0.9))
@settings(max_examples=15)
def test_spectrograms_stay_in_range_alone_or_in_a_batch_and_fall_with_the_sound(waves, gain):
    together = lms_tf.lms(tf.constant(np.stack(waves)), SOUND).numpy()
    assert together.shape == (len(waves), 128, 44) and np.abs(together).max() <= 1.0
    for wave, lms in zip(waves, together, strict=True):
        np.testing.assert_allclose(lms_tf.lms(tf.constant(wave[None]), SOUND)[0], lms, atol=1e-6)
        softer = lms_tf.lms(tf.constant(gain * wave[None]), SOUND).numpy()[0]
        assert (softer <= lms + 1e-5).all()


@given(st.integers(0, 10**7))
def test_frames_are_those_whose_middle_lies_in_the_sound(samples):
    middles = range(0, samples + 1, SOUND.hop_length)
    assert frame_count(samples, SOUND) == len(middles)


@given(
    st.lists(
        st.lists(st.floats(0.0, 100.0, width=32), min_size=1, max_size=8), min_size=1, max_size=4
    ),
    st.data(),
)
def test_the_nearest_frame_is_no_farther_than_any_other(recordings, data):
    recordings = [sorted(set(times)) for times in recordings]
    samples = [
        np.round(np.array(times) * SOUND.sample_rate).astype(np.int64) for times in recordings
    ]
    offsets = np.cumsum([0, *map(len, samples)])
    flat = np.concatenate(samples)
    index = data.draw(st.integers(0, len(recordings) - 1))
    wanted = data.draw(st.integers(0, 101 * SOUND.sample_rate))
    found = int(
        sampling.nearest_frames(
            tf.constant(sampling.frame_keys(flat, offsets)),
            tf.constant(offsets),
            tf.constant([index], tf.int64),
            tf.constant([wanted], tf.int64),
        )[0]
    )
    assert offsets[index] <= found < offsets[index + 1]
    assert abs(int(flat[found]) - wanted) == np.abs(samples[index] - wanted).min()


@st.composite
def paired_recordings(draw: st.DrawFn) -> Recordings:
    """Videos of up to two seconds, some shorter than a window, with pictures at odd times."""
    window = SOUND.window_samples
    samples, times = [], []
    for _ in range(draw(st.integers(1, 5))):
        samples.append(draw(st.integers(1, 4 * window)))
        edge = window // 10
        instants = st.integers(-edge, samples[-1] + edge)
        times.append(sorted(draw(st.lists(instants, min_size=1, max_size=12, unique=True))))
    count = len(samples)
    labels = draw(st.lists(st.integers(0, 1), min_size=count, max_size=count))
    info = DatasetInfo(("a", "b"), 32, 10.0, "middle", {}, {}, {})
    names = np.array([str(i) for i in range(count)])
    return Recordings(
        Path("nowhere"), "test", info, names, names, np.array(labels),
        np.cumsum([0, *samples]), np.cumsum([0, *map(len, times)]), np.concatenate(times),
        None, None, {},
    )  # fmt: skip


@given(paired_recordings(), st.integers(1, 3))
def test_windows_lie_in_their_sound_around_their_picture_and_each_is_met_once(recordings, stride):
    window, rate = SOUND.window_samples, SOUND.sample_rate
    rows = pipeline.evaluation_rows(recordings, stride, window, rate)
    assert ((rows.start >= 0) & (rows.start + window <= recordings.samples[rows.recording])).all()
    first, end = recordings.frame_offsets[:-1], recordings.frame_offsets[1:]
    assert ((first[rows.recording] <= rows.frame) & (rows.frame < end[rows.recording])).all()
    middles = rows.start + window // 2
    assert (np.abs(middles - recordings.frame_times[rows.frame]) <= window // 20 + 1).all()
    assert len(set(rows.frame)) == len(rows.frame)
    inside = {
        frame
        for index in range(len(first))
        for frame in range(first[index], end[index], stride)
        if 0 <= recordings.frame_times[frame] - window // 2 <= recordings.samples[index] - window
    }
    assert inside <= set(rows.frame)


@given(paired_recordings(), st.integers(0, 10**6), st.integers(0, 5))
@settings(max_examples=30)
def test_training_begins_no_window_outside_its_sound(recordings, step, seed):
    low, high = recordings.start_range(SOUND.window_samples)
    long = recordings.samples >= SOUND.window_samples
    starts = sampling.pick_starts(
        tf.constant(step, tf.int64), tf.constant(low), tf.constant(high), seed
    ).numpy()
    assert (starts[long] >= 0).all()
    assert (starts + SOUND.window_samples <= recordings.samples)[long].all()


@given(
    st.integers(1, 2000),
    st.integers(0, 4000),
    st.lists(st.floats(-10.0, 1000.0), min_size=1, max_size=9),
)
def test_generation_s_windows_are_pieces_of_the_sound(length, more, times):
    sound = np.arange(length + more, dtype=np.float32)
    windows = sound_to_image.cut_windows(sound, np.array(times), length, 100)
    assert windows.shape == (len(times), length)
    starts = windows[:, 0].astype(int)
    assert (windows == starts[:, None] + np.arange(length)).all()
    wanted = np.rint(np.array(times) * 100) - length // 2
    fits = (wanted >= 0) & (wanted <= more)
    assert (starts[fits] == wanted[fits]).all()


@st.composite
def folders(draw: st.DrawFn) -> list[FileItem]:
    """Recordings of some classes, in splits or in none."""
    counts = draw(st.dictionaries(st.sampled_from("abcdef"), st.integers(1, 12), min_size=1))
    splits = draw(st.sampled_from([("",), ("train", "test"), ("train", "validation", "test")]))
    return [
        FileItem(f"{split}/{name}/{i}.mp4", f"{split}/{name}/{i}", name, split, i)
        for name, count in counts.items()
        for split in splits
        for i in range(count)
    ]


SHARES = st.sampled_from(
    [(70.0, 15.0, 15.0), (50.0, 0.0, 50.0), (100.0, 0.0, 0.0), (10.0, 80.0, 10.0)]
)


@given(folders(), SHARES, st.integers(0, 5))
def test_splits_keep_every_recording_once_and_in_its_place(items, shares, seed):
    assigned = plan.assign_splits(items, plan.PrepareConfig(shares=shares, seed=seed))
    assert sorted(item.id for item in assigned) == sorted(item.id for item in items)
    assert {item.split for item in assigned} <= {"train", "validation", "test"}
    before = {item.id: item.split for item in items}
    for item in assigned:  # validation may be cut out of train, and nothing else moves
        was = before[item.id]
        assert was in ("", item.split) or (was, item.split) == ("train", "validation")


@st.composite
def raw_names(draw: st.DrawFn) -> list[str]:
    """Names of a folder of videos, of sounds and pictures, or of Sub-URMP's chunks."""
    kind = draw(st.sampled_from(["videos", "media", "sub_urmp"]))
    split = draw(st.sampled_from([("",), ("train/", "test/")])) if kind == "videos" else ("",)
    count = draw(st.integers(3, 12))
    classes = draw(st.lists(st.sampled_from(["a", "b", "fl", "vn"]), min_size=1, unique=True))
    if kind == "sub_urmp":
        return [
            f"{folder}/{part}/{name}/{name}{song:02d}_{ms}.{suffix}"
            for folder, suffix in (("img", "jpg"), ("chunk", "wav"))
            for part in ("train", "validation")
            for name in classes
            for song in range(1, count)
            for ms in (500, 600)
        ]
    suffixes = ("mp4",) if kind == "videos" else ("wav", "png")
    return [
        f"{part}{name}/{i}.{suffix}"
        for part in split
        for name in classes
        for i in range(count)
        for suffix in suffixes
    ]


@given(raw_names(), SHARES, st.integers(0, 5), st.randoms(use_true_random=False))
@settings(max_examples=50)
def test_a_plan_is_the_same_in_whatever_order_a_folder_is_listed(names, shares, seed, random):
    how = plan.PrepareConfig(shares=shares, seed=seed)
    files = [RawFile(name, len(name)) for name in names]

    def made(listed: list[RawFile]) -> plan.Plan:
        return plan.make_plan(recognise(make_listing("raw", listed)), how)

    first = made(files)
    assert made(random.sample(files, len(files))) == first
    where = [(item.id, shard.split) for shard in first.shards for item in shard.items]
    assert len({item for item, _ in where}) == len(where)


@given(folders(), st.integers(0, 5))
def test_every_class_is_measured_where_it_has_two_recordings(items, seed):
    assigned = plan.assign_splits(items, plan.PrepareConfig(seed=seed))
    for name in {item.class_name for item in items}:
        own = [item.split for item in assigned if item.class_name == name]
        assert "train" in own and (len(own) < 2 or "test" in own)
        assert len(own) < 3 or "validation" in own or own.count("train") < 2


def fields() -> dict[str, st.SearchStrategy]:
    """For each flag, values that it may be given; other than the default as well."""
    strategies: dict[str, st.SearchStrategy] = {}
    for setting in train.settings():
        default = setting.default
        if isinstance(default, bool):
            strategies[setting.flag] = st.booleans()
        elif isinstance(default, int):
            strategies[setting.flag] = st.integers(-2, 200)
        elif isinstance(default, float):
            strategies[setting.flag] = st.floats(-0.5, 2.0)
        elif setting.field in config.CHOICES:
            strategies[setting.flag] = st.sampled_from(config.CHOICES[setting.field])
        elif setting.field in ("widths", "strides"):
            strategies[setting.flag] = st.lists(st.integers(0, 64), max_size=5)
    return strategies


@st.composite
def arguments(draw: st.DrawFn) -> list[str]:
    """A few flags of cmgen.train, which may not fit each other."""
    known = fields()
    names = draw(st.lists(st.sampled_from(sorted(known)), max_size=5, unique=True))
    flags_given = []
    for name in names:
        value = draw(known[name])
        text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
        flags_given.append(f"--{name}={text.lower() if isinstance(value, bool) else text}")
    return flags_given


def _said(text: str, setting: train.Setting) -> object:
    """A flag's text as its field's value."""
    if isinstance(setting.default, bool):
        return text == "true"
    if isinstance(setting.default, tuple):
        return tuple(int(part) for part in text.split(",") if part)
    return type(setting.default)(text)


@given(arguments())
@settings(max_examples=150)
def test_any_flags_make_a_config_that_survives_or_are_refused_by_name(flags_given):
    values = flags.FlagValues()
    train.define_flags(values)
    values(["cmgen.train", *flags_given])
    try:
        made = train.config_from_flags(values)
    except UserError as error:
        assert str(error).startswith("--")
        return
    text = to_json(made)
    assert from_json(TrainConfig, text) == made
    given = dict(argument.removeprefix("--").split("=", 1) for argument in flags_given)
    for setting in train.settings():
        part = getattr(made, setting.section) if setting.section else made
        wanted = _said(given[setting.flag], setting) if setting.flag in given else setting.default
        assert getattr(part, setting.field) == wanted
    config.validate(from_json(TrainConfig, text))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)


@given(st.data())
@settings(max_examples=150)
def test_any_value_in_a_config_is_taken_as_it_is_or_refused(data):
    values = dataclasses.asdict(TrainConfig())
    place = values
    name = data.draw(st.sampled_from(sorted(place)))
    if isinstance(place[name], dict):
        place = place[name]
        name = data.draw(st.sampled_from(sorted(place)))
    place[name] = data.draw(JSON)
    try:
        made = from_json(TrainConfig, json.dumps(values))
        config.validate(made)
    except UserError as error:
        assert name in str(error)
        return
    assert from_json(TrainConfig, to_json(made)) == made
