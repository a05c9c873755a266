"""Measures one training step (forward, cross-entropy, backward, Adam) of Stepladder, PyTorch and Keras side by side.

A short pilot finds each peer's fastest variant; then rounds of the three alternate, so that whatever the machine does
besides meets all of them. The figures are medians of the rounds. Prints a Markdown report, and as the last line one JSON
object: case to {"ours", "torch_best", "keras_best"} in images per second.
"""

import argparse
import json
import statistics
import sys
import time
from pathlib import Path

import pilot
import report
from contestants import Case, Mode, Peer, Stepladder
from machine import allowed_cores, pin

CASES = [
    Case("conv-bn-swish", 64, 32),
    Case("conv-bn-swish", 128, 16),
    Case("resnet18", 128, 32),
    Case("mobilenet-like", 128, 32),
    Case("vgg-like", 64, 32),
]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench/train-step", description=__doc__.split("\n\n")[0])
    parser.add_argument("--quick", action="store_true", help="under five minutes: shorter rounds, fewer variants tried")
    parser.add_argument("--only", action="append", metavar="NAME", help="a case or a network; may be repeated")
    parser.add_argument("--f32", action="store_true", help="32-bit floats on all sides")
    parser.add_argument("--avx2", action="store_true", help="Stepladder and PyTorch capped at AVX2, no Keras")
    parser.add_argument("--rounds", type=int, default=5, help="rounds that alternate, at least 5 [default: 5]")
    parser.add_argument("--seconds", type=float, help="length of a round [default: 3; with --quick, 1]")
    parser.add_argument("--threads", type=int, help="threads of each side [default: one for each core]")
    parser.add_argument("--pilot", action="store_true", help="only try each variant of the peers, and list their speeds")
    parser.add_argument("--program", type=Path, help="a built stepladder, instead of building this checkout's")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write the report there, too")
    chosen = parser.parse_args()
    names = {case.name for case in CASES} | {case.network for case in CASES}
    for name in chosen.only or []:
        if name not in names:
            parser.error(f"there is no network {name}; there are {', '.join(sorted(names))}")
    if chosen.rounds < 5:
        parser.error("--rounds is at least 5, for a median to mean something")
    if chosen.threads is not None and not 1 <= chosen.threads <= len(allowed_cores()):
        parser.error(f"--threads {chosen.threads} does not fit: this machine has {len(allowed_cores())} cores")
    return chosen


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def alternate(case: Case, peers: dict[str, tuple[Peer, str]], ours: Stepladder, rounds: int, seconds: float) -> dict:
    """Rounds of all contestants in turn: for each its median speed, all its speeds, and its peak memory."""
    speeds, memory, variants = {}, {}, {}
    for _ in range(rounds):
        for name in ["ours", *peers]:
            result = ours.measure(case, seconds) if name == "ours" else peers[name][0].measure(seconds)
            if "error" in result:
                sys.exit(f"{name} failed on {case.name}: {result['error']}")
            speeds.setdefault(name, []).append(result["images_per_second"])
            memory[name] = max(memory.get(name, 0), result["peak_memory_bytes"])
            variants[name] = result["variant"] if name == "ours" else peers[name][1]
    return {
        name: {
            "images_per_second": statistics.median(values),
            "rounds": values,
            "peak_memory_bytes": memory[name],
            "idle_memory_bytes": 0 if name == "ours" else peers[name][0].idle_memory,
            "variant": variants[name],
        }
        for name, values in speeds.items()
    }


def run_case(case: Case, mode: Mode, frameworks: list[str], ours: Stepladder, chosen: argparse.Namespace) -> dict:
    """Pilot and rounds of one case."""
    started = {name: Peer(name, mode) for name in frameworks}
    pilots = {name: pilot.run(peer, case, mode, chosen.quick, say) for name, peer in started.items()}
    row = {"case": case, "pilots": pilots, "versions": {}}
    if chosen.pilot:
        for peer in started.values():
            peer.close()
        return row
    peers = {}
    for name, found in pilots.items():
        # A process that has tried variants holds more memory than the network takes.
        peer = Peer(name, mode) if found.how == pilot.TRIED else started[name]
        prepared = peer.prepare(case, *found.choice, at_least=0, limit=pilot.LIMIT)
        if "error" in prepared:
            sys.exit(f"{name} failed on {case.name}: {prepared['error']}")
        peers[name] = (peer, found.best)
        row["versions"][name] = peer.version
    seconds = chosen.seconds or (1.0 if chosen.quick else 3.0)
    row["results"] = alternate(case, peers, ours, chosen.rounds, seconds)
    for peer, _ in peers.values():
        peer.close()
    for name, result in row["results"].items():
        say(f"  {name}: {result['images_per_second']:.0f} images/s, {result['variant']}")
    return row


def main() -> None:
    chosen = arguments()
    cores = allowed_cores()
    mode = Mode(chosen.threads or len(cores), chosen.f32, chosen.avx2)
    started = time.time()
    say("building Stepladder")
    ours = None if chosen.pilot else Stepladder(mode, chosen.program)
    pin(cores[: mode.threads])
    frameworks = ["torch"] if mode.avx2 else ["torch", "keras"]
    rows = []
    for case in CASES:
        if not chosen.only or case.name in chosen.only or case.network in chosen.only:
            say(f"{case.name}, batch {case.batch}")
            rows.append(run_case(case, mode, frameworks, ours, chosen))
    text = report.markdown(rows, mode, chosen, ours, time.time() - started)
    print(text)
    if chosen.output:
        chosen.output.write_text(text + "\n")
    if not chosen.pilot:
        print(json.dumps(report.summary(rows)))


if __name__ == "__main__":
    main()
