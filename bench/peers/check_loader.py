"""Checks that an export for Python gives the same probabilities in Keras, in PyTorch, and in Keras from a .keras file.

Without an argument, for the exports that the Rust tests keep, and those of networks that they have just written; the probabilities go
to .json files beside the folders in crates/stepladder-export/tests/golden, where a Rust test compares ours with them.
Usage: bench/check-loader [FOLDER ...]
"""

import json
import os
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

ROOT = Path(__file__).resolve().parent.parent.parent
CRATE = ROOT / "crates/stepladder-export"
GOLDEN = CRATE / "tests/golden"
sys.path[:0] = [str(ROOT / "oracle"), str(CRATE / "python")]

import fill  # noqa: E402
import keras  # noqa: E402
import numpy as np  # noqa: E402
import stepladder_files  # noqa: E402
import stepladder_keras  # noqa: E402
import stepladder_torch  # noqa: E402
import torch  # noqa: E402

BATCH, TOLERANCE = 4, 1e-5


def probabilities(folder: Path) -> dict[str, np.ndarray]:
    """What each way to the model makes of the same photos."""
    exported = stepladder_files.read(folder)
    images = fill.images(BATCH, exported.size, len(exported.classes))
    model = stepladder_keras.load(folder)
    found = {"keras": keras.ops.convert_to_numpy(model(images, training=False))}
    with tempfile.TemporaryDirectory() as place:
        file = Path(place) / "model.keras"
        model.save(file)
        found["keras file"] = keras.ops.convert_to_numpy(keras.models.load_model(file)(images, training=False))
    with torch.no_grad():
        photos = torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()
        found["torch"] = stepladder_torch.load(folder)(photos).numpy()
    return found


def main() -> None:
    networks = sorted(path for path in (GOLDEN / "networks").glob("*") if path.is_dir())
    ours = [GOLDEN / "every-layer", GOLDEN / "other-layers", *networks]
    folders = [Path(argument) for argument in sys.argv[1:]] or ours
    for folder in folders:
        found = probabilities(folder)
        errors = {name: float(np.abs(values - found["keras"]).max()) for name, values in found.items()}
        print(folder.name, "  ".join(f"{name} {error:.1e}" for name, error in errors.items()))
        if not max(errors.values()) <= TOLERANCE:
            sys.exit(f"{folder}: Keras and PyTorch differ by more than {TOLERANCE}")
        if not sys.argv[1:]:
            golden = {"batch": BATCH, "probabilities": found["keras"].reshape(-1).tolist()}
            folder.with_name(f"{folder.name}.json").write_text(json.dumps(golden) + "\n")
    print(f"PyTorch {torch.__version__} and Keras {keras.__version__} agree within {TOLERANCE}")


if __name__ == "__main__":
    main()
