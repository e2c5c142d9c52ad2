"""cmgen.train, which adds "FOLDER<tab>STEP" to the file $TOLD after each step, before all else does."""

import os

from cmgen.train import __main__ as train
from cmgen.utils import cli


def main() -> None:
    from cmgen.train import callbacks  # imports TensorFlow, which is to be set up first

    log_step = callbacks.MetricsLog.after_step
    told = os.open(os.environ["TOLD"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def after_step(log: callbacks.MetricsLog, logs: dict[str, float]) -> None:
        os.write(told, f"{log.path.parent}\t{log.step}\n".encode())
        log_step(log, logs)

    callbacks.MetricsLog.after_step = after_step  # type: ignore[method-assign]
    train.main()


if __name__ == "__main__":
    cli.run(main, train.GROUPS, train.FLAGS)
