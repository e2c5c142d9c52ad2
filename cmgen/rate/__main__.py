"""The paper's human evaluation: people look at a picture, hear the sound it was made from, and give
it 0 to 3 points on a web page, without knowing whether it is real or which run made it.

Examples:
  python -m cmgen.rate collect --output=study --run=S2I-C=runs/s2i --run=S2I-N=runs/s2i_n
  python -m cmgen.rate serve --study=study
  python -m cmgen.rate report --study=study
"""

import re
from collections.abc import Sequence
from pathlib import Path

from absl import flags

from cmgen.config import data_folder
from cmgen.rate.study import MANIFEST, PICTURES, SOUNDS
from cmgen.utils import cli
from cmgen.utils.errors import UserError
from cmgen.utils.paths import keep_inputs
from cmgen.utils.web.flags import PAGE_FLAGS, define_page_flags, read_access

PASSWORD_VARIABLE = "CMGEN_RATING_PASSWORD"  # its name  # nosec B105

COLLECT = flags.FlagValues()
flags.DEFINE_string("output", None, "New folder for the study.", flag_values=COLLECT)
flags.DEFINE_multi_string(
    "run", [], "NAME=FOLDER of a trained run to rate; give one or several.", flag_values=COLLECT
)
flags.DEFINE_integer(
    "per_class",
    10,
    "Test windows of each instrument; each gives one picture a source. The paper has 30.",
    lower_bound=1,
    flag_values=COLLECT,
)
flags.DEFINE_float(
    "sound_seconds",
    2.0,
    "Length of the sounds that raters hear, around the half second that the run heard.",
    lower_bound=0.5,
    upper_bound=30.0,
    flag_values=COLLECT,
)
flags.DEFINE_string(
    "data", None, "Other data of the same classes; the runs' own if left out.", flag_values=COLLECT
)
flags.DEFINE_integer(
    "seed", 1, "Of the windows, the noise and the raters' orders.", flag_values=COLLECT
)

SERVE = flags.FlagValues()
define_page_flags(SERVE, 8765, PASSWORD_VARIABLE)
flags.DEFINE_integer(
    "per_rater", 0, "Pictures for each rater; 0: all.", lower_bound=0, flag_values=SERVE
)

REPORT = flags.FlagValues()
flags.DEFINE_string(
    "output",
    None,
    "The Markdown file; the chart is a .png of its name. report.md in the study if left out.",
    flag_values=REPORT,
)
for command_flags in (SERVE, REPORT):
    flags.DEFINE_string("study", "study", "Folder of the study.", flag_values=command_flags)
    flags.DEFINE_string(
        "database",
        None,
        "SQLAlchemy URL of the votes; votes.db in the study if left out.",
        flag_values=command_flags,
    )


def collect() -> None:
    """Draws test windows and writes the pictures and sounds of a study.

    Windows in which something sounds are drawn from test recordings, the same number of each
    instrument. Each gives a picture of every source: the real one, and what each run makes of it.

    Examples:
      python -m cmgen.rate collect --output=study --run=S2I-C=runs/s2i --per_class=30
    """
    if not COLLECT.output:
        raise UserError("--output: missing; name a new folder")
    workdirs = _workdirs(COLLECT.run)
    for workdir in workdirs.values():
        keep_inputs({"output": COLLECT.output}, {"run": workdir})
    keep_inputs({"output": COLLECT.output}, {}, {"data": data_folder(COLLECT.data)})
    # TensorFlow is imported only when the work starts.
    from cmgen.rate.collect import CollectConfig, collect

    config = CollectConfig(COLLECT.per_class, COLLECT.sound_seconds, COLLECT.seed, COLLECT.data)
    output = Path(COLLECT.output)
    manifest = collect(output, workdirs, config)
    print(
        f"{output}: {len(manifest.items)} pictures ({', '.join(manifest.sources)}) of "
        f"{len(manifest.windows)} sounds"
    )


def serve() -> None:
    """Serves the page on which people rate; stop it with Ctrl-C.

    Votes are kept at once; a rater goes on where they stopped. The page is for this computer
    alone unless --host, --allow_remote and a password let others in. Passwords and votes then
    travel unencrypted: put a proxy that speaks HTTPS before it where the network isn't your own.

    Examples:
      python -m cmgen.rate serve --study=study
      python -m cmgen.rate serve --host=0.0.0.0 --allow_remote --password_file=password.txt
    """
    _keep_study(SERVE, {"database": _database_file(SERVE)}, {"password_file": SERVE.password_file})
    allowed = read_access(SERVE, PASSWORD_VARIABLE)
    with cli.extra("rating"):
        from cmgen.rate import app, store, study
        from cmgen.utils.web import server

    served = study.read_study(Path(SERVE.study))
    with store.Store(_database(SERVE), served.id) as votes:
        server.serve(
            app.create_app(served, votes, allowed, SERVE.per_rater),
            allowed,
            SERVE.host,
            SERVE.port,
            "stop with Ctrl-C; votes are kept at once",
            app.THREADS,
            app.MAX_CONNECTIONS,
            app.MAX_REQUEST_BYTES,
        )


def report() -> None:
    """Counts the votes: scores, means, intervals and agreement, as a table and a chart.

    Examples:
      python -m cmgen.rate report --study=study --output=human.md
    """
    folder = Path(REPORT.study)
    output = Path(REPORT.output) if REPORT.output else folder / "report.md"
    if output.suffix != ".md":
        raise UserError(f"--output={output}: must end in .md")
    for file in (output, output.with_suffix(".png")):
        _keep_study(REPORT, {"output": file}, {"database": _database_file(REPORT)})
    with cli.extra("rating"):
        from cmgen.rate import results, store, study

    id_, manifest = study.read_manifest(folder)
    with store.Store(_database(REPORT), id_, must_exist=True) as votes:
        print(results.write_report(manifest, votes.all_votes(), output))
    print(f"\n{output}, {output.with_suffix('.png')}")


COMMANDS = {
    "collect": cli.Command(
        collect,
        {"What": ("run", "data", "per_class", "sound_seconds", "seed"), "Result": ("output",)},
        COLLECT,
    ),
    "serve": cli.Command(
        serve,
        {"What": ("study", "database", "per_rater"), "Where": PAGE_FLAGS},
        SERVE,
    ),
    "report": cli.Command(report, {"What": ("study", "database"), "Result": ("output",)}, REPORT),
}


def _workdirs(arguments: Sequence[str]) -> dict[str, Path]:
    """NAME=FOLDER, ... -> name -> folder."""
    if not arguments:
        raise UserError("--run: missing; name a run, e.g. --run=S2I-C=runs/s2i")
    workdirs: dict[str, Path] = {}
    for argument in arguments:
        name, _, folder = argument.partition("=")
        if not name or not folder:
            raise UserError(f"--run={argument}: write NAME=FOLDER, e.g. --run=S2I-C=runs/s2i")
        if name in workdirs:
            raise UserError(f"--run={argument}: {name!r} is given twice; rename one")
        workdirs[name] = Path(folder)
    return workdirs


def _keep_study(
    flag_values: flags.FlagValues, outputs: dict[str, Path], inputs: dict[str, Path]
) -> None:
    """Refuses outputs that would replace files of the study, or other inputs."""
    study = Path(flag_values.study)
    keep_inputs(outputs, {"study": study / MANIFEST, **inputs})
    for folder in (PICTURES, SOUNDS):
        keep_inputs(outputs, {}, {"study": study / folder})


def _database_file(flag_values: flags.FlagValues) -> Path:
    """The file of votes; of another database than SQLite's, a name that no file has."""
    database = str(_database(flag_values))
    return Path(re.sub(r"^sqlite(\+\w+)?:///", "", database).partition("?")[0])


def _database(flag_values: flags.FlagValues) -> str | Path:
    return flag_values.database or Path(flag_values.study) / "votes.db"


def console() -> None:
    cli.run_commands(COMMANDS)


if __name__ == "__main__":
    console()
