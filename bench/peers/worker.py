"""A process that holds one framework and measures its training step whenever it is asked.

Speaks JSON, one object a line. {"prepare": {"network", "size", "batch", "variant", "adam", "at_least"}} makes a training
and warms it up; {"measure": seconds} times its steps. A prepared training stays until the next one replaces it. What
frameworks print on their own goes to stderr. Usage: worker.py torch|keras THREADS
"""

import gc
import json
import os
import resource
import sys
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

WARM_UP_STEPS = 3


def peak_memory() -> int:
    """The most memory that this process has held, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def seconds_of(work) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


class Worker:
    """Answers requests with the trainings of one framework."""

    def __init__(self, frame, threads: int):
        self.frame, self.threads = frame, threads
        self.peer, self.batch = None, 0

    def prepare(self, spec: dict) -> dict:
        """Builds and warms up; the answer says how long the first step took, compilation included.

        A training whose second step is slower than `at_least` photos a second is not worth warming up: the answer then
        has its speed already.
        """
        self.peer = None
        gc.collect()
        self.batch = spec["batch"]
        start = time.perf_counter()
        network = Path(spec["network"])
        self.peer = self.frame.Peer(
            network, spec["size"], self.batch, spec["variant"], spec["adam"], self.threads
        )
        self.peer.step()
        first = time.perf_counter() - start
        speed = self.batch / seconds_of(self.peer.step)
        if speed < spec.get("at_least", 0):
            return {"first_step_seconds": first, "images_per_second": speed}
        for _ in range(WARM_UP_STEPS - 2):
            self.peer.step()
        return {"first_step_seconds": first}

    def measure(self, seconds: float) -> dict:
        """Steps for about so long, at least two."""
        start = time.perf_counter()
        steps = 0
        while steps < 2 or time.perf_counter() - start < seconds:
            self.peer.step()
            steps += 1
        speed = steps * self.batch / (time.perf_counter() - start)
        return {"images_per_second": speed, "steps": steps, "peak_memory_bytes": peak_memory()}


def main() -> None:
    framework, threads = sys.argv[1], int(sys.argv[2])
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    if framework == "torch":
        import torch_peer as frame
    else:
        import keras_peer as frame
    answers.write(json.dumps({"version": frame.version(), "idle_memory_bytes": peak_memory()}) + "\n")
    worker = Worker(frame, threads)
    for line in sys.stdin:
        request = json.loads(line)
        try:
            if "prepare" in request:
                answer = worker.prepare(request["prepare"])
            else:
                answer = worker.measure(request["measure"])
        except Exception as error:  # A variant that cannot run here is an answer, too.
            answer = {"error": f"{type(error).__name__}: {error}".splitlines()[0]}
        answers.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main()
