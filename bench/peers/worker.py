"""A process that holds one framework and measures its training step whenever it is asked.

Speaks JSON, one object a line. It is asked {"prepare": {"network", "size", "batch", "variant", "adam"}} and
{"measure": seconds}; a prepared training stays until the next one replaces it. Everything else that a framework prints
goes to stderr. Usage: worker.py torch|keras THREADS
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


def measure(peer, batch: int, seconds: float) -> dict:
    """Steps for about so long, at least two."""
    start = time.perf_counter()
    steps = 0
    while steps < 2 or time.perf_counter() - start < seconds:
        peer.step()
        steps += 1
    elapsed = time.perf_counter() - start
    return {"images_per_second": steps * batch / elapsed, "steps": steps, "peak_memory_bytes": peak_memory()}


def main() -> None:
    framework, threads = sys.argv[1], int(sys.argv[2])
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    if framework == "torch":
        import torch_peer as frame
    else:
        import keras_peer as frame
    answers.write(json.dumps({"version": frame.version(), "idle_memory_bytes": peak_memory()}) + "\n")
    peer, batch = None, 0
    for line in sys.stdin:
        request = json.loads(line)
        try:
            if "prepare" in request:
                peer = None
                gc.collect()
                spec = request["prepare"]
                start, batch = time.perf_counter(), spec["batch"]
                peer = frame.Peer(
                    Path(spec["network"]), spec["size"], batch, spec["variant"], spec["adam"], threads
                )
                peer.step()
                first = time.perf_counter() - start
                for _ in range(WARM_UP_STEPS - 1):
                    peer.step()
                answer = {"first_step_seconds": first}
            else:
                answer = measure(peer, batch, request["measure"])
        except Exception as error:  # A variant that cannot run here is an answer, too.
            answer = {"error": f"{type(error).__name__}: {error}".splitlines()[0]}
        answers.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main()
