"""Checks that PyTorch and Keras compute the same from the same file, weights and photos.

Writes the logits that both agree on to crates/stepladder-nn/tests/peers.json, where a Rust test compares ours with them.
Usage: bench/check [TOLERANCE]
"""

import json
import os
import sys
import tomllib
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

BENCH = Path(__file__).resolve().parent.parent
NETWORKS = BENCH / "networks"
OUT = BENCH.parent / "crates/stepladder-nn/tests/peers.json"
sys.path[:0] = [str(BENCH.parent / "oracle"), str(BENCH.parent / "crates/stepladder-export/python")]

import fill  # noqa: E402
import keras  # noqa: E402
import numpy as np  # noqa: E402
import rungs  # noqa: E402
import torch  # noqa: E402
from stepladder_torch import Network, assign  # noqa: E402

# An odd side, so that `same` pads differ at every stride.
SIZE, BATCH, CLASSES = 61, 4, 5


def relative_error(found: np.ndarray, expected: np.ndarray) -> float:
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))


def outputs(name: str) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Keras' and PyTorch's logits of one network: in inference, and in training (statistics of the batch)."""
    rung = tomllib.loads((NETWORKS / f"{name}.toml").read_text())
    model, variables = rungs.network(rung, SIZE, CLASSES)
    arrays = {name: fill.parameter(name, tuple(variable.shape)) for name, variable in variables}
    for name, variable in variables:
        variable.assign(arrays[name])
    images = fill.images(BATCH, SIZE, CLASSES)
    network = Network(rung, SIZE, CLASSES)
    assign(network, arrays)
    photos = torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()
    ours, theirs = {}, {}
    for mode in ("inference", "training"):
        training = mode == "training"
        network.train(training)
        with torch.no_grad():
            ours[mode] = network(photos).numpy()
        theirs[mode] = np.asarray(model(images, training=training))
    return theirs, ours


def main() -> None:
    tolerance = float(sys.argv[1]) if len(sys.argv) > 1 else 1e-4
    golden, wrong = {"size": SIZE, "batch": BATCH, "classes": CLASSES, "logits": {}}, []
    for path in sorted(NETWORKS.glob("*.toml")):
        expected, found = outputs(path.stem)
        errors = {mode: relative_error(found[mode], expected[mode]) for mode in expected}
        print(f"{path.stem:16}", "  ".join(f"{mode} {error:.1e}" for mode, error in errors.items()))
        wrong += [f"{path.stem} ({mode})" for mode, error in errors.items() if not error <= tolerance]
        golden["logits"][path.stem] = expected["inference"].reshape(-1).tolist()
    if wrong:
        sys.exit(f"PyTorch and Keras differ by more than {tolerance}: {', '.join(wrong)}")
    OUT.write_text(json.dumps(golden) + "\n")
    print(f"PyTorch {torch.__version__} and Keras {keras.__version__} agree within {tolerance}")


if __name__ == "__main__":
    main()
