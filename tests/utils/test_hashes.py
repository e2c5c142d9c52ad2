"""Hashes change with what they are of, and with nothing else."""

import hashlib

import numpy as np
import pytest

from cmgen.utils import hashes


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


def test_other_windows_change_the_hash():
    def of(split="test", groups="aab", frames=(0, 1, 0), sounding=(True, True, False)):
        columns = np.array(list(groups)), np.array(frames), np.array(sounding)
        return hashes.windows_hash({split: columns})

    others = [of(split="train"), of(groups="abb"), of(frames=(0, 2, 0)), of(sounding=(True,) * 3)]
    assert len({of(), *others}) == 5 and of() == of() and len(of()) == hashes.DIGITS


@pytest.mark.parametrize("size", [0, 5, 1 << 20, (1 << 20) + 1])
def test_files_of_any_length_count_whole(tmp_path, size):
    data = bytes(size)
    (tmp_path / "a").write_bytes(data)
    assert hashes.file_hash(tmp_path / "a") == hashlib.sha256(data).hexdigest()


def test_data_count_by_names_and_checksums_in_any_order():
    known = hashes.data_hash({"train-0": "a" * 64, "test-0": "b" * 64})
    assert len(known) == hashes.DIGITS
    assert hashes.data_hash({"test-0": "b" * 64, "train-0": "a" * 64}) == known
    for other in ({"train-0": "a" * 64}, {"train-0": "b" * 64, "test-0": "a" * 64}):
        assert hashes.data_hash(other) != known
