"""Two real processes on loopback train as one with two replicas; one is killed, and both resume."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import fixtures
import numpy as np
import pytest
from checkout import ROOT
from tiny_training import checkpointed, results

pytestmark = pytest.mark.slow

TINY = [
    "--flagfile=smoke.flags",
    "--image_size=32",
    "--batch_size=8",
    "--train_steps=18",
    "--checkpoint_steps=6",
    "--sound_encoder_train_steps=6",
    "--verifier_train_steps=6",
    "--sound_encoder_batch_size=8",
    "--sound_encoder_correspondence_instants=2",
    "--verifier_batch_size=8",
    "--nomixed_precision",
]
# The real command line in a process whose processor is two devices, or that soon stops waiting.
WRAPPED = """
from cmgen.train import __main__ as train
from cmgen.utils import cli
cli.quiet_tensorflow()
{before}
cli.run(train.main, train.GROUPS, train.FLAGS)
"""
TWO_DEVICES = """
import tensorflow as tf
halves = [tf.config.LogicalDeviceConfiguration()] * 2
tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], halves)
"""
# Waits after a step, so that whoever watches it is in time.
HELD = """
import time
from cmgen.train import callbacks
after_step = callbacks.StopOnInterrupt.after_step
def held(self, logs):
    while self.step == {step} and not self.asked:
        time.sleep(0.05)
    after_step(self, logs)
callbacks.StopOnInterrupt.after_step = held
"""
IMPATIENT = "from cmgen.train import multiworker; multiworker.START_SECONDS = 5"
SECONDS = 900  # for machines that do other things as well


def free_addresses() -> list[str]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    addresses = [f"127.0.0.1:{one.getsockname()[1]}" for one in sockets]
    for one in sockets:
        one.close()
    return addresses


def start(
    workdir: Path, data: Path, cache: Path, addresses: list[str], index: int, *flags: str,
    before: str = "",
) -> "subprocess.Popen[str]":  # fmt: skip
    task = {"type": "worker", "index": index}
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "CMGEN_CACHE": str(cache)}
    environment.pop("TF_CONFIG", None)
    if addresses:
        environment["TF_CONFIG"] = json.dumps({"cluster": {"worker": addresses}, "task": task})
    program = ["-c", WRAPPED.format(before=before)] if before else ["-m", "cmgen.train"]
    return subprocess.Popen(
        [sys.executable, *program, *TINY, f"--data={data}", f"--workdir={workdir}", *flags],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: "subprocess.Popen[str]") -> tuple[int, str, str]:
    try:
        out, err = process.communicate(timeout=SECONDS)
    finally:
        process.kill()
    return process.returncode, out, err


def train_in_two(folder: Path, data: Path, cache: Path) -> list[tuple[int, str, str]]:
    """The chief works in folder/chief; the other's folder is never made."""
    addresses = free_addresses()
    both = [
        start(folder / name, data, cache, addresses, index)
        for index, name in enumerate(("chief", "other"))
    ]
    return [finish(process) for process in both]


def start_two_up_to_a_checkpoint(
    folder: Path, data: Path, cache: Path, step: int
) -> "tuple[subprocess.Popen[str], subprocess.Popen[str], list[str]]":
    """The chief after its checkpoint of a step, the other waiting after the next; their addresses."""
    addresses = free_addresses()
    chief = start(folder / "chief", data, cache, addresses, 0)
    held = HELD.format(step=step + 1)
    other = start(folder / "other", data, cache, addresses, 1, before=held)
    deadline = time.monotonic() + SECONDS
    while not (folder / "chief" / "checkpoints" / f"ckpt-{step}.index").exists():
        assert chief.poll() is None and other.poll() is None and time.monotonic() < deadline
        time.sleep(0.05)
    return chief, other, addresses


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return fixtures.write_corpus(tmp_path_factory.mktemp("videos"))


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def mirrored(data, cache, tmp_path_factory):
    """One process with two replicas."""
    folder = tmp_path_factory.mktemp("mirrored")
    process = start(folder, data, cache, [], 0, "--strategy=mirrored", before=TWO_DEVICES)
    code, _, errors = finish(process)
    assert code == 0, errors[-3000:]
    return folder


@pytest.fixture(scope="module")
def in_two(data, cache, tmp_path_factory):
    """Two undisturbed processes: the chief's folder, and each one's exit code and output."""
    folder = tmp_path_factory.mktemp("in_two")
    return folder / "chief", train_in_two(folder, data, cache)


def assert_same_training(chief: Path, wanted: Path) -> None:
    """Two processes give the same weights, pictures and scores, bit for bit, whatever came between."""
    found = checkpointed(chief)
    for name, value in checkpointed(wanted).items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)
    found, expected = results(chief), results(wanted)
    assert found.keys() == expected.keys()
    for files in (found, expected):
        # Means begin anew where it was asked to stop, between the last two checkpoints.
        means = [line for line in files["metrics.jsonl"] if "loss/generator" in line]
        assert [line["step"] for line in means] == [6, 12, 18]
        files["metrics.jsonl"].remove(means[-1])
    assert [name for name, value in expected.items() if found[name] != value] == []


def assert_nearly_same_training(mirrored: Path, chief: Path) -> None:
    """Encoders exactly; the GAN up to float32 rounding (2e-6 was seen), for sums of other order."""
    for name in ("sound_encoder", "verifier"):
        with np.load(mirrored / f"{name}.npz") as a, np.load(chief / f"{name}.npz") as b:
            for key in a.files:
                np.testing.assert_allclose(a[key], b[key], atol=1e-5, err_msg=f"{name} {key}")
    wanted, found = checkpointed(mirrored), checkpointed(chief)
    assert wanted.keys() == found.keys()
    for name, value in wanted.items():
        np.testing.assert_allclose(found[name], value, atol=1e-4, err_msg=name)


def test_two_processes_train_as_one_with_two_replicas(mirrored, in_two):
    chief, ((code, _, errors), (other_code, other_out, other_errors)) = in_two
    assert (code, other_code) == (0, 0), errors[-3000:] + other_errors[-3000:]
    assert_nearly_same_training(mirrored, chief)
    for name in ("evaluation.json", "curve.png", "samples/000018.png", "config.json"):
        assert (chief / name).stat().st_size, name
    first, last = other_out.splitlines()
    assert first.startswith("worker 1 (127.0.0.1:") and "done" in last
    assert "examples" not in other_errors and not (chief.parent / "other").exists()


def test_one_is_killed_one_is_told_to_stop_and_both_resume(data, cache, in_two, tmp_path):
    chief, other, addresses = start_two_up_to_a_checkpoint(tmp_path, data, cache, step=6)
    other.send_signal(signal.SIGKILL)
    killed = time.monotonic()
    code, _, errors = finish(chief)
    assert time.monotonic() - killed < SECONDS / 3
    assert finish(other)[0] == -signal.SIGKILL
    assert code == 1 and "Traceback" not in errors
    last = errors.splitlines()[-1]
    assert f"worker 1 ({addresses[1]}) is gone" in last and "resumes from its last" in last
    assert not (tmp_path / "chief" / "evaluation.json").exists()

    chief, other, _ = start_two_up_to_a_checkpoint(tmp_path, data, cache, step=12)
    other.send_signal(signal.SIGTERM)
    assert [finish(process)[0] for process in (chief, other)] == [130, 130]

    resumed = train_in_two(tmp_path, data, cache)
    assert [code for code, _, _ in resumed] == [0, 0], resumed[0][2][-3000:]
    assert_same_training(tmp_path / "chief", in_two[0])


def test_a_worker_with_other_flags_is_refused(data, cache, tmp_path):
    addresses = free_addresses()
    chief = start(tmp_path / "chief", data, cache, addresses, 0)
    other = start(tmp_path / "other", data, cache, addresses, 1, "--batch_size=12")
    code, _, errors = finish(other)
    assert code == 2 and "batch_size is 12 here and 8 on the chief" in errors
    code, _, errors = finish(chief)
    assert code == 1 and "Traceback" not in errors and "is gone" in errors


def test_nobody_waits_for_ever_for_a_worker_that_never_comes(data, cache, tmp_path):
    addresses = free_addresses()
    for index, missing in ((0, 1), (1, 0)):
        process = start(tmp_path / "run", data, cache, addresses, index, before=IMPATIENT)
        code, _, errors = finish(process)
        assert code == 1 and "Traceback" not in errors
        assert f"did not meet within 5 s; no answer from {'chief, ' * (not missing)}" in errors
        assert addresses[missing] in errors
    assert not (tmp_path / "run").exists()


def test_a_port_that_is_taken_is_named(data, cache, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        addresses = [f"127.0.0.1:{taken.getsockname()[1]}", "127.0.0.1:1"]
        code, _, errors = finish(start(tmp_path / "run", data, cache, addresses, 0))
    port = addresses[0].partition(":")[2]
    assert code == 1 and f"port {port} of chief" in errors
