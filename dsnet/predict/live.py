"""What a camera or a stream shows, a line per clip as it comes."""

from __future__ import annotations

import json
import logging
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from dsnet import video
from dsnet.datasets.listing import readable
from dsnet.predict.outputs import SHOWN
from dsnet.predict.prediction import Seen, ranked
from dsnet.predict.segments import NONE

log = logging.getLogger(__name__)


def tell(
    live: video.Live,
    windows: Iterable[Seen],
    classes: Sequence[str],
    threshold: float,
    as_json: bool,
) -> None:
    """Print a line per window until the source ends, or the user presses Ctrl-C; then a summary.

    A line has the time at which the window's last frame arrived, and the delay until its print. The
    summary, in the log, counts the windows of each class and the frames that were dropped.
    """
    counts: Counter[str] = Counter()
    last: Seen | None = None
    try:
        for last in windows:
            scores = dict(ranked(classes, last.logits, len(classes)))
            best = next(iter(scores))
            label = best if scores[best] >= threshold else None
            counts[label or NONE] += 1
            about = _about(live, last, label, scores)
            print(json.dumps(about) if as_json else _line(about, last), flush=True)
        if last is None:
            log.warning("%s ended before it had the frames of one clip", live.name)
    except KeyboardInterrupt:
        log.info("stopped")
    finally:
        shown = ", ".join(f"{readable(name)} {count}" for name, count in counts.most_common())
        if last is not None:
            log.info("%s: %d clips: %s", live.name, counts.total(), shown)
        if last is not None and last.dropped:
            log.warning(
                "%d of %d frames were dropped: the networks are slower than the source; a smaller "
                "network, a GPU or a longer --stride helps",
                last.dropped,
                last.frames,
            )


def _about(
    live: video.Live, window: Seen, label: str | None, scores: dict[str, float]
) -> dict[str, Any]:
    return {
        "source": live.name,
        "time": datetime.fromtimestamp(window.arrived).astimezone().isoformat("T", "milliseconds"),
        "delay": time.time() - window.arrived,
        "start": window.start,
        "end": window.end,
        "label": label,
        "scores": scores,
        "dropped": window.dropped,
    }


def _line(about: dict[str, Any], window: Seen) -> str:
    best = list(about["scores"].items())[:SHOWN]
    shown = ", ".join(f"{readable(name)} {100 * share:.1f} %" for name, share in best)
    shown = shown if about["label"] is not None else f"{NONE} ({shown})"
    dropped = f"; frames dropped so far: {window.dropped}" if window.dropped else ""
    return f"{about['time'][11:23]} +{about['delay']:.2f} s: {shown}{dropped}"
