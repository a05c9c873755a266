"""Reads what Stepladder writes for TensorBoard and MLflow with their own readers; `bench/check-metrics` calls this."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

# MLflow wants to be told that a folder is meant.
os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")

from mlflow import MlflowClient
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def same(what: str, found: list[tuple[int, float]], expected: list[tuple[int, float]]) -> None:
    steps = [step for step, _ in found] == [step for step, _ in expected]
    values = steps and all(abs(a - b) <= 1e-6 * max(1, abs(b)) for (_, a), (_, b) in zip(found, expected, strict=True))
    if not values:
        sys.exit(f"{what}: found {found[:3]} .. ({len(found)}), expected {expected[:3]} .. ({len(expected)})")
    print(f"{what}: {len(found)} values")


def scalars(folder: Path, tag: str) -> list[tuple[int, float]]:
    accumulator = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    accumulator.Reload()
    return [(event.step, event.value) for event in accumulator.Scalars(tag)]


def check_events(run: Path, folder: Path) -> None:
    steps, epochs = lines(run / "steps.jsonl"), lines(run / "epochs.jsonl")
    last = {step["epoch"]: step["step"] for step in steps}
    for name in ("loss", "accuracy", "learning_rate"):
        same(f"{folder.name}, batch_{name}", scalars(folder / "train", f"batch_{name}"), [(s["step"], s[name]) for s in steps])
        same(f"{folder.name}, epoch_{name}", scalars(folder / "train", f"epoch_{name}"), [(last[e["epoch"]], e[name]) for e in epochs])
    for name in ("loss", "accuracy"):
        expected = [(last[e["epoch"]], e[f"val_{name}"]) for e in epochs]
        same(f"{folder.name}, validation {name}", scalars(folder / "validation", f"epoch_{name}"), expected)


def check_mlflow(run: Path, mlruns: Path) -> None:
    client = MlflowClient(tracking_uri=mlruns.as_uri())
    [experiment] = [e for e in client.search_experiments() if e.name == "stepladder"]
    [found] = client.search_runs([experiment.experiment_id])
    epochs = lines(run / "epochs.jsonl")
    for name in ("loss", "val_accuracy"):
        history = [(metric.step, metric.value) for metric in client.get_metric_history(found.info.run_id, name)]
        same(f"mlflow, {name}", sorted(history), [(e["epoch"], e[name]) for e in epochs])
    if found.info.status != "FINISHED" or found.data.params["model"] != "baseline" or found.info.run_name != run.name:
        sys.exit(f"mlflow: {found.info}, {found.data.params}")


def main() -> None:
    program = sys.argv[1]
    with tempfile.TemporaryDirectory() as place:
        run = Path(place) / "run"
        quiet = {"cwd": place, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        train = [program, "train", "--size", "32", "--epochs", "80", "--batch", "16", "--checkpoint-every", "0.5",
                 "--set", "early_stopping.patience=1000", "--tensorboard", "--out", "run"]
        # Stopped, then killed: the last one leaves more values than its checkpoint knows of.
        for wait, sign in [(2, signal.SIGINT), (2, signal.SIGKILL)]:
            training = subprocess.Popen(train, **quiet)
            time.sleep(wait)
            training.send_signal(sign)
            training.wait()
        subprocess.run([program, "resume", "run"], check=True, **quiet)
        check_events(run, run / "tensorboard")
        for form in ("tensorboard", "mlflow"):
            subprocess.run([program, "export", "run", "--format", form, "--out", f"exported-{form}"], check=True, **quiet)
        check_events(run, Path(place) / "exported-tensorboard")
        check_mlflow(run, Path(place) / "exported-mlflow")
        sittings = len(list((run / "tensorboard" / "train").iterdir()))
        if sittings < 3:
            sys.exit(f"the training was over after {sittings} sittings; give it more --epochs")
    print(f"TensorBoard and MLflow read what the run's logs say, over {sittings} sittings")


if __name__ == "__main__":
    main()
