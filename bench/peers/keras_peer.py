"""One Keras training on TensorFlow: `train_on_batch` on a batch that stays in memory, as a user would call it."""

import sys
import tomllib
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent / "oracle"))

import keras  # noqa: E402
import numpy as np  # noqa: E402
import rungs  # noqa: E402
import tensorflow as tf  # noqa: E402


class Peer:
    """A training that is ready for its first step."""

    def __init__(self, network: Path, size: int, batch: int, variant: str, adam: str, threads: int):
        try:
            tf.config.threading.set_intra_op_parallelism_threads(threads)
            tf.config.threading.set_inter_op_parallelism_threads(threads)
        except RuntimeError:
            pass  # A second training in one process: they are set.
        keras.utils.clear_session()
        keras.utils.set_random_seed(0)
        keras.config.set_dtype_policy("mixed_bfloat16" if variant == "mixed_bfloat16" else "float32")
        rung = tomllib.loads(network.read_text())
        self.model, _ = rungs.network(rung, size, 5)
        self.model.compile(
            optimizer=rungs.optimizer(rung),
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        )
        self.images = np.random.default_rng(0).random((batch, size, size, 3), np.float32)
        self.labels = np.arange(batch) % 5

    def step(self) -> None:
        self.model.train_on_batch(self.images, self.labels)


def version() -> str:
    return f"Keras {keras.__version__} on TensorFlow {tf.__version__}"
