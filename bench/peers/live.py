"""Drives the page of `stepladder watch` in headless Chromium beside a training; `bench/check-live` prepares and calls this."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from browser import accessibility, chromium
from playwright.sync_api import Page, sync_playwright

# Long enough to be watched, short enough to be trained anew each time.
TRAINING = ["--size", "32", "--batch", "16", "--checkpoint-every", "3600", "--set", "early_stopping.patience=100000"]


class Look:
    """A page at one width and color scheme, and what is wrong with it."""

    def __init__(self, browser, url: str, scheme: str, width: int) -> None:
        self.wrong: list[str] = []
        self.context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        self.page = self.context.new_page()
        own = url.split("#")[0]
        self.page.on("console", lambda m: self.note(f"console: {m.text}") if m.type in ("error", "warning") else None)
        self.page.on("pageerror", lambda error: self.note(f"script: {error}"))
        self.page.on("request", lambda r: None if r.url.startswith((own, "data:")) else self.note(f"asks {r.url}"))
        self.page.goto(url)
        self.page.locator(".chart path[data-name]").first.wait_for(state="attached", timeout=60_000)

    def note(self, what: str) -> None:
        self.wrong.append(what)

    def check(self, axe: str) -> None:
        """Accessibility, and that nothing scrolls sideways but what should."""
        if self.page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            self.note("scrolls sideways")
        for found in accessibility(self.context, self.page, axe):
            self.note(found)

    def figure(self, name: str) -> str:
        return self.page.locator("#figures dl div", has=self.page.locator("dt", has_text=name)).first.locator("dd").inner_text()


def wait_until(page: Page, what: str, is_so, seconds: float = 60) -> None:
    for _ in range(int(seconds * 5)):
        if is_so():
            return
        page.wait_for_timeout(200)
    raise TimeoutError(what)


def follows(look: Look) -> None:
    """The page follows the training: epoch, steps and curve change by themselves."""
    def seen():
        path = look.page.locator(".chart path[data-name='validation']").first.get_attribute("d")
        return look.figure("Epoch"), look.figure("Step"), path

    before = seen()
    wait_until(look.page, "epoch, step and curve change", lambda: all(a != b for a, b in zip(before, seen(), strict=True)))
    if "validation" not in look.page.locator(".plot").first.get_attribute("aria-label"):
        look.note("the chart does not say its values")
    look.page.locator(".plot").first.focus()
    look.page.keyboard.press("ArrowLeft")
    if "epoch" not in look.page.locator(".values").first.inner_text():
        look.note("no values by keyboard")


def lays_over(look: Look) -> None:
    """A second run is chosen, its curves are there, and the way back leads back."""
    look.page.locator("#list tbody input:not(:checked)").first.check()
    wait_until(look.page, "curves of two runs", lambda: look.page.locator(".chart").first.locator(".legend li").count() == 4)
    look.page.locator("#filter").fill("no run has this")
    wait_until(look.page, "an empty list", lambda: look.page.locator("#list tbody tr").count() == 0)
    look.page.locator("#filter").fill("")
    look.page.locator("#list th[data-key=name] button").click()
    if look.page.locator("#list th[data-key=name]").get_attribute("aria-sort") != "ascending":
        look.note("the list is not sorted")


def stops(look: Look, training: subprocess.Popen, run: Path) -> None:
    """Checkpoint and stop are taken up."""
    if look.page.url.endswith("token") or "token" in look.page.url:
        look.note("the token stays in the address")
    look.page.locator("#checkpoint").click()
    wait_until(look.page, "a checkpoint", lambda: "has taken the checkpoint" in look.page.locator("#asked").inner_text())
    look.page.locator("#stop").click()
    if training.wait(60) != 130:
        look.note(f"the training ended with {training.returncode}")
    wait_until(look.page, "the state", lambda: "stopped, can go on" in look.page.locator("#figures").inner_text())
    if "stepladder resume" not in look.page.locator("#figures").inner_text() or not list(run.glob("checkpoints/step-*")):
        look.note("it cannot go on")


def main() -> None:
    program, folder, axe = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]).read_text()
    executable, wrong = chromium(), []
    with tempfile.TemporaryDirectory() as place, sync_playwright() as playwright:
        quiet = {"cwd": place, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        for rate, name in [("0.01", "steep"), ("0.0003", "slow")]:
            subprocess.run([program, "train", *TRAINING, "--epochs", "12", "--lr", rate, "--out", f"runs/{name}"], check=True, **quiet)
        run = Path(place) / "runs" / "small_flowers5-baseline-1"
        training = subprocess.Popen([program, "train", *TRAINING, "--epochs", "20000", "--new"], **quiet)
        watch = subprocess.Popen([program, "watch", "--port", "0", "--json"], cwd=place, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        try:
            started = json.loads(watch.stdout.readline())
            url = f"{started['url']}/#token={started['token']}"
            browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
            for scheme in ("light", "dark"):
                for width in (400, 1400):
                    look = Look(browser, url, scheme, width)
                    wait_until(look.page, "the third epoch", lambda look=look: int(look.figure("Epoch").split()[0]) >= 3)
                    follows(look)
                    look.check(axe)
                    look.page.evaluate("document.activeElement.blur()")
                    look.page.screenshot(path=folder / f"live-{scheme}-{width}.png", full_page=True)
                    lays_over(look)
                    look.check(axe)
                    look.page.screenshot(path=folder / f"live-two-{scheme}-{width}.png", full_page=True)
                    if (scheme, width) == ("dark", 1400):
                        look.page.locator("#follow").click()
                        stops(look, training, run)
                        look.page.screenshot(path=folder / "live-stopped.png", full_page=True)
                    look.context.close()
                    wrong += [f"{scheme}, {width} px: {what}" for what in look.wrong]
            browser.close()
        finally:
            for process in (training, watch):
                process.kill()
                process.wait()
    print("\n".join(wrong) or "the live page works")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
