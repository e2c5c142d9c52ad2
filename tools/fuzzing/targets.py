"""One function of bytes for each reader of foreign bytes: an exception is a finding.

A reader may refuse by UserError (operations of a graph by their own error), never by anything else.
"""

import contextlib
import json
import os
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from cmgen.utils.errors import UserError
from tools.fuzzing import pages

Target = Callable[[bytes], None]


def make(name: str) -> Target:
    """The target of a name; imports what it needs, so that it can be instrumented.

    Args:
      name: of TARGETS.
    """
    return TARGETS[name]()


def refusing(work: Callable[[bytes], object]) -> Target:
    """A target that may refuse."""

    def target(data: bytes) -> None:
        with contextlib.suppress(UserError):
            work(data)

    return target


def _file(name: str, work: Callable[[Path], object]) -> Target:
    """A target of a file in a folder of its own."""
    place = tempfile.TemporaryDirectory(prefix="fuzz-")
    path = Path(place.name) / name

    def write_and_read(data: bytes) -> object:
        assert place  # lives as long as the target
        path.write_bytes(data)
        return work(path)

    return refusing(write_and_read)


def _sound() -> Target:
    import numpy as np

    from cmgen.media.sound import decode_sound_bytes

    def read(data: bytes) -> None:
        sound, _ = decode_sound_bytes(data, "x", max_seconds=2.0)
        assert sound.dtype == np.float32 and sound.ndim == 1 and np.isfinite(sound).all()

    return refusing(read)


def _picture() -> Target:
    from cmgen.media.images import decode_image
    from cmgen.media.limits import MediaLimits

    def read(data: bytes) -> None:
        picture = decode_image(data, "x", 64, MediaLimits(megapixels=0.25))
        assert picture is None or (picture.ndim == 3 and picture.shape[2] == 3)

    return refusing(read)


def _video() -> Target:
    from cmgen.media.limits import MediaLimits
    from cmgen.media.video import read_video

    limits = MediaLimits(seconds=4.0, megapixels=0.1)

    def read(path: Path) -> None:
        video = read_video(path, size=32, max_fps=10.0, limits=limits)
        assert len(video.frames) == len(video.times)
        assert all(frame.shape == (32, 32, 3) for frame in video.frames)

    return _file("x.mp4", read)


def _upload() -> Target:
    from cmgen.studio import decoder

    limits = decoder.DecodeLimits(seconds=2.0, sizes=(32,), megapixels=0.25)
    return refusing(lambda data: decoder.decode(data, "x", limits))


def _names() -> Target:
    """A raw folder's names, each on a line: recognised, and its splits and shards planned."""
    from cmgen.prepare.listing import RawFile, make_listing
    from cmgen.prepare.plan import PrepareConfig, make_plan
    from cmgen.prepare.sources import recognise

    def read(data: bytes) -> None:
        lines = data.decode("utf-8", "replace").splitlines()
        names = dict.fromkeys(line.strip("/") for line in lines)
        files = [RawFile(name, len(name)) for name in names if name]
        plan = make_plan(recognise(make_listing("raw", files)), PrepareConfig())
        split_of: dict[str, str] = {}
        for shard in plan.shards:
            for item in shard.items:
                assert split_of.setdefault(item.id, shard.split) == shard.split

    return refusing(read)


def _dataset() -> Target:
    from cmgen.data.shards import DatasetInfo, read_info

    def read(path: Path) -> None:
        assert isinstance(read_info(path.parent), DatasetInfo)

    return _file("dataset.json", read)


def _shard() -> Target:
    """One record of a shard, decoded as training does."""
    from cmgen.data.records import RecordError, parse

    read = lambda record: parse(record, 32)  # noqa: E731
    return _both_ways(read, "frames", (None, 32, 32, 3), RecordError)


def _wav_in_graph() -> Target:
    from cmgen.config import SoundConfig
    from cmgen.export.wav import read_middle

    sound = SoundConfig()
    return _both_ways(
        lambda data: {"made": read_middle(data, sound)}, "made", (sound.window_samples,)
    )


def _picture_in_graph() -> Target:
    from cmgen.export import pictures

    return _both_ways(lambda data: {"made": pictures.read_picture(data, 32)}, "made", (32, 32, 3))


def _both_ways(
    read: Callable, name: str, shape: tuple[int | None, ...], *refusals: type[Exception]
) -> Target:
    """A reader of TensorFlow operations, run eagerly for coverage and as a graph with the same result.

    Args:
      read: string tensor [] -> tensors by name.
      name: of the tensor that has this shape.
      shape: with None for any length.
      refusals: that `read` has besides TensorFlow's own.
    """
    import numpy as np
    import tensorflow as tf

    traced = tf.function(read, autograph=False)
    graph = traced.get_concrete_function(tf.TensorSpec([], tf.string))

    def run(function: Callable, data: bytes) -> dict | None:
        try:
            return {key: value.numpy() for key, value in function(tf.constant(data)).items()}
        # An error's message may hold bytes of the input, which Python then can't read.
        except (tf.errors.OpError, UnicodeDecodeError, *refusals):
            return None

    def target(data: bytes) -> None:
        eager, expected = run(read, data), run(graph, data)
        assert (eager is None) == (expected is None)
        if eager is not None and expected is not None:
            assert tf.TensorShape(shape).is_compatible_with(eager[name].shape)
            for key, value in eager.items():
                numbers = np.asarray(value).dtype == np.float32
                equal = partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-5)
                (equal if numbers else np.testing.assert_array_equal)(value, expected[key])
                assert not numbers or key == "times" or np.isfinite(value).all()

    return target


def _config() -> Target:
    from cmgen.config import TrainConfig, validate
    from cmgen.utils.typed_json import from_json, to_json

    def read(data: bytes) -> None:
        config = from_json(TrainConfig, data)
        validate(config)
        assert from_json(TrainConfig, to_json(config)) == config

    return refusing(read)


def _cluster() -> Target:
    from cmgen.train import tf_config

    def read(data: bytes) -> None:
        os.environ[tf_config.VARIABLE] = data.decode("utf-8", "replace").replace("\0", "")
        try:
            group = tf_config.read("multiworker")
        finally:
            del os.environ[tf_config.VARIABLE]
        assert group is None or 0 <= group.index < len(group.addresses)

    return refusing(read)


def _study() -> Target:
    from cmgen.rate.study import read_manifest

    return _file("manifest.json", lambda path: read_manifest(path.parent))


def _export() -> Target:
    """The metadata of an exported model."""
    from cmgen.export.layout import METADATA_FILE
    from cmgen.generate import networks

    place = tempfile.TemporaryDirectory(prefix="fuzz-")
    folder = Path(place.name) / "s2i"
    (folder / "1" / METADATA_FILE).parent.mkdir(parents=True)
    for part in ("encoder", "generator"):
        (folder / f"s2i_{part}.onnx").write_bytes(b"")

    def read(data: bytes) -> None:
        assert place
        (folder / "1" / METADATA_FILE).write_bytes(data)
        networks.of_export(folder)

    return refusing(read)


def _onnx() -> Target:
    """A whole exported network, with its metadata."""
    from cmgen.generate.model import load

    def read(path: Path) -> None:
        assert load(path).metadata.noise_size >= 1

    return _file("s2i.onnx", read)


def _saved_facts() -> Target:
    """The metadata beside a SavedModel."""
    from cmgen.export import saved_model
    from cmgen.export.layout import METADATA_FILE
    from cmgen.export.metadata import read_metadata

    place = tempfile.TemporaryDirectory(prefix="fuzz-")
    folder = Path(place.name)
    (folder / METADATA_FILE).parent.mkdir()

    def read(data: bytes) -> None:
        assert place
        (folder / METADATA_FILE).write_bytes(data)
        assert read_metadata(saved_model.read_values(folder), folder).noise_size >= 1

    return refusing(read)


def _weights() -> Target:
    """The weights of a network."""
    from cmgen.models.weights import load_weights
    from tools.fuzzing.seeds import small_network

    network = small_network()

    def read(path: Path) -> None:
        facts = load_weights(network, path)
        assert all(isinstance(value, int | float) for value in facts.values())

    return _file("generator.npz", read)


def _track() -> Target:
    """The poses beside a video of three pictures."""
    from cmgen.evaluate import pose_tracks

    def read(path: Path) -> None:
        pose, playing = pose_tracks.read_track(path, 3)
        assert pose.shape == (3, 2) and playing.shape == (3,)

    return _file("x.truth.npz", read)


def _scores() -> Target:
    """What cmgen.evaluate wrote of another run."""
    from cmgen.evaluate import compare

    def read(path: Path) -> None:
        beside = {"a": compare.read(path), "b": compare.read(path)}
        compare.check_alike(beside)
        assert json.dumps(compare.table(beside))

    return _file("scores.json", read)


TARGETS: dict[str, Callable[[], Target]] = {
    "sound": _sound,
    "picture": _picture,
    "video": _video,
    "upload": _upload,
    "names": _names,
    "dataset": _dataset,
    "shard": _shard,
    "wav_in_graph": _wav_in_graph,
    "picture_in_graph": _picture_in_graph,
    "config": _config,
    "cluster": _cluster,
    "study": _study,
    "export": _export,
    "scores": _scores,
    "onnx": _onnx,
    "saved_facts": _saved_facts,
    "weights": _weights,
    "track": _track,
    "rating_page": pages.rating,
    "studio_page": pages.studio,
}
