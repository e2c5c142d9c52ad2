"""Untrained runs exported: signatures, tensors and operations, and the same targets by every way.

TensorFlow 2.16 and 2.21 give the same operations, so one list holds for both.
"""

import numpy as np
import pytest
import subject

STORED = subject.stored("exports")


@pytest.mark.parametrize("task", ["s2i", "i2s"])
def test_signatures_and_operations_stay(task: str) -> None:
    promised, _ = subject.exported(task)
    assert promised == STORED[task]


@pytest.mark.parametrize("task", ["s2i", "i2s"])
def test_targets_are_the_same_by_every_way(task: str) -> None:
    _, targets = subject.exported(task)
    for way in ("saved_model", "onnx"):
        np.testing.assert_allclose(targets[way], targets["eager"], atol=1e-4, err_msg=way)
