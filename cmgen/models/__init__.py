"""Networks, losses and training steps, and their weights in files.

Keras's settings are those of a process. A user's keras.json, or another backend, would change what
every network here computes; so whoever imports this package gets the settings that it is tested with.
"""

import os
import sys

from cmgen.utils.errors import UserError


def _set_keras() -> None:
    if "keras" not in sys.modules:
        os.environ["KERAS_BACKEND"] = "tensorflow"
    import keras

    backend = keras.backend.backend()
    if backend != "tensorflow":
        raise UserError(
            f"KERAS_BACKEND={backend}: cmgen's networks need tensorflow; set it before Keras is "
            "imported, or import cmgen.models first"
        )
    keras.config.set_image_data_format("channels_last")
    keras.config.set_floatx("float32")
    keras.config.set_epsilon(1e-7)


_set_keras()
