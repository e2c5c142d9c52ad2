"""Opens a page on which exported models can be tried out: drop, record or pick a sound and see who
plays it; drop or pick a picture and hear what it sounds like. It is for a browser on this computer;
SECURITY.md says what letting others in takes and risks.

Examples:
  python -m cmgen.studio --exports=exports
  python -m cmgen.studio --exports=exports/s2i --port=8080 --open_browser
  python -m cmgen.studio --host=0.0.0.0 --allow_remote --password_file=password.txt
"""

import sys
import webbrowser
from pathlib import Path

from absl import flags

from cmgen.media.limits import LIMITS
from cmgen.utils import cli
from cmgen.utils.web.flags import PAGE_FLAGS, define_page_flags, read_access

PASSWORD_VARIABLE = "CMGEN_STUDIO_PASSWORD"  # its name  # nosec B105

FLAGS = flags.FlagValues()
flags.DEFINE_string(
    "exports",
    "exports",
    "Folder of models that cmgen.export wrote, or that of one model.",
    flag_values=FLAGS,
)
define_page_flags(FLAGS, 8766, PASSWORD_VARIABLE)
flags.DEFINE_bool("open_browser", False, "Open the page in your browser.", flag_values=FLAGS)
flags.DEFINE_float(
    "max_megabytes",
    25.0,
    "Size of a file that is taken.",
    lower_bound=0.1,
    upper_bound=1000.0,
    flag_values=FLAGS,
)
flags.DEFINE_float(
    "max_seconds",
    60.0,
    "Length of sound that is taken; of a longer one its beginning is used, and the page says so.",
    lower_bound=1.0,
    upper_bound=600.0,
    flag_values=FLAGS,
)
flags.DEFINE_float(
    "max_megapixels",
    LIMITS.megapixels,
    "Pixels of a picture that is taken, in millions.",
    lower_bound=0.01,
    upper_bound=250.0,
    flag_values=FLAGS,
)
flags.DEFINE_float(
    "keep_megabytes",
    200.0,
    "Memory for what visitors sent and what was made; the longest unused goes first.",
    lower_bound=1.0,
    flag_values=FLAGS,
)
flags.DEFINE_float(
    "keep_minutes",
    60.0,
    "Time after which it goes in any case.",
    lower_bound=0.01,
    flag_values=FLAGS,
)
flags.DEFINE_integer(
    "at_once",
    8,
    "Requests of one caller that work or wait at once; there is room for 16 of all.",
    lower_bound=1,
    upper_bound=16,
    flag_values=FLAGS,
)
GROUPS = {
    "What": ("exports",),
    "Where": (*PAGE_FLAGS, "open_browser"),
    "Limits": (
        "max_megabytes",
        "max_seconds",
        "max_megapixels",
        "keep_megabytes",
        "keep_minutes",
        "at_once",
    ),
}


def main() -> None:
    with cli.extra("studio"):
        from cmgen.generate.exports import find_models
        from cmgen.studio import app, server

    allowed = read_access(FLAGS, PASSWORD_VARIABLE)
    models, problems = find_models(Path(FLAGS.exports))
    for problem in problems:
        print(f"left out: {problem}", file=sys.stderr)
    settings = server.Settings(
        app.UploadLimits(FLAGS.max_megabytes, FLAGS.max_seconds, FLAGS.max_megapixels),
        FLAGS.keep_megabytes,
        FLAGS.keep_minutes,
        FLAGS.at_once,
    )
    ready = webbrowser.open if FLAGS.open_browser else lambda url: None
    server.serve(models, allowed, FLAGS.host, FLAGS.port, settings, ready)


def console() -> None:
    cli.run(main, GROUPS, FLAGS)


if __name__ == "__main__":
    console()
