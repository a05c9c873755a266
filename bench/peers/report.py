"""The report of a run: a table of speeds, ratios and memory, and what the pilot saw of each variant."""

import datetime

from machine import cpu_name
from pilot import ALONE, REMEMBERED, TRIED

NAMES = {"torch": "PyTorch", "keras": "Keras"}


def table(heads: list[str], rows: list[list[str]]) -> list[str]:
    """A Markdown table: text to the left in the first column, figures to the right in the others."""
    rule = ["---"] + ["---:"] * (len(heads) - 1)
    return [f"| {' | '.join(cells)} |" for cells in [heads, rule, *rows]]


def speed(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}"


def mebibytes(value: int) -> str:
    return f"{value / 2**20:.0f}"


def summary(rows: list[dict]) -> dict:
    """Case to images per second; null for a peer that was not measured."""
    def of(row: dict, name: str):
        result = row["results"].get(name)
        return result and round(result["images_per_second"], 2)

    names = {"ours": "ours", "torch_best": "torch", "keras_best": "keras"}
    return {row["case"].name: {key: of(row, name) for key, name in names.items()} for row in rows}


def speeds(rows: list[dict]) -> list[str]:
    """Images per second of each side, and ours over theirs."""
    peers = [name for name in NAMES if name in rows[0]["results"]]
    heads = ["network", "batch", "Stepladder"]
    for name in peers:
        heads += [f"{NAMES[name]} best", "ratio"]
    lines = []
    for row in rows:
        results = row["results"]
        ours = results["ours"]["images_per_second"]
        cells = [row["case"].name, str(row["case"].batch), speed(ours)]
        for name in peers:
            theirs = results[name]["images_per_second"]
            cells += [f"{speed(theirs)} ({results[name]['variant']})", f"{ours / theirs:.2f}x"]
        lines.append(cells)
    return table(heads, lines)


def memory(rows: list[dict]) -> list[str]:
    """Peak memory of each training process in MiB, and ours over theirs."""
    peers = [name for name in NAMES if name in rows[0]["results"]]
    heads = ["network", "Stepladder"]
    for name in peers:
        heads += [f"{NAMES[name]}", "of it before the network", "ratio"]
    lines = []
    for row in rows:
        results = row["results"]
        ours = results["ours"]["peak_memory_bytes"]
        cells = [row["case"].name, mebibytes(ours)]
        for name in peers:
            theirs = results[name]["peak_memory_bytes"]
            cells += [mebibytes(theirs), mebibytes(results[name]["idle_memory_bytes"]), f"{ours / theirs:.2f}x"]
        lines.append(cells)
    return table(heads, lines)


def pilots(rows: list[dict]) -> list[str]:
    """What each variant of each peer reached in its short try."""
    lines = []
    for name in NAMES:
        tried = [row["pilots"][name].tried for row in rows if name in row["pilots"]]
        if not tried:
            continue
        labels = list(dict.fromkeys(label for results in tried for label in results))
        body = []
        for label in labels:
            cells = [label]
            for results in tried:
                result = results.get(label, {})
                cells.append(speed(result["images_per_second"]) if "images_per_second" in result else result.get("error", "-"))
            body.append(cells)
        lines += ["", *table([NAMES[name], *(row["case"].name for row in rows)], body)]
    return lines


def markdown(rows: list[dict], mode, chosen, ours, seconds: float) -> str:
    """The report."""
    kind = " in 32-bit floats" if mode.f32 else ""
    kind += " at AVX2" if mode.avx2 else ""
    date = datetime.date.today().isoformat()
    lines = [f"Training step{kind}, images per second: {cpu_name()}, {mode.threads} threads, {date}"]
    if ours is not None:
        lines[0] += f", {rows[0]['results']['ours']['variant']}"
        versions = [ours.version, *rows[0]["versions"].values()]
        lines += ["", ", ".join(versions) + f". Median of {chosen.rounds} alternating rounds.", "", *speeds(rows)]
        lines += ["", "Peak memory of the training process, MiB:", "", *memory(rows)]
    found = {one.how for row in rows for one in row["pilots"].values()}
    if found != {ALONE}:
        lines += ["", "What the pilot saw of each variant (one short try), images per second:", *pilots(rows)]
    if chosen.quick:
        ways = {
            REMEMBERED: "by an earlier full run",
            TRIED: "from the few variants that --quick tries where no full run was before",
            ALONE: "without a try: --quick knows one form of each for this processor (PyTorch channels_last, Keras default); a full run tries all",
        }
        how = ", ".join(words for way, words in ways.items() if way in found)
        lines += ["", f"The peers' fastest variants were found {how}."]
    lines += ["", f"Took {seconds / 60:.1f} minutes."]
    return "\n".join(lines)
