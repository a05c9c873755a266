"""Measures inference of Stepladder and ONNX Runtime side by side: class probabilities of one photo, and of 32 at once.

Each network is built from its file in PyTorch and exported to ONNX, and ONNX Runtime runs it with all of its graph
optimizations, on as many threads, on 32-bit float input in its own layout. Stepladder takes the number format that `predict` and
`serve` take on this machine, or 32-bit floats, too. Rounds of the two alternate; the figures are medians. Prints Markdown, and as the
last line one JSON object: case to {"ours", "onnxruntime"} in images per second.
"""

import argparse
import datetime
import json
import os
import statistics
import sys
import tempfile
import time
import tomllib
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from contestants import Case, Mode, Stepladder
from machine import allowed_cores, cpu_name, pin
from report import speed, table
from torch_peer import Network

NETWORKS = [("conv-bn-swish", 64), ("conv-bn-swish", 128), ("resnet18", 128), ("mobilenet-like", 128), ("vgg-like", 64)]
BATCHES = [1, 32]
CLASSES = 5
WARM_UP = 3


class OnnxRuntime:
    """A session on one network at one batch size."""

    def __init__(self, case: Case, threads: int, folder: Path):
        rung = tomllib.loads(case.file.read_text())
        torch.manual_seed(0)
        network = torch.nn.Sequential(Network(rung, case.size, CLASSES), torch.nn.Softmax(1)).eval()
        photos = torch.rand(case.batch, 3, case.size, case.size)
        path = folder / f"{case.name}-{case.batch}.onnx"
        torch.onnx.export(network, (photos,), path, dynamo=True, external_data=False, verbose=False)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self.inputs = {self.session.get_inputs()[0].name: photos.numpy()}
        self.batch = case.batch
        with torch.no_grad():
            expected = network(photos).numpy()
        difference = float(np.abs(self.session.run(None, self.inputs)[0] - expected).max())
        if not difference < 1e-4:
            sys.exit(f"{case.name}: ONNX Runtime differs from PyTorch by {difference}")

    def measure(self, seconds: float) -> float:
        for _ in range(WARM_UP):
            self.session.run(None, self.inputs)
        start, passes = time.perf_counter(), 0
        while passes < 2 or time.perf_counter() - start < seconds:
            self.session.run(None, self.inputs)
            passes += 1
        return passes * self.batch / (time.perf_counter() - start)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench/inference", description=__doc__.split("\n\n")[0])
    parser.add_argument("--only", action="append", metavar="NETWORK", help="may be repeated")
    parser.add_argument("--f32", action="store_true", help="32-bit floats in Stepladder, too")
    parser.add_argument("--rounds", type=int, default=5, help="rounds that alternate [default: 5]")
    parser.add_argument("--seconds", type=float, default=2.0, help="length of a round [default: 2]")
    parser.add_argument("--threads", type=int, help="threads of each side [default: one for each core]")
    parser.add_argument("--program", type=Path, help="a built stepladder, instead of building this checkout's")
    return parser.parse_args()


def main() -> None:
    chosen = arguments()
    cores = allowed_cores()
    mode = Mode(chosen.threads or len(cores), f32=chosen.f32)
    ours = Stepladder(mode, chosen.program)
    pin(cores[: mode.threads])
    os.environ["OMP_NUM_THREADS"] = str(mode.threads)
    lines, summary, forms = [], {}, set()
    with tempfile.TemporaryDirectory() as folder:
        for network, size in NETWORKS:
            for batch in BATCHES:
                if chosen.only and network not in chosen.only:
                    continue
                case = Case(network, size, batch)
                theirs = OnnxRuntime(case, mode.threads, Path(folder))
                found = {"ours": [], "onnxruntime": []}
                for _ in range(chosen.rounds):
                    measured = ours.measure(case, chosen.seconds, "inference")
                    forms.add(measured["variant"])
                    found["ours"].append(measured["images_per_second"])
                    found["onnxruntime"].append(theirs.measure(chosen.seconds))
                medians = {name: statistics.median(values) for name, values in found.items()}
                ratio = medians["ours"] / medians["onnxruntime"]
                cells = [speed(medians["ours"]), speed(medians["onnxruntime"]), f"{ratio:.2f}x"]
                lines.append([case.name, str(batch), *cells])
                summary[f"{case.name}, batch {batch}"] = {name: round(value, 2) for name, value in medians.items()}
                print(f"{case.name}, batch {batch}: {' '.join(cells)}", file=sys.stderr, flush=True)
    date = datetime.date.today().isoformat()
    print(f"Inference in {', '.join(sorted(forms))} and ONNX Runtime's f32, images per second:")
    print(f"{cpu_name()}, {mode.threads} threads, {date}")
    print(f"\n{ours.version}, ONNX Runtime {onnxruntime.__version__}. Median of {chosen.rounds} alternating rounds.\n")
    print("\n".join(table(["network", "batch", "Stepladder", "ONNX Runtime", "ratio"], lines)))
    print(json.dumps(summary))


if __name__ == "__main__":
    main()
