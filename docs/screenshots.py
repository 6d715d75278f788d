"""The README's pictures of a report, from results/report.zip, taken with a Chromium on PATH.

    python docs/screenshots.py [REPORT] [FOLDER]

Opens the report's page of classes, and takes the figures of features and of the videos beside the
report. What shows five seeds (motions-*.png but for the videos) are figures of `make study` as they
are.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from PIL import Image

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
QUIET = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)
WIDTH = 1000  # pixels, of a picture and of a browser's window


def main() -> None:
    """Write the pictures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("report", nargs="?", type=Path, default=Path("results/report.zip"))
    parser.add_argument("folder", nargs="?", type=Path, default=Path("docs/figures"))
    options = parser.parse_args()
    if not options.report.is_file():
        sys.exit(f"there is no {options.report}; run `make` first, or name the report")
    with tempfile.TemporaryDirectory() as folder:
        with zipfile.ZipFile(options.report) as archive:
            archive.extractall(folder)
        take(Path(folder), options.report.parent / "figures", options.folder)


def take(report: Path, figures: Path, output: Path) -> None:
    """Write all pictures of an unpacked report and of the figures beside it."""
    output.mkdir(parents=True, exist_ok=True)
    classes = found(report, "*-classes.html")
    classes.write_text(with_one_class(classes.read_text(encoding="utf-8")), encoding="utf-8")
    browse(classes.as_uri(), output / "report-classes.png", 1100)
    for name in ("similarity", "features"):
        shrink(found(figures, f"*-{name}.png"), output / f"report-{name}.png")
    shrink(found(figures, "motions-contact.png"), output / "motions-contact.png")


def with_one_class(page: str) -> str:
    """The page without the sections of all classes but one, of which two videos are shown."""
    # Headless browsers take no pictures of places further down.
    head, *sections = page.split("<section")
    sections[-1], end = sections[-1].rsplit("</section>", 1)
    kept = max(sections, key=lambda section: section.count('class="chart"'))
    return f"{head}<section{kept.partition('</section>')[0]}</section>{end}"


def found(folder: Path, pattern: str) -> Path:
    """The first file of that name in a folder."""
    paths = sorted(folder.rglob(pattern))
    if not paths:
        sys.exit(f"there is no {pattern}; run `make` again")
    return paths[0]


def browse(address: str, output: Path, height: int) -> None:
    """Write what a browser shows of the upper end of a page."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        sys.exit(f"there is no {', '.join(BROWSERS)} on PATH; apt-get install chromium")
    with tempfile.TemporaryDirectory() as folder:
        picture = Path(folder) / "picture.png"
        command = [
            *(browser, *QUIET, f"--user-data-dir={folder}/profile"),
            *(f"--window-size={WIDTH},{height}", f"--screenshot={picture}", address),
        ]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        if not picture.is_file():
            sys.exit(f"{browser} took no picture of {address}:\n{done.stderr[-2000:]}")
        shrink(picture, output)


def shrink(source: Path, output: Path) -> None:
    """Write a picture no wider than :data:`WIDTH`."""
    with Image.open(source) as picture:
        picture = picture.convert("RGB")
    if picture.width > WIDTH:
        size = WIDTH, round(picture.height * WIDTH / picture.width)
        picture = picture.resize(size, Image.Resampling.LANCZOS)
    picture.quantize(method=Image.Quantize.FASTOCTREE).save(output, optimize=True)
    print(f"{output}: {output.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
