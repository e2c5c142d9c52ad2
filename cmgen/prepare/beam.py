"""`prepare` as an Apache Beam pipeline, on any runner (extra [beam]).

Planning, reading and writing are the same; Beam decides where a shard is made. Only names pass
through it: workers take one shard a line from the file of the plan, and a last file holds the
results of the shards, with the marks of their recordings.
"""

import dataclasses
import io
import json
import logging
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr
from pathlib import Path
from typing import Any

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.runner import PipelineState
from tqdm import tqdm

from cmgen.data.recording import ReadOptions
from cmgen.data.shards import INFO_FILE, DatasetInfo, info_text
from cmgen.prepare import leaks, storage
from cmgen.prepare.listing import is_address
from cmgen.prepare.local import (
    LEFT_OUT_FILE,
    SET_ASIDE_FILE,
    ShardResult,
    left_out_text,
    make_shard,
    set_aside_text,
    summarise,
    versions,
)
from cmgen.prepare.plan import Plan, PrepareConfig, ShardPlan, make_plan
from cmgen.prepare.reading import ReadResult, processors, read_item
from cmgen.prepare.sources import item_from_json, item_to_json, recognise
from cmgen.utils.errors import FAILED_WORK, UserError
from cmgen.utils.typed_json import build

DIRECT = "DirectRunner"
RUNNERS = (DIRECT, "FlinkRunner", "DataflowRunner", "SparkRunner")
_PLAN_FILE, _RESULTS_FILE = "plan.jsonl", "results.jsonl"
_FETCH_TRIES = 3


def prepare_with_beam(
    source_folder: str, output: str, config: PrepareConfig, runner: str, options: Sequence[str] = ()
) -> DatasetInfo:
    """Does what `prepare` does by Beam; files that can't be read are always set aside.

    Args:
      source_folder: a path or an address, such as gs://bucket/videos.
      output: path or address of a new or empty folder; dataset.json, without which cmgen doesn't
        read it, is written last.
      config: settings; `workers` applies to DirectRunner alone.
      runner: one of RUNNERS.
      options: of the runner, such as "project=mine".
    """
    config.validate()
    settings = make_options(runner, options, config.workers)
    plan = plan_anywhere(source_folder, config)
    with storage.new_folder(_plain(output)) as folder:
        if not is_address(plan.source.path):
            leaks.check_files(plan.items, Path(plan.source.path), config.read_options)
        storage.write_text(f"{folder}/{_PLAN_FILE}", _plan_text(plan))
        with _progress(plan, folder), _explained(runner):
            _run(plan, folder, runner, settings)
        results = _take_results(plan, folder)
        info = summarise(plan, results)
        if info.set_aside:
            storage.write_text(f"{folder}/{SET_ASIDE_FILE}", set_aside_text(results))
        if info.left_out:
            storage.write_text(f"{folder}/{LEFT_OUT_FILE}", left_out_text(plan.source))
        storage.write_text(f"{folder}/{INFO_FILE}", info_text(info))
    return info


def plan_anywhere(source_folder: str, config: PrepareConfig) -> Plan:
    """Returns the plan of a raw folder, given by its path or address."""
    return make_plan(recognise(storage.list_anywhere(_plain(source_folder))), config)


def make_options(runner: str, options: Sequence[str], workers: int) -> PipelineOptions:
    """Makes Beam's options of "name=value" and "name"; refuses what Beam doesn't know.

    Args:
      runner: one of RUNNERS.
      options: as given by the user.
      workers: processes of DirectRunner, 0 for one per processor.
    """
    arguments = []
    if runner == DIRECT:
        count = workers or processors()
        mode = "multi_processing" if count > 1 else "in_memory"
        arguments += [f"--direct_num_workers={count}", f"--direct_running_mode={mode}"]
        # Without triggers, its only effect is that Beam doesn't try to download Prism first.
        arguments += ["--allow_unsafe_triggers", "--default_sdk_harness_log_level=ERROR"]
    elif workers:
        raise UserError(
            f"--workers={workers}: holds for {DIRECT} alone; tell {runner} by --beam_option"
        )
    arguments += [f"--{option.lstrip('-')}" for option in options]
    names = {option.lstrip("-").partition("=")[0] for option in options}
    if "runner" in names:
        raise UserError("--beam_option=runner: is chosen by --runner")
    messages = io.StringIO()
    try:
        with redirect_stderr(messages):
            parsed = PipelineOptions(arguments)
            given = parsed.get_all_options(drop_default=True, retain_unknown_options=True)
    except SystemExit as error:
        reason = messages.getvalue().strip().rpartition("error: ")[2]
        raise UserError(f"--beam_option: {reason}") from error
    unknown = sorted(set(given) - set(PipelineOptions([]).get_all_options()))
    if unknown:
        raise UserError(
            f"--beam_option={unknown[0]}: Beam has no such option; see "
            "https://beam.apache.org/documentation/runners/ for those of each runner"
        )
    return parsed


class WriteShard(beam.DoFn):
    """Line of the plan -> shard in the folder, and a line with its result.

    Args:
      source: the raw folder.
      folder: of the shards.
      options: how to read items.
      required: versions on the machine that started the pipeline, on which the bytes depend.
    """

    def __init__(self, source: str, folder: str, options: ReadOptions, required: Mapping[str, str]):
        self._source, self._folder, self._options = source, folder, options
        self._required = dict(required)

    def setup(self) -> None:
        if versions() != self._required:
            raise UserError(
                f"this worker has {versions()}, but the pipeline was started with {self._required}; "
                "install the same versions on both"
            )

    def process(self, element: str) -> Iterator[str]:
        shard = _shard_from_json(json.loads(element))
        with storage.scratch(self._folder) as folder:
            path = folder / shard.name
            result = make_shard(shard, path, self._reads(shard))
            if result.sizes.recordings:
                storage.store(path, f"{self._folder}/{shard.name}")
        yield json.dumps(dataclasses.asdict(result))

    def _reads(self, shard: ShardPlan) -> Iterator[ReadResult]:
        for item in shard.items:
            if not is_address(self._source):
                yield read_item(item, Path(self._source), self._options, skip=True)
                continue
            with storage.scratch() as copy:
                error = _fetch(self._source, item.files, copy)
                if error:
                    yield [], [], error
                    continue
                recordings, notes, error = read_item(item, copy, self._options, skip=True)
                yield (
                    recordings,
                    [note.replace(str(copy), self._source) for note in notes],
                    error and error.replace(str(copy), self._source),
                )


def _run(plan: Plan, folder: str, runner: str, options: PipelineOptions) -> None:
    write = WriteShard(plan.source.path, folder, plan.config.read_options, versions())
    pipeline = beam.Pipeline(runner, options)
    _ = (
        pipeline
        | "Plan" >> beam.io.ReadFromText(f"{folder}/{_PLAN_FILE}")
        | "Spread" >> beam.Reshuffle()
        | "Write" >> beam.ParDo(write)
        | "Gather" >> beam.combiners.ToList()
        | "Save" >> beam.Map(_save_results, f"{folder}/{_RESULTS_FILE}")
    )
    if runner == DIRECT:
        logging.getLogger("apache_beam").setLevel(logging.ERROR)  # repeats what its workers log
    state = pipeline.run().wait_until_finish()
    if state not in (PipelineState.DONE, None):
        raise UserError(
            f"--runner={runner}: the pipeline ended as {state}; see its log", FAILED_WORK
        )


def _save_results(lines: Sequence[str], path: str) -> None:
    storage.write_text(path, "\n".join(lines))


def _take_results(plan: Plan, folder: str) -> list[ShardResult]:
    """Returns the results of the shards in the plan's order; removes the pipeline's own files."""
    lines = storage.take_text(f"{folder}/{_RESULTS_FILE}").splitlines()
    storage.take_text(f"{folder}/{_PLAN_FILE}")
    results = [build(ShardResult, json.loads(line), _RESULTS_FILE) for line in lines]
    by_name = {result.name: result for result in results}
    return [by_name[shard.name] for shard in plan.shards]


def _plan_text(plan: Plan) -> str:
    lines = []
    for shard in plan.shards:
        items = [item_to_json(item) for item in shard.items]
        lines.append(json.dumps({**vars(shard), "items": items}))
    return "".join(f"{line}\n" for line in lines)


def _shard_from_json(values: dict[str, Any]) -> ShardPlan:
    return ShardPlan(**{**values, "items": [item_from_json(item) for item in values["items"]]})


def _fetch(source: str, files: Sequence[str], copy: Path) -> str | None:
    """Copies files here, retrying a few times; returns the message of an error if that failed."""
    for attempt in range(_FETCH_TRIES):
        try:
            storage.fetch(source, files, copy)
            return None
        except UserError:
            raise  # the disk is full
        except Exception as error:
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            if attempt + 1 < _FETCH_TRIES:
                time.sleep(2**attempt)
    return f"{source}/{files[0]}: cannot be fetched ({reason}); check that it may be read"


@contextmanager
def _progress(plan: Plan, folder: str) -> Iterator[None]:
    """Shows a bar of the items whose shards are in the folder, whatever the runner."""
    items = {shard.name: len(shard.items) for shard in plan.shards}
    stop = threading.Event()
    bar = tqdm(total=sum(items.values()), unit="recording", desc="preparing", leave=False)

    def watch() -> None:
        while not stop.wait(10 if is_address(folder) else 1):
            try:
                done = storage.names(folder, "*.tfrecord") & items.keys()
            except UserError:
                continue
            bar.update(sum(items[name] for name in done) - bar.n)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        stop.set()
        watcher.join()
        bar.close()


@contextmanager
def _explained(runner: str) -> Iterator[None]:
    """Turns errors of Beam and its runners into one line."""
    try:
        yield
    except UserError:
        raise
    except ImportError as error:
        raise UserError(
            f"--runner={runner}: needs more packages ({error}); for Dataflow: "
            "pip install 'apache-beam[gcp]'"
        ) from error
    except Exception as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        reason = lines[-1] if lines else type(error).__name__
        raise UserError(f"--runner={runner}: the pipeline failed: {reason}", FAILED_WORK) from error


def _plain(path: str) -> str:
    """Strips a final slash; makes local paths absolute, since workers run anywhere."""
    return path.rstrip("/") if is_address(path) else str(Path(path).expanduser().absolute())
