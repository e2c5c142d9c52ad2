"""The released Sub-URMP layout: chunks become songs again."""

import numpy as np
import pytest
import soundfile

from cmgen.data.recording import ReadOptions
from cmgen.prepare import sub_urmp
from cmgen.prepare.sources import find_source
from cmgen.utils.errors import UserError
from tools import make_sub_urmp_fixture as fixture

CHUNKS = 8


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sub_urmp") / "tree"
    fixture.write_tree(folder, CHUNKS)
    return folder


def song(tree, name):
    return next(item for item in find_source(tree).items if item.id == name)


def random_chunks(times, seed=1):
    sound = np.random.default_rng(seed).integers(-9, 9, 200000).astype(np.int16)
    starts = {ms: (ms - 500) * 441 // 10 for ms in times}
    return sound, {ms: sound[start : start + 22050] for ms, start in starts.items()}


def test_the_layout_is_recognised_and_validation_becomes_test(tree):
    source = find_source(tree)
    assert source.kind == "sub_urmp"
    assert {item.split for item in source.items} == {"train", "test"}
    assert {item.class_name for item in source.items} == {"double_bass", "flute", "violin"}
    assert len(source.items) == len(fixture.SONGS)


def test_a_song_is_stitched_to_its_samples(tree):
    [recording], notes = song(tree, "validation/double_bass01").read(tree, ReadOptions())
    assert not notes and recording.id == recording.group == "validation/double_bass01"
    written = fixture.song_samples(73.0, CHUNKS, seed=6)
    path = tree.parent / "stitched.flac"
    path.write_bytes(recording.sound)
    np.testing.assert_array_equal(soundfile.read(str(path), dtype="int16")[0], written)
    np.testing.assert_allclose(recording.times, 0.25 + 0.1 * np.arange(CHUNKS))
    assert len(recording.frames) == CHUNKS


def test_a_picture_without_its_sound_is_left_out(tree):
    [recording], notes = song(tree, "train/flute00").read(tree, ReadOptions())
    assert len(recording.frames) == CHUNKS - 1
    assert 0.25 + 0.3 not in np.round(recording.times, 6)
    assert "flute00_800.jpg: left out" in notes[0]


def test_chunks_that_disagree_stay_windows_of_one_group(tree):
    recordings, notes = song(tree, "train/violin04").read(tree, ReadOptions())
    assert len(recordings) == CHUNKS and "do not overlap exactly" in notes[0]
    assert {r.group for r in recordings} == {"train/violin04"}
    assert len({r.id for r in recordings}) == CHUNKS
    assert {r.samples for r in recordings} == {22050}
    assert all(r.times.tolist() == [0.25] for r in recordings)


def test_runs_break_at_gaps_and_differences():
    sound, chunks = random_chunks([500, 600, 700, 900, 1500, 1600])
    # 900 still overlaps 700; 1500 lies beyond the end of 900.
    assert sub_urmp.agreeing_runs(chunks) == [[500, 600, 700, 900], [1500, 1600]]
    np.testing.assert_array_equal(
        sub_urmp.stitch([500, 600, 700, 900], chunks), sound[: 22050 + 4 * 4410]
    )
    chunks[700] = chunks[700] + np.int16(1)
    assert sub_urmp.agreeing_runs(chunks) == [[500, 600], [700], [900], [1500, 1600]]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("img/train/violin/cello00_500.jpg", "expected violinSS_MS.jpg"),
        ("img/train/violin/violin00_5x0.jpg", "expected violinSS_MS.jpg"),
        ("chunk/train/violin/violin00_400.wav", "MS >= 500"),
        ("img/train/violin/violin07_500.jpg", "none of which belong together"),
    ],
)
def test_odd_names_and_lonely_songs_are_named(tmp_path, name, message):
    path = tmp_path / name
    path.parent.mkdir(parents=True)
    for root in ("img", "chunk"):
        (tmp_path / root).mkdir(exist_ok=True)
    path.touch()
    with pytest.raises(UserError, match=message):
        find_source(tmp_path)


def test_a_broken_chunk_is_named(tmp_path):
    fixture.write_tree(tmp_path, 4)
    path = tmp_path / "chunk/train/violin/violin01_600.wav"
    path.write_text("no sound")
    with pytest.raises(UserError, match=r"violin01_600\.wav: not a readable WAV"):
        song(tmp_path, "train/violin01").read(tmp_path, ReadOptions())


def test_the_fixture_never_overwrites(tmp_path):
    (tmp_path / "mine").touch()
    with pytest.raises(UserError, match="is not empty"):
        fixture.write_tree(tmp_path, 4)
