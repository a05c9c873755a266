"""Trains every rung for one epoch on the shipped photos, exports it, and compares ONNX Runtime, OpenVINO and tract with
`predict`.

All 200 photos are cut to the model's size beforehand and saved as PNG, so that both sides see the same pixels. In f32 the class
must be the same on each photo and probabilities within 1e-3, for both forms of the input. int8 is reported: how many photos
change their class, how far probabilities move, and whether ONNX Runtime agrees with rten on the accuracy of the test photos.

Usage: bench/check-onnx [--rungs NAME,..] [--size 64] [--run DIR] [--time]

--run checks one trained run instead, and --time adds the milliseconds that ONNX Runtime takes for a photo.
STEPLADDER names the program; without it, cargo builds it.
"""

import argparse
import io
import json
import os
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import openvino as ov
import tract
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent.parent
PHOTOS = ROOT / "crates/stepladder/photos/small_flowers5.zip"
TOLERANCE, TIE = 1e-3, 1e-5


def program() -> str:
    if "STEPLADDER" in os.environ:
        return os.environ["STEPLADDER"]
    subprocess.run(["cargo", "build", "--release", "--workspace", "--bins"], cwd=ROOT, check=True)
    return str(ROOT / "target/release/stepladder")


def ask(*arguments: str) -> dict:
    """The JSON that the program prints."""
    done = subprocess.run([STEPLADDER, *arguments, "--json"], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"stepladder {' '.join(arguments)}\n{done.stderr}")
    return json.loads(done.stdout)


def squares(size: int) -> list[np.ndarray]:
    """The shipped photos, central squares of `size` pixels."""
    made = []
    with zipfile.ZipFile(PHOTOS) as archive:
        for name in sorted(name for name in archive.namelist() if name.endswith(".jpg")):
            photo = Image.open(io.BytesIO(archive.read(name))).convert("RGB")
            side = min(photo.size)
            left, top = (photo.width - side) // 2, (photo.height - side) // 2
            square = photo.crop((left, top, left + side, top + side)).resize((size, size))
            made.append(np.asarray(square, np.uint8))
    return made


def floats(batch: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(batch.transpose(0, 3, 1, 2), np.float32) / np.float32(255)


def in_onnxruntime(file: str, batch: np.ndarray, size: int = 37) -> np.ndarray:
    """Probabilities, `size` photos at a time, so that the last batch is smaller."""
    onnx.checker.check_model(file, full_check=True)
    session = ort.InferenceSession(file, providers=["CPUExecutionProvider"])
    (name,) = [value.name for value in session.get_inputs()]
    parts = [session.run(None, {name: batch[i : i + size]})[0] for i in range(0, len(batch), size)]
    return np.concatenate(parts)


def in_openvino(file: str, batch: np.ndarray) -> np.ndarray:
    # Its own choice where the processor has bf16 is to round to that.
    model = ov.Core().compile_model(file, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return model(batch)[0]


def in_tract(file: str, batch: np.ndarray) -> np.ndarray:
    return tract.onnx().load(file).into_model().into_runnable().run([batch])[0].to_numpy()


def differing(ours: np.ndarray, theirs: np.ndarray) -> int:
    """Photos with another class, ties left out."""
    rows = np.arange(len(ours))
    return int((ours.max(1) - ours[rows, theirs.argmax(1)] > TIE).sum())


def milliseconds(file: str, batch: np.ndarray) -> dict[int, float]:
    """Milliseconds a photo in ONNX Runtime with two threads, one photo and 32 at a time: the best of five rounds."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 2
    session = ort.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    (name,) = [value.name for value in session.get_inputs()]
    found = {}
    for size in (1, 32):
        photos, rounds = {name: batch[:size]}, []
        for _ in range(5):
            start, count = time.perf_counter(), 0
            while time.perf_counter() - start < 0.3:
                session.run(None, photos)
                count += size
            rounds.append((time.perf_counter() - start) / count * 1e3)
        found[size] = min(rounds)
    return found


def check(run: str, place: Path, names: list[str], batch: np.ndarray, timed: bool) -> bool:
    predicted = ask("predict", run, *names)
    ours = np.array([photo["probabilities"] for photo in predicted["photos"]], np.float32)
    files = {
        "uint8": [],
        "float": ["--input", "float-nchw"],
        "int8": ["--quantize", "int8"],
    }
    wrong, words = False, []
    for form, options in files.items():
        file = str(place / f"{form}.onnx")
        exported = ask("export", run, "--out", file, *options)
        inputs = floats(batch) if form == "float" else batch
        found = {"onnxruntime": in_onnxruntime(file, inputs), "openvino": in_openvino(file, inputs)}
        found["tract"] = in_tract(file, inputs)
        for runtime, theirs in found.items():
            other, error = differing(ours, theirs), float(np.abs(ours - theirs).max())
            words.append(f"{form} {runtime} {other} {error:.1e}")
            if form != "int8":
                wrong |= other > 0 or not error <= TOLERANCE
        if form == "int8":
            trial = exported["trial"]
            words.append(f"rten {trial['differing']}/{trial['photos']} {trial['largest_difference']:.1e}")
        if timed and form != "float":
            words += [f"{form} batch {size}: {ms:.2f} ms" for size, ms in milliseconds(file, batch).items()]
    print(f"{predicted['model']:20}", "  ".join(words), "WRONG" if wrong else "", flush=True)
    return not wrong


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rungs", type=lambda text: text.split(","))
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--run")
    parser.add_argument("--time", action="store_true")
    arguments = parser.parse_args()
    models = ask("models")
    rungs = arguments.rungs or [rung["name"] for rung in models["models"] + models["variants"]]
    print("photos with another class and the largest difference of a probability, against `predict`")
    good = True
    with tempfile.TemporaryDirectory() as folder:
        os.environ.setdefault("STEPLADDER_CACHE", f"{folder}/cache")
        for rung in [None] if arguments.run else rungs:
            place = Path(folder) / (rung or "run")
            place.mkdir()
            run = arguments.run or str(place / "run")
            if rung:
                options = ["--size", str(arguments.size), "--epochs", "1", "--precision", "f32"]
                ask("train", "--model", rung, "--out", run, *options)
            size = json.loads((Path(run) / "config.json").read_text())["size"]
            photos = squares(size)
            names = [str(place / f"{i:03}.png") for i in range(len(photos))]
            for name, photo in zip(names, photos):
                Image.fromarray(photo).save(name)
            good &= check(run, place, names, np.stack(photos), arguments.time)
    if not good:
        sys.exit(f"some exports differ in a class, or in a probability by more than {TOLERANCE}")
    versions = f"onnxruntime {ort.__version__}, openvino {ov.__version__} and tract {tract.version()}"
    print(f"{versions} agree with predict within {TOLERANCE}")


if __name__ == "__main__":
    STEPLADDER = program()
    main()
