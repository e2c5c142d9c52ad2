"""The machines that train one run together, as TF_CONFIG lists them. No TensorFlow here."""

import json
import os
import socket
from dataclasses import dataclass
from typing import Any

from cmgen.utils.errors import UserError

VARIABLE = "TF_CONFIG"
EXAMPLE = (
    '{"cluster": {"worker": ["host0:2222", "host1:2222"]}, "task": {"type": "worker", "index": 0}}'
)
PROBE_SECONDS = 2.0


@dataclass(frozen=True)
class Cluster:
    """All workers of a run, and which of them this process is.

    Attributes:
      addresses: "host:port" of each worker, the chief's first.
      index: of this process among them; 0 is the chief.
    """

    addresses: tuple[str, ...]
    index: int

    def name(self, index: int) -> str:
        """A worker as messages call it."""
        role = "chief, worker" if index == 0 else "worker"
        return f"{role} {index} ({self.addresses[index]})"

    def silent(self) -> list[str]:
        """Names of the other workers whose address accepts no connection."""
        others = [i for i in range(len(self.addresses)) if i != self.index]
        return [self.name(i) for i in others if not _answers(self.addresses[i])]


def read(strategy: str) -> Cluster | None:
    """The cluster that TF_CONFIG describes; None if this process trains alone.

    Args:
      strategy: --strategy; only auto and multiworker look at TF_CONFIG.

    Raises:
      UserError: TF_CONFIG is malformed, or multiworker lacks it.
    """
    text = os.environ.get(VARIABLE, "").strip()
    if strategy not in ("auto", "multiworker"):
        return None
    if not text:
        if strategy == "multiworker":
            raise UserError(
                f"--strategy=multiworker: needs {VARIABLE} in the environment, which lists all "
                f"workers and this one: {EXAMPLE}"
            )
        return None
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _malformed(f"is not JSON ({error})") from error
    jobs: Any = values.get("cluster") if isinstance(values, dict) else None
    if strategy == "auto" and isinstance(values, dict) and not jobs:
        return None  # some platforms set this for a job on one machine
    addresses = _addresses(jobs)
    cluster = Cluster(addresses, _index(values.get("task"), jobs))
    return cluster if len(addresses) > 1 else None


def _addresses(jobs: Any) -> tuple[str, ...]:
    """The chief, if it is listed apart, then the workers."""
    if not isinstance(jobs, dict) or not jobs:
        raise _malformed("has no cluster")
    extra = sorted(set(jobs) - {"chief", "worker"})
    if extra:
        raise _malformed(f"has the job {extra[0]!r}; only chief and worker train here")
    for job, members in jobs.items():
        if not isinstance(members, list) or not members:
            raise _malformed(f"has no list of addresses for the job {job!r}")
        bad = [member for member in members if not _is_address(member)]
        if bad:
            raise _malformed(f"has the {job} {bad[0]!r}, which is no host:port")
    if len(jobs.get("chief", [])) > 1:
        raise _malformed(f"has {len(jobs['chief'])} chiefs; there can be one")
    addresses = (*jobs.get("chief", []), *jobs.get("worker", []))
    twice = [address for address in addresses if addresses.count(address) > 1]
    if twice:
        raise _malformed(f"has the address {twice[0]} twice")
    return addresses


def _index(task: Any, jobs: dict[str, list[str]]) -> int:
    if not isinstance(task, dict) or "type" not in task or "index" not in task:
        raise _malformed("has no task with type and index, which say who this worker is")
    job, index = task["type"], task["index"]
    if not isinstance(job, str) or job not in jobs:
        raise _malformed(f"has the task type {job!r}, which its cluster lacks")
    # Some launchers write the index as text.
    number = int(index) if isinstance(index, str) and index.isdecimal() else index
    if type(number) is not int or not 0 <= number < len(jobs[job]):
        raise _malformed(f"has the task index {index!r}; {job} has 0 to {len(jobs[job]) - 1}")
    return number + (len(jobs.get("chief", [])) if job == "worker" else 0)


def _is_address(member: Any) -> bool:
    host, _, port = member.rpartition(":") if isinstance(member, str) else ("", "", "")
    return bool(host) and port.isdecimal() and 0 < int(port) < 65536


def _malformed(what: str) -> UserError:
    return UserError(
        f"{VARIABLE} {what}; write it like {EXAMPLE}, or give --strategy=mirrored to train on this "
        "machine alone"
    )


def _answers(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=PROBE_SECONDS):
            return True
    except OSError:
        return False
