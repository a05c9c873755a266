"""What it costs a training to be watched: by the live page, with a reader who follows it, and by the dashboard on a terminal.

The same short training alternates: alone, beside `stepladder watch` with a connected reader, and with `--tui` on a terminal of its own.
The speed of a shared machine moves by more than one percent from run to run, so that the clock alone cannot tell. What can is the
processor time of the watching itself, as a share of all cores: the page's server, and the dashboard's thread.
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


def run(line: list[str], on_terminal: bool) -> tuple[float, float, float]:
    """Seconds by the clock, of processor time, and of processor time of the dashboard."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.monotonic()
    drawing = 0.0
    if on_terminal:
        ours, theirs = pty.openpty()
        process = subprocess.Popen(line, stdin=theirs, stdout=theirs, stderr=theirs, env={**os.environ, "TERM": "xterm-256color"})
        os.close(theirs)
        threading.Thread(target=drain, args=(ours,), daemon=True).start()
        while process.poll() is None:
            time.sleep(0.1)
            drawing = max(drawing, thread_seconds(process.pid, "dashboard"))
    else:
        process = subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    if process.wait() != 0:
        sys.exit(f"failed: {' '.join(line)}")
    wall = time.monotonic() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, drawing


def drain(terminal: int) -> None:
    try:
        while os.read(terminal, 1 << 16):
            pass
    except OSError:
        pass


def processor_seconds(process: Path) -> float:
    """Of a process or thread, by its folder in /proc."""
    fields = (process / "stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def thread_seconds(process: int, name: str) -> float:
    """Processor time of the process's threads of that name; 0 where it has none."""
    seconds = 0.0
    for thread in Path(f"/proc/{process}/task").glob("*"):
        try:
            if (thread / "comm").read_text().strip() == name:
                seconds += processor_seconds(thread)
        except OSError:
            pass
    return seconds


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
    times: dict[str, list[tuple[float, float, float]]] = {kind: [] for kind in KINDS}
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
                before = processor_seconds(Path(f"/proc/{server.pid}"))
                wall, used, _ = run(line, False)
                times[kind].append((wall, used, processor_seconds(Path(f"/proc/{server.pid}")) - before))
                stop.set()
                server.kill()
                server.wait()
                if received[0] == 0:
                    sys.exit("the page sent no events")
    cores = len(os.sched_getaffinity(0))
    print(f"{options.model} at {options.size} px, {options.epochs} epochs, {options.rounds} rounds, {cores} cores, {time.strftime('%Y-%m-%d')}\n")
    print("| training | seconds | its processor seconds | processor seconds of the watching | share of all cores |")
    print("| --- | ---: | ---: | ---: | ---: |")
    result = {}
    for kind in KINDS:
        wall, used, watching = (statistics.median(value) for value in zip(*times[kind]))
        share = watching / wall / cores
        result[kind] = {"seconds": wall, "processor_seconds": used, "watching_seconds": watching, "share": share}
        print(f"| {kind} | {wall:.2f} | {used:.2f} | {watching:.2f} | {share:.2%} |")
    print("\n" + json.dumps(result))


if __name__ == "__main__":
    main()
