"""What the verbs are given of a configuration: the part that determines one artifact's bytes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from dsnet import flow, video
from dsnet.config import streams
from dsnet.config.compute import COMPUTE, processes
from dsnet.config.schema import Config
from dsnet.datasets import manifest, motions
from dsnet.losses import LOSSES
from dsnet.provenance import code_digest
from dsnet.registry import FUSIONS, module_of


def ordered_json(spec: Any) -> str:
    """``spec`` as JSON that keeps the order of its keys, unlike ``dsnet.provenance.canonical``."""
    return json.dumps(spec, ensure_ascii=False)


def _without(mapping: Mapping[str, Any], keys: Iterable[str]) -> Config:
    return {key: value for key, value in mapping.items() if key not in keys}


def _without_default(mapping: Mapping[str, Any], key: str, default: str) -> Config:
    """A spec as it was before ``key`` was one, where it has its default: nothing is made anew."""
    return _without(mapping, [key] if mapping[key] == default else [])


def plugin_code(place: str) -> Config:
    """The digest of the code of a user's class, as ``code``; of dsnet's own classes nothing."""
    return {"code": code_digest([module_of(place)], [])} if ":" in place else {}


# --- from videos to streams ----------------------------------------------------------------


def videos_spec(config: Config, dataset: str) -> Config:
    """What determines the videos of a built-in data set."""
    entry = config["catalogue"][dataset]
    keys = ("kind", "train_per_class", "test_per_class", "size", "length", "seed")
    return {**{key: entry[key] for key in keys}, "version": motions.SPEC_VERSION}


def manifest_spec(config: Config, dataset: str) -> Config:
    """What determines ``manifest.csv``."""
    entry = _without(config["catalogue"][dataset], ["title", "flip", "fetch"])
    code = plugin_code(entry["kind"])
    return {"name": dataset, "entry": entry, "version": manifest.SPEC_VERSION, **code}


def frames_spec(config: Config) -> Config:
    """What determines the frames of a video."""
    chosen = _without_default(config["frames"], "sampling", "fps_filter")
    return {**chosen, "version": video.SPEC_VERSION}


def flow_spec(config: Config) -> Config:
    """What determines the flow of given frames."""
    chosen = _without_default(_without(config["flow"], COMPUTE), "rounding", "nearest")
    if "algorithm" in chosen:
        chosen = _without(chosen, ["backend", "semantics", "tvl1"])
        return {**chosen, "version": flow.SPEC_VERSION, **plugin_code(chosen["algorithm"])}
    if chosen["semantics"] == "cuda":  # which filters nothing
        chosen["tvl1"] = _without(chosen["tvl1"], ["median_filtering"])
    return {**chosen, "version": flow.SPEC_VERSION}


def train_spec(
    config: Config, dataset: str, split: int, clip_length: int, seed: int, stream: str
) -> Config:
    """What determines ``model.pt``, beside the clips and the models it starts from."""
    entry = config["catalogue"][dataset]
    chosen = _without(config["streams"][stream], ["title"])
    places = streams.losses_by_name(config)
    theirs = {name: places[name] for name in chosen["losses"] if name not in LOSSES}
    options = chosen["training"]
    # Without a synchronised batch norm the batches of each process are what it normalises by.
    apart = {} if options["sync_batch_norm"] else {"processes": processes(options)}
    return {
        "run": {
            "dataset": dataset,
            "split": split,
            "clip_length": clip_length,
            "seed": seed,
            "stream": stream,
            "protocol": config["protocol"],
        },
        "validation_share": config["validation_share"],
        "flip": entry["flip"],
        "clips": config["clips"],
        "model": config["model"],
        "stream": {**chosen, "training": {**_without(options, COMPUTE), **apart}},
        **({"plugins": theirs} if theirs else {}),
    }


# --- tables, figures and pages -------------------------------------------------------------


def fusion_spec(config: Config, kind: str) -> Config:
    """What determines a fusion of given scores; of an average there is nothing to choose."""
    chosen = config["fusion"]
    if kind not in FUSIONS:
        place, options = streams.fusion_kinds(config)[kind], chosen["options"].get(kind, {})
        return {"fit": chosen["fit"], "place": place, **options}
    return _without(chosen, ["options"]) if kind == "attention" else {}


def tables_spec(config: Config, keys: Iterable[str] = ()) -> Config:
    """What a table needs, with the streams in their order, and of ``tables`` the ``keys``."""
    chosen = {**config["tables"], "students": streams.students(config)}
    entries = {name: config["catalogue"][name] for name in config["datasets"]}
    told = ("title", "input", "init", "pretrained", "teacher")
    return {
        "streams": {
            name: {key: stream[key] for key in told} for name, stream in config["streams"].items()
        },
        "tables": {key: chosen[key] for key in keys},
        "titles": {name: entry["title"] for name, entry in entries.items()},
        "kinds": {entry["title"]: entry["kind"] for entry in entries.values()},
    }


def latency_spec(config: Config) -> Config:
    """How the cost of inference is measured, and of what."""
    return {"options": config["latency"], "rows": streams.latency_rows(config)}


def similarity_spec(config: Config) -> Config:
    """The streams whose features are compared, and with which teacher."""
    return {
        "streams": streams.similarity_streams(config),
        "teachers": streams.similarity_teachers(config),
    }


def maps_spec(config: Config) -> Config:
    """The streams' titles, and the streams whose feature maps are drawn."""
    return {"titles": streams.titles(config), "shown": streams.mapped_streams(config)}


def attention_spec(config: Config) -> Config:
    """What the figure of the attention fusion's weights needs."""
    shown = {
        name: {key: config["streams"][name][key] for key in ("title", "input")}
        for name in streams.attention_streams(config)
    }
    return {"streams": shown, "rgb": config["tables"]["two_stream"][0]}
