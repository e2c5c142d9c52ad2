"""Neighbours in a batch: of different classes, or sharing what --mismatch says."""

import numpy as np
import pytest
import tensorflow as tf

from cmgen.data import pairs, sampling


@pytest.mark.parametrize("classes", [2, 3, 13])
def test_the_class_stream_never_repeats_a_class_within_a_pair(classes):
    positions = tf.range(2 * classes * (classes - 1) * 4, dtype=tf.int64)
    label, visit = (x.numpy() for x in pairs.class_stream(positions, classes, seed=3))
    assert (label[0::2] != label[1::2]).all()
    # Over the shifts' cycle each class meets each other one equally often.
    meetings = np.zeros((classes, classes), int)
    np.add.at(meetings, (label[0::2], label[1::2]), 1)
    assert set(meetings[~np.eye(classes, dtype=bool)]) == {4}
    for name in range(classes):
        assert sorted(visit[label == name]) == list(range((label == name).sum()))


def draw_pairs(mismatch, classes=3, steps=40):
    """label, recording, start of many batches of 8 from 4 recordings a class."""
    labels = np.repeat(np.arange(classes), 4)
    table = sampling.ClassTable.of(labels, np.ones(len(labels), bool), classes)
    low, high = tf.zeros([8], tf.int64), tf.fill([8], tf.constant(999, tf.int64))
    rows = []
    for step in range(steps):
        step = tf.constant(step, tf.int64)
        label, visit = pairs.class_stream(step * 8 + tf.range(8, dtype=tf.int64), classes, 3)
        label, visit = pairs.share_pairs(label, visit, mismatch)
        recording = sampling.pick_recordings(label, visit, table, 3)
        start = sampling.pick_starts(step, low, high, 3)
        apart = pairs.keep_pairs_apart(start, recording, low, high, 200)
        rows.append(np.stack([label, recording, start, apart]))
    columns = np.concatenate(rows, axis=1)
    assert (labels[columns[1]] == columns[0]).all()
    return columns.reshape(4, -1, 2)


@pytest.mark.parametrize(
    ("mismatch", "same_class", "same_recording"),
    [("class", 0, 0), ("instrument", 1, 0), ("recording", 1, 1), ("mixed", 0.5, 0.5)],
)
def test_pairs_share_what_mismatch_says(mismatch, same_class, same_recording):
    label, recording, start, apart = draw_pairs(mismatch)
    assert (label[:, 0] == label[:, 1]).mean() == same_class
    assert (recording[:, 0] == recording[:, 1]).mean() == pytest.approx(same_recording, abs=0.03)
    assert (apart[:, 0] == start[:, 0]).all()
    shared = recording[:, 0] == recording[:, 1]
    assert (apart[~shared] == start[~shared]).all()
    way = np.abs(apart[shared, 0] - apart[shared, 1])
    assert (np.minimum(way, 1000 - way) >= 200).all()
    assert apart.min() >= 0 and apart.max() <= 999
    assert np.bincount(label[:, 0]).min() > 0.8 * len(label) / 3
    assert len(np.unique(recording)) == 12
