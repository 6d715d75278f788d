"""Settings as a page shows them: flat, in words, and what streams share told from the rest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

Settings = dict[str, str]


def flat(spec: Any, path: str = "") -> Settings:
    """Nested settings as ``a.b.c`` and the value in words; lists are values."""
    if not isinstance(spec, Mapping):
        return {path: _words(spec)}
    found: Settings = {}
    for key, value in spec.items():
        found.update(flat(value, f"{path}.{key}".removeprefix(".")))
    return found


def _words(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_words, value))
    words = {None: "none", True: "yes", False: "no"}
    return words[value] if value is None or isinstance(value, bool) else str(value)


def by_stream(
    trained: Iterable[Mapping[str, Any]], titles: Mapping[str, str]
) -> dict[str, Settings]:
    """The settings of every stream; where its runs differ, as data sets may, all values.

    Args:
        trained: ``run`` and ``spec`` of every model.
        titles: the streams' titles, in the order of the result.
    """
    found: dict[str, dict[str, list[str]]] = {name: {} for name in titles}
    for item in trained:
        for key, value in flat({k: v for k, v in item["spec"].items() if k != "run"}).items():
            values = found[item["run"]["stream"]].setdefault(key, [])
            if value not in values:
                values.append(value)
    return {
        name: {key: " or ".join(values) for key, values in of_stream.items()}
        for name, of_stream in found.items()
        if of_stream
    }


def shared(streams: Mapping[str, Settings]) -> Settings:
    """The settings that are the same for all streams of :func:`by_stream`."""
    first, *others = streams.values()
    return {k: v for k, v in first.items() if all(s.get(k) == v for s in others)}


def differing(streams: Mapping[str, Settings]) -> dict[str, Any]:
    """The other settings: ``streams``, and in ``rows`` by key the value of each, or a dash."""
    same = shared(streams)
    keys = dict.fromkeys(k for settings in streams.values() for k in settings if k not in same)
    rows = {key: [settings.get(key, "—") for settings in streams.values()] for key in keys}
    return {"streams": list(streams), "rows": rows}
