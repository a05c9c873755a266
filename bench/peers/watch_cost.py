"""What it costs a training to be watched: by the live page, with a reader who follows it, and by the dashboard on a terminal.

The same short training alternates: alone, beside `stepladder watch` with a connected reader, and with `--tui` on a terminal of its own.
The speed of a machine moves by more than one percent from run to run, so that the processor time tells more than the clock: what the
page's server takes in all, and what the training itself takes beyond what it takes alone.
"""

import argparse
import json
import os
import pty
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

KINDS = ["alone", "page", "tui"]


def training(program: Path, options, folder: Path, number: int, kind: str) -> list[str]:
    line = [str(program), "train", *options.data, "--model", options.model, "--size", str(options.size)]
    line += ["--epochs", str(options.epochs), "--out", str(folder / f"{kind}-{number}")]
    return line + (["--tui"] if kind == "tui" else [])


def run(line: list[str], on_terminal: bool) -> tuple[float, float]:
    """Seconds by the clock and of processor time."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.monotonic()
    if on_terminal:
        ours, theirs = pty.openpty()
        process = subprocess.Popen(line, stdin=theirs, stdout=theirs, stderr=theirs, env={**os.environ, "TERM": "xterm-256color"})
        os.close(theirs)
        # The dashboard waits for a key once it is done.
        reader = threading.Thread(target=drain, args=(ours,), daemon=True)
        reader.start()
        while process.poll() is None:
            time.sleep(0.05)
            if (Path(line[line.index("--out") + 1]) / "summary.json").exists():
                try:
                    os.write(ours, b"q")
                except OSError:
                    pass
    else:
        process = subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    if process.wait() != 0:
        sys.exit(f"failed: {' '.join(line)}")
    wall = time.monotonic() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def drain(terminal: int) -> None:
    try:
        while os.read(terminal, 1 << 16):
            pass
    except OSError:
        pass


def processor_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def serve(program: Path, folder: Path) -> tuple[subprocess.Popen, str]:
    server = subprocess.Popen([str(program), "watch", str(folder), "--port", "0"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    for text in server.stdout:
        found = re.search(r"http://\S+", text)
        if found:
            threading.Thread(target=server.stdout.read, daemon=True).start()
            return server, found[0]
    sys.exit("the page is not served")


def follow(url: str, stop: threading.Event, received: list[int]) -> None:
    """Reads the page and its events, as a browser does."""
    page = url.partition("#")[0].rstrip("/")
    urllib.request.urlopen(page).read()
    with urllib.request.urlopen(page + "/v1/events") as stream:
        while not stop.is_set():
            received[0] += len(stream.readline())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", type=Path, help="the program `stepladder`")
    parser.add_argument("data", nargs="*", help="photos; those that come with the program unless given")
    parser.add_argument("--model", default="m10")
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    times: dict[str, list[tuple[float, float]]] = {kind: [] for kind in KINDS}
    served = []
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        run(training(options.program, options, folder, -1, "alone"), False)
        for number in range(options.rounds):
            for kind in KINDS:
                line = training(options.program, options, folder, number, kind)
                if kind != "page":
                    times[kind].append(run(line, kind == "tui"))
                    continue
                server, url = serve(options.program, folder)
                stop, received = threading.Event(), [0]
                threading.Thread(target=follow, args=(url, stop, received), daemon=True).start()
                before = processor_seconds(server.pid)
                wall, used = run(line, False)
                times[kind].append((wall, used))
                served.append((processor_seconds(server.pid) - before) / wall)
                stop.set()
                server.kill()
                server.wait()
                if received[0] == 0:
                    sys.exit("the page sent no events")
    median = statistics.median
    alone = [median(value) for value in zip(*times["alone"])]
    cores = len(os.sched_getaffinity(0))
    print(f"{options.model} at {options.size} px, {options.epochs} epochs, {options.rounds} rounds, {cores} cores, {time.strftime('%Y-%m-%d')}\n")
    print("| training | seconds | against alone | its processor seconds | against alone | the page's server, of all cores |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    result = {}
    for kind in KINDS:
        wall, used = (median(value) for value in zip(*times[kind]))
        share = median(served) / cores if kind == "page" else 0.0
        result[kind] = {"seconds": wall, "processor_seconds": used, "server_share": share}
        print(f"| {kind} | {wall:.2f} | {wall / alone[0] - 1:+.1%} | {used:.2f} | {used / alone[1] - 1:+.1%} | {f'{share:.2%}' if share else '-'} |")
    print("\n" + json.dumps(result))


if __name__ == "__main__":
    main()
