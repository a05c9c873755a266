"""The programs that are measured: a peer in a worker process, and Stepladder's own `bench` command."""

import json
import os
import select
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

BENCH = Path(__file__).resolve().parent.parent
ROOT = BENCH.parent


@dataclass(frozen=True)
class Case:
    """A network at one input size and batch size."""

    network: str
    size: int
    batch: int

    @property
    def name(self) -> str:
        return f"{self.network}-{self.size}"

    @property
    def file(self) -> Path:
        return BENCH / "networks" / f"{self.network}.toml"


@dataclass(frozen=True)
class Mode:
    """What both sides are held to."""

    threads: int
    f32: bool = False
    avx2: bool = False

    def environment(self) -> dict[str, str]:
        """The environment of the peers."""
        capped = {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2"} if self.avx2 else {}
        return {**os.environ, "OMP_NUM_THREADS": str(self.threads), **capped}


class Peer:
    """A worker process of `torch` or `keras`."""

    def __init__(self, framework: str, mode: Mode):
        self.framework = framework
        self.log = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            [sys.executable, BENCH / "peers/worker.py", framework, str(mode.threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log,
            text=True,
            env=mode.environment(),
        )
        hello = self.answer(120)
        if "error" in hello:
            self.log.seek(0)
            sys.exit(f"{framework} does not start: {self.log.read().strip().splitlines()[-1:]}")
        self.version = hello["version"]
        self.idle_memory = hello["idle_memory_bytes"]

    def answer(self, limit: float) -> dict:
        """The next line of the worker; an error if it dies or takes longer than `limit` seconds, which ends it."""
        if not select.select([self.process.stdout], [], [], limit)[0]:
            self.close()
            return {"error": f"no answer within {limit:.0f} s"}
        line = self.process.stdout.readline()
        return json.loads(line) if line else {"error": "the process ended"}

    def ask(self, request: dict, limit: float) -> dict:
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return self.answer(limit)

    def prepare(self, case: Case, variant: str, adam: str, at_least: float, limit: float) -> dict:
        spec = {"network": str(case.file), "size": case.size, "batch": case.batch}
        return self.ask(
            {"prepare": {**spec, "variant": variant, "adam": adam, "at_least": at_least}}, limit
        )

    def measure(self, seconds: float) -> dict:
        return self.ask({"measure": seconds}, 120 + 10 * seconds)

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def close(self) -> None:
        self.process.kill()
        self.process.wait()


class Stepladder:
    """Our own program, built from this checkout unless one is given, started anew for each round."""

    def __init__(self, mode: Mode, program: Path | None = None):
        if program is None:
            subprocess.run(["cargo", "build", "--release", "--quiet", "--workspace"], cwd=ROOT, check=True)
            target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
            program = target / "release/stepladder"
        self.program = program
        self.mode = mode
        version = subprocess.run([self.program, "--version"], capture_output=True, text=True, check=True)
        self.version = version.stdout.strip().replace("stepladder", "Stepladder")

    def measure(self, case: Case, seconds: float, part: str = "training") -> dict:
        arguments = ["--model", case.file, "--size", case.size, "--batch", case.batch]
        arguments += ["--threads", self.mode.threads, "--precision", "f32" if self.mode.f32 else "auto"]
        arguments += ["--measure", part, "--seconds", seconds, "--json"]
        capped = {"STEPLADDER_ISA": "avx2"} if self.mode.avx2 else {}
        done = subprocess.run(
            [self.program, "bench", *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **capped},
        )
        if done.returncode != 0:
            sys.exit(f"stepladder bench failed on {case.name}: {done.stderr.strip()}")
        result = json.loads(done.stdout.splitlines()[-1])
        environment = result["environment"]
        return {
            "images_per_second": result[part]["images_per_second"],
            "peak_memory_bytes": result["peak_memory_bytes"] or 0,
            "variant": f"{environment['precision']}, {environment['instruction_set']}",
        }
