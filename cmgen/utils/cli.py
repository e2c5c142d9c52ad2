"""Shared by the mains: presets, grouped --help, and errors that users can act on. No TensorFlow.

A main defines its flags in a FlagValues of its own, so that tests can import several mains, and
ends with a function for the console script:

    FLAGS = flags.FlagValues()
    flags.DEFINE_string("workdir", "runs/s2i", "The run's folder.", flag_values=FLAGS)

    def main() -> None:
        from cmgen.train import run  # TensorFlow is imported only when the work starts
        ...

    def console() -> None:
        cli.run(main, {"Run": ("workdir",)}, FLAGS)

    if __name__ == "__main__":
        console()

The main's module docstring is its manual: the first paragraph heads --help, the rest (examples)
ends it. A main with several commands has a `Command` for each and ends with `cli.run_commands`.
"""

import importlib.abc
import importlib.util
import inspect
import os
import shutil
import sys
import tempfile
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import resources
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import NoReturn

from absl import flags

from cmgen.utils.errors import BAD_INPUT, FAILED_WORK, UserError, disk_is_full
from cmgen.utils.values import check_value

PRESETS = Path(str(resources.files("cmgen"))) / "presets"
HELP = {"--help", "-help", "-h", "--helpshort"}
FULL_HELP = {"--helpfull", "-helpfull"}
IF_EMPTY = "if empty"  # in the help of a flag whose empty value has a meaning
_MULTI_FLAG_HINT = ";\n    repeat this option to specify a list of values"  # absl appends it
INTERRUPTED = 130  # what shells report for a program that Ctrl-C ended: 128 + SIGINT

FlagGroups = Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Command:
    """A command of a main, with flags of its own: `cmgen.rate serve --port=80`.

    Attributes:
      work: called once the flags are parsed; its docstring is the command's manual.
      groups: heading -> names of the flags that --help shows under it, in this order.
      flag_values: defines the command's flags.
    """

    work: Callable[[], None]
    groups: FlagGroups
    flag_values: flags.FlagValues


def run(
    main: Callable[[], None],
    groups: FlagGroups,
    flag_values: flags.FlagValues,
    argv: Sequence[str] | None = None,
) -> NoReturn:
    """Parses the flags, calls main() and exits; the whole program of every main.

    Args:
      main: the work, called once `flag_values` is parsed.
      groups: heading -> names of the flags that --help shows under it, in this order.
      flag_values: defines the main's flags.
      argv: the command line with the program's name first; sys.argv if None.
    """
    quiet_tensorflow()
    arguments = list(sys.argv if argv is None else argv)
    program = _program_name(main)
    manual, command = _manual(main), Command(main, groups, flag_values)
    sys.exit(_exit_code(program, lambda: _start(program, command, manual, arguments)))


def run_commands(commands: Mapping[str, Command], argv: Sequence[str] | None = None) -> NoReturn:
    """Like `run`, for a main whose first argument is the name of a command.

    Args:
      commands: name -> command, as --help lists them.
      argv: the command line with the program's name first; sys.argv if None.
    """
    quiet_tensorflow()
    arguments = list(sys.argv if argv is None else argv)
    first = next(iter(commands.values()))
    program, manual = _program_name(first.work), _manual(first.work)
    name = arguments[1] if len(arguments) > 1 else ""
    if name in commands:
        program, command = f"{program} {name}", commands[name]
        rest = [arguments[0], *arguments[2:]]
        manual = inspect.cleandoc(command.work.__doc__ or "")
        sys.exit(_exit_code(program, lambda: _start(program, command, manual, rest)))
    sys.exit(_exit_code(program, lambda: _list_commands(program, commands, manual, name)))


@contextmanager
def extra(name: str) -> Iterator[None]:
    """Wraps imports of packages that the extra `name` installs; an error says how to install it."""
    try:
        yield
    except ModuleNotFoundError as error:
        package = str(error.name).partition(".")[0]
        if package == "cmgen":
            raise
        raise UserError(
            f"the package {package!r} is missing; in a checkout of cmgen: "
            f'pip install -c requirements.lock -e ".[{name}]"'
        ) from error


def quiet_tensorflow() -> None:
    """Hides TensorFlow's messages unless the user wants them, and keeps user-wide settings of Keras out.

    Call it before either is imported.
    """
    # 3 leaves only fatal messages: version 2.16 logs harmless CUDA registration notes as errors,
    # and real failures reach Python as exceptions.
    if os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3") == "3":
        sys.meta_path.insert(0, _QuietImport())
    # Keras would otherwise follow the user's ~/.keras/keras.json, or write one; nothing is in a device.
    os.environ["KERAS_HOME"] = os.devnull
    os.environ["KERAS_BACKEND"] = "tensorflow"
    for limit in ("KERAS_MAX_EPOCHS", "KERAS_MAX_STEPS_PER_EPOCH"):
        os.environ.pop(limit, None)


class _QuietImport(importlib.abc.MetaPathFinder):
    """Keeps back what TensorFlow's libraries write while they load, which 2.21 does at any log level."""

    def find_spec(self, name: str, path: object, target: object = None) -> ModuleSpec | None:
        if name != "tensorflow":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec and spec.loader:
            load = spec.loader.exec_module
            spec.loader.exec_module = lambda module: _load_quietly(load, module)  # type: ignore[method-assign]
        return spec


def _load_quietly(load: Callable[[ModuleType], None], module: ModuleType) -> None:
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as messages:
        os.dup2(messages.fileno(), 2)
        try:
            load(module)
        except BaseException:
            messages.seek(0)
            os.write(stderr, messages.read())
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)


def parse(flag_values: flags.FlagValues, argv: Sequence[str]) -> None:
    """Sets `flag_values` from argv (program name first), with flag files and presets expanded.

    Refuses values that suit no flag: see `values.check_value`.
    """
    rest = flag_values([argv[0], *expand_flagfiles(argv[1:])])
    if len(rest) > 1:
        raise UserError(f"unexpected argument {rest[1]!r}: everything is set by --name=value flags")
    for name in flag_values:
        flag = flag_values[name]
        if not flag.using_default_value:
            check_value(name, flag.value, IF_EMPTY in (flag.help or ""))


def expand_flagfiles(
    arguments: Sequence[str], folder: Path | None = None, including: tuple[Path, ...] = ()
) -> list[str]:
    """Replaces each --flagfile=NAME by the flags in that file, in place: the last flag wins.

    Args:
      arguments: command-line arguments or the lines of a flag file.
      folder: searched first; that of the flag file which holds `arguments`.
      including: flag files being read, to refuse circles.
    """
    expanded: list[str] = []
    pending = iter(arguments)
    for argument in pending:
        if argument == "--":
            return [*expanded, argument, *pending]
        name = _flagfile_name(argument, pending)
        if name is None:
            expanded.append(argument)
            continue
        path = _find_flagfile(name, folder)
        if path in including:
            raise UserError(f"--flagfile={name}: {path} includes itself; remove the circle")
        expanded += expand_flagfiles(_read_flagfile(path), path.parent, (*including, path))
    return expanded


def flag_names(arguments: Sequence[str]) -> set[str]:
    """Returns the names of the flags among arguments; flag files are not opened."""
    return {a.lstrip("-").partition("=")[0] for a in arguments if a.startswith("-")}


def preset_names() -> list[str]:
    """Returns the names of the flag files that cmgen ships."""
    return sorted(path.name for path in PRESETS.glob("*.flags"))


def help_text(program: str, manual: str, groups: FlagGroups, flag_values: flags.FlagValues) -> str:
    """Returns the text of --help: what the main does, its flags by group, its presets, examples."""
    summary, _, examples = manual.strip().partition("\n\n")
    width = min(shutil.get_terminal_size().columns, 100)
    parts = [f"usage: {program} [--flag=value ...]", textwrap.fill(summary, width)]
    for heading, names in groups.items():
        lines = [_flag_help(flag_values[name], width) for name in names]
        parts.append("\n".join([f"{heading}:", *lines]))
    presets = [name for name in preset_names() if _preset_fits(name, flag_values)]
    if presets:
        titles = [f"  --flagfile={name:<18} {_preset_title(name)}" for name in presets]
        parts.append("\n".join(["Presets (found from any folder; later flags win):", *titles]))
    if examples:
        parts.append(textwrap.dedent(examples).rstrip())
    parts.append("--helpfull lists every flag.")
    return "\n\n".join(parts) + "\n"


def _start(program: str, command: Command, manual: str, argv: Sequence[str]) -> None:
    if HELP & set(argv):
        print(help_text(program, manual, command.groups, command.flag_values), end="")
    elif FULL_HELP & set(argv):
        print(f"{manual.strip()}\n\nflags:\n{command.flag_values.get_help()}")
    else:
        parse(command.flag_values, argv)
        command.work()


def _list_commands(program: str, commands: Mapping[str, Command], manual: str, name: str) -> None:
    """Prints --help of a main with commands; any other `name` is refused."""
    if name not in HELP | FULL_HELP:
        *others, last = commands
        problem = f"{name!r} is no command" if name else "a command is missing"
        names = f"{', '.join(others)} or {last}" if others else last
        raise UserError(f"{problem}; give {names} (see --help)")
    summary, _, examples = manual.strip().partition("\n\n")
    width = min(shutil.get_terminal_size().columns, 100)
    lines = [
        f"  {title:<10}{(command.work.__doc__ or '').strip().splitlines()[0]}"
        for title, command in commands.items()
    ]
    parts = [
        f"usage: {program} {{{','.join(commands)}}} [--flag=value ...]",
        textwrap.fill(summary, width),
        "\n".join(["Commands:", *lines]),
        examples.rstrip(),
        "COMMAND --help shows a command's flags, COMMAND --helpfull every one.",
    ]
    print("\n\n".join(part for part in parts if part))


def _manual(main: Callable[[], None]) -> str:
    return sys.modules[main.__module__].__doc__ or ""


def _exit_code(program: str, work: Callable[[], None]) -> int:
    """Runs `work`; user errors become one line on stderr, others a traceback."""
    try:
        work()
        return 0
    except UserError as error:
        message, code = str(error), error.exit_code
    except flags.Error as error:
        message, code = f"{_one_line(error)} (see --help)", BAD_INPUT
    except KeyboardInterrupt:
        print(f"\n{program}: stopped by Ctrl-C before the work was done.", file=sys.stderr)
        return INTERRUPTED
    except Exception as error:
        problem = _exhausted_resource(error) or _unknown_home(error)
        if problem is None:
            raise
        message, code = problem, FAILED_WORK
    print(f"{program}: error: {_printable(message)}", file=sys.stderr)
    return code


def _printable(message: str) -> str:
    """Escapes control characters, which a file's name may hold and a terminal would obey."""
    return "".join(
        c if c.isprintable() or c in "\n\t" else c.encode("unicode_escape").decode()
        for c in message
    )


def _exhausted_resource(error: Exception) -> str | None:
    """Says what ran out and how to proceed, or None if `error` is something else."""
    # TensorFlow's class is recognised by name, since importing it would slow down every --help.
    exhausted = type(error).__name__ == "ResourceExhaustedError"
    if disk_is_full(error):
        file = getattr(error, "filename", None)
        where = f" while writing {file}" if file else ""
        return f"the disk is full{where}: free some space and run the same command again"
    if isinstance(error, MemoryError) or exhausted:
        return (
            f"out of memory ({_one_line(error) or type(error).__name__}): use a smaller "
            "--batch_size or --cache_gib, or close other programs"
        )
    return None


def _unknown_home(error: Exception) -> str | None:
    """Says what to do if `error` is that of pathlib about a path that begins with ~."""
    if isinstance(error, RuntimeError) and str(error) == "Could not determine home directory.":
        return "a path begins with ~, but the home folder is not known: give the whole path, or set HOME"
    return None


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:500]


def _program_name(main: Callable[[], None]) -> str:
    """Returns `cmgen.train` for `python -m` and the console script; a tool's file name."""
    name = main.__module__
    if name == "__main__":
        spec = sys.modules["__main__"].__spec__
        name = spec.name if spec else Path(sys.argv[0]).name
    return name.removesuffix(".__main__")


def _flagfile_name(argument: str, following: Iterator[str]) -> str | None:
    """Returns NAME of `--flagfile=NAME` or `--flagfile NAME` (from `following`), else None."""
    flag, equals, value = argument.partition("=")
    if flag not in ("--flagfile", "-flagfile"):
        return None
    name = value if equals else next(following, "")
    if not name:
        raise UserError(f"--flagfile: needs a file; presets: {', '.join(preset_names())}")
    return name


def _find_flagfile(name: str, folder: Path | None) -> Path:
    path = Path(name).expanduser()
    for root in (folder, Path.cwd(), PRESETS):
        if root is not None and (root / path).is_file():
            return (root / path).resolve()
    raise UserError(
        f"--flagfile={name}: no such file, and no preset of that name; "
        f"presets: {', '.join(preset_names())}"
    )


def _read_flagfile(path: Path) -> list[str]:
    """Returns the flags in a flag file, one a line, without blank lines and # comments."""
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    except UnicodeDecodeError as error:
        raise UserError(f"--flagfile={path}: not a text file; give one --flag=value a line") from (
            error
        )
    flag_lines = [line for line in lines if line and not line.startswith(("#", "//"))]
    for line in flag_lines:
        if not line.startswith("-"):
            raise UserError(f"--flagfile={path}: {line!r} is no flag; write --name=value")
    return flag_lines


def _preset_title(name: str) -> str:
    """Returns the first comment line of a preset, which says what it is for."""
    first = (PRESETS / name).read_text(encoding="utf-8").partition("\n")[0]
    return first.lstrip("# ")


def _preset_fits(name: str, flag_values: flags.FlagValues) -> bool:
    """Whether a main has every flag of a preset."""
    names = flag_names(expand_flagfiles([f"--flagfile={name}"]))
    return all(n in flag_values or n.removeprefix("no") in flag_values for n in names)


def _flag_help(flag: flags.Flag, width: int) -> str:
    """Formats two columns: the flag with its default value, then its help, wrapped."""
    column = 34
    if flag.boolean:
        left = f"  --[no]{flag.name}"
        default = {True: "on", False: "off", None: "automatic"}[flag.default]
        text = f"{flag.help} (default: {default})"
    else:
        default = str(flag.default_as_str).strip("'") if flag.default not in (None, []) else ""
        left, text = f"  --{flag.name}={default}", flag.help.removesuffix(_MULTI_FLAG_HINT)
    wrapped = textwrap.wrap(text, max(width - column, 30))
    beside = wrapped.pop(0) if wrapped and len(left) < column else ""
    lines = [f"{left:<{column}}{beside}".rstrip(), *(" " * column + line for line in wrapped)]
    return "\n".join(lines)
