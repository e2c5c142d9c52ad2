"""Hashes change with what they are of, and with nothing else."""

import numpy as np

from cmgen import hashes


def write(path, **arrays):
    np.savez(path, **arrays)
    return path


def test_weights_count_and_facts_and_order_do_not(tmp_path):
    a, b = np.arange(6.0, dtype=np.float32), np.ones((2, 2), np.float32)
    known = hashes.weights_hash(write(tmp_path / "a.npz", a=a, b=b))
    same = write(tmp_path / "b.npz", **{"b": b, "a": a, "fact/step": np.asarray(7)})
    assert hashes.weights_hash(same) == known and len(known) == hashes.DIGITS
    others = [{"a": a + 1e-6, "b": b}, {"a": a, "c": b}, {"a": a, "b": b.T.reshape(4)}]
    found = {hashes.weights_hash(write(tmp_path / "c.npz", **arrays)) for arrays in others}
    assert len(found | {known}) == 4


def test_a_recording_that_changes_its_split_changes_the_hash():
    known = hashes.splits_hash({"train": ["a", "b"], "test": ["c"]})
    assert hashes.splits_hash({"test": ["c"], "train": ["b", "a"]}) == known
    assert hashes.splits_hash({"train": ["a"], "test": ["b", "c"]}) != known


def test_data_count_wherever_they_lie(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "train-00000-of-00001.tfrecord").write_bytes(b"data")
        (tmp_path / name / "notes.txt").write_text(name)
    known = hashes.data_hash(tmp_path / "one")
    assert hashes.data_hash(tmp_path / "two") == known
    (tmp_path / "two" / "train-00000-of-00001.tfrecord").write_bytes(b"date")
    assert hashes.data_hash(tmp_path / "two") != known
