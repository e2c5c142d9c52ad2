"""TF_CONFIG is read, or refused with the remedy, before TensorFlow is imported."""

import json
import socket

import pytest
from checkout import RunMain

from cmgen.train import tf_config as cluster
from cmgen.utils.errors import UserError

PAIR = ["host0:2222", "host1:2223"]


def tf_config(jobs, task) -> str:
    return json.dumps({"cluster": jobs, "task": task})


def worker(index) -> dict:
    return {"type": "worker", "index": index}


@pytest.mark.parametrize(
    ("text", "addresses", "index"),
    [
        (tf_config({"worker": PAIR}, worker(0)), ("host0:2222", "host1:2223"), 0),
        (tf_config({"worker": PAIR}, worker("1")), ("host0:2222", "host1:2223"), 1),
        (
            tf_config({"worker": PAIR, "chief": ["[::1]:1"]}, worker(1)),
            ("[::1]:1", "host0:2222", "host1:2223"),
            2,
        ),
        (
            tf_config({"worker": PAIR[:1], "chief": ["h:1"]}, {"type": "chief", "index": 0}),
            ("h:1", "host0:2222"),
            0,
        ),
    ],
)
@pytest.mark.parametrize("strategy", ["auto", "multiworker"])
def test_a_cluster_is_read_with_its_chief_first(monkeypatch, strategy, text, addresses, index):
    monkeypatch.setenv("TF_CONFIG", text)
    assert cluster.read(strategy) == cluster.Cluster(addresses, index)


@pytest.mark.parametrize(
    ("strategy", "text"),
    [
        ("auto", ""),
        ("auto", "{}"),
        ("auto", tf_config({"worker": PAIR[:1]}, worker(0))),
        ("multiworker", tf_config({"worker": PAIR[:1]}, worker(0))),
        ("mirrored", tf_config({"worker": PAIR}, worker(0))),
        ("default", "not JSON"),
    ],
)
def test_one_machine_trains_alone(monkeypatch, strategy, text):
    monkeypatch.setenv("TF_CONFIG", text)
    assert cluster.read(strategy) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not JSON"),
        ("[1]", "has no cluster"),
        (
            tf_config({"worker": "host0:2222"}, worker(0)),
            "no list of addresses for the job 'worker'",
        ),
        (tf_config({"worker": [*PAIR, "host2"]}, worker(0)), "'host2', which is no host:port"),
        (tf_config({"worker": ["h:0", "h:1"]}, worker(0)), "'h:0', which is no host:port"),
        (tf_config({"worker": [PAIR[0]] * 2}, worker(0)), "host0:2222 twice"),
        (tf_config({"worker": PAIR, "ps": ["h:1"]}, worker(0)), "the job 'ps'"),
        (tf_config({"worker": PAIR, "chief": ["a:1", "b:1"]}, worker(0)), "2 chiefs"),
        (json.dumps({"cluster": {"worker": PAIR}}), "no task with type and index"),
        (tf_config({"worker": PAIR}, {"type": "chief", "index": 0}), "the task type 'chief'"),
        (tf_config({"worker": PAIR}, worker(2)), "the task index 2; worker has 0 to 1"),
        (tf_config({"worker": PAIR}, worker(True)), "the task index True"),
    ],
)
@pytest.mark.parametrize("strategy", ["auto", "multiworker"])
def test_a_malformed_cluster_is_refused(monkeypatch, strategy, text, message):
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(UserError, match=message) as caught:
        cluster.read(strategy)
    assert "--strategy=mirrored" in str(caught.value)


def test_multiworker_without_tf_config_ends_in_one_line(monkeypatch, run_main: RunMain):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    ran = run_main("cmgen.train", "--strategy=multiworker")
    assert ran.returncode == 2
    assert ran.stderr.startswith("cmgen.train: error: --strategy=multiworker: needs TF_CONFIG")
    assert ran.stderr.count("\n") == 1 and not ran.stdout


def test_only_those_who_take_no_connection_are_silent():
    with socket.create_server(("127.0.0.1", 0)) as there, socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # bound, so that no other process takes it, and not listening
        ports = [there.getsockname()[1], closed.getsockname()[1]]
        three = cluster.Cluster(("nowhere:1", *(f"127.0.0.1:{port}" for port in ports)), 0)
        assert three.silent() == [f"worker 2 (127.0.0.1:{ports[1]})"]
