"""Figures have the marks where they belong."""

import numpy as np

from cmgen.media import charts


def test_rows_hold_the_pictures_as_they_are():
    rows = {"one": np.full((3, 8, 8, 3), 10, np.uint8), "two": np.full((3, 8, 8, 3), 200, np.uint8)}
    sheet = charts.draw_rows(rows, "Pairs")
    assert sheet.dtype == np.uint8
    for value in (10, 200):
        assert (sheet == value).all(axis=-1).sum() >= 3 * 64


def test_a_curve_shows_its_points_and_moments():
    strip = np.full((16, 120, 3), (1, 2, 3), np.uint8)
    lines = {"train": [0.0, 0.5, 1.0], "test": [0.2, 0.2, 0.2]}
    sheet = charts.draw_curve([100, 200, 400], lines, "Accuracy", 200, {200: strip})
    assert (sheet == (1, 2, 3)).all(axis=-1).sum() == 16 * 120
    top, left = 40, 60
    for x, y, line in ((100, 0.0, 0), (200, 0.5, 0), (400, 1.0, 0), (400, 0.2, 1)):
        row, column = top + charts.PLOT[1] * (1 - y), left + charts.PLOT[0] * x / 400
        assert tuple(sheet[round(row), round(column)]) == charts.LINES[line]


def test_one_checkpoint_makes_a_curve():
    assert charts.draw_curve([5], {"train": [0.3]}, "Accuracy").shape[2] == 3
