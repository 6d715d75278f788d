"""The configuration: checked against its schema, filled with defaults, cut into specs.

A spec is the part of the configuration that determines one artifact's bytes; the workflow hands
it to the verbs as JSON and Snakemake reruns what has a changed one.
"""

from __future__ import annotations

import copy
import difflib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from dsnet import flow, video
from dsnet.datasets import manifest, motions
from dsnet.errors import UserError
from dsnet.fetching.sources import SOURCES
from dsnet.provenance import code_digest

Config = dict[str, Any]
# Where and with how many helpers to compute, which is no part of what is computed.
COMPUTE = ("device", "threads", "workers", "gpus", "processes")
# What there is where Linux has a driver for NVIDIA's or AMD's GPUs.
GPU_DEVICES = ("/dev/nvidia0", "/dev/kfd")
# Folders of the results that no data set may be named like.
RESERVED = ("tables", "figures", "logs")
LISTED = ("ucf101", "hmdb51")
KINDS = ("average", "attention")  # of fusions


class ConfigError(UserError):
    """A configuration that cannot be run; the message names each key and what was expected."""


def load_schema(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read a YAML schema and put its ``$ref``s to ``$defs`` in place."""
    with open(path, encoding="utf-8") as stream:
        schema = yaml.safe_load(stream)
    definitions = schema.pop("$defs", {})

    def expand(node: Any) -> Any:
        if isinstance(node, list):
            return [expand(item) for item in node]
        if not isinstance(node, dict):
            return node
        target = definitions[node["$ref"].removeprefix("#/$defs/")] if "$ref" in node else {}
        own = {key: value for key, value in node.items() if key != "$ref"}
        return {key: expand(value) for key, value in {**target, **own}.items()}

    return expand(schema)


def resolve(config: Mapping[str, Any], schema: Mapping[str, Any]) -> Config:
    """Check ``config``, fill in the defaults and merge every stream's own ``training``.

    What a result in ``tables`` is fused with becomes a list, empty for a single stream.

    Raises:
        ConfigError: naming every wrong key, its value and what was expected.
    """
    filled: Config = copy.deepcopy(dict(config))
    _raise_all(_schema_errors(filled, schema))
    _fill(filled, schema)
    filled["streams"] = {k: v for k, v in filled["streams"].items() if v is not None}
    for stream in filled["streams"].values():
        stream["losses"] = {k: v for k, v in stream["losses"].items() if v is not None}
        stream["training"] = {**filled["training"], **stream["training"]}
    for name, entry in filled["catalogue"].items():
        entry["title"] = entry["title"] or name
        if entry["kind"] == "motions":
            entry["videos"] = f"{filled['results']}/{name}/videos"
    for _, row in named_results(filled):
        row["fuse"] = [row["fuse"]] if isinstance(row["fuse"], str) else row["fuse"] or []
    _raise_all(_contradictions(filled))
    return filled


def _raise_all(errors: Iterator[str]) -> None:
    found = list(errors)
    if found:
        raise ConfigError("the configuration is wrong:\n  " + "\n  ".join(found))


def _schema_errors(config: Config, schema: Mapping[str, Any]) -> Iterator[str]:
    validator = jsonschema.Draft202012Validator(schema)
    for error in sorted(validator.iter_errors(config), key=lambda e: [str(p) for p in e.path]):
        path = ".".join(str(p) for p in error.absolute_path)
        if error.validator == "additionalProperties":
            known = list(error.schema["properties"])
            for key in sorted(set(error.instance) - set(known), key=str):
                where = f"{path}.{key}" if path else str(key)
                close = difflib.get_close_matches(str(key), known, n=1)
                hint = f"did you mean {close[0]}?" if close else f"known keys: {', '.join(known)}"
                yield f"{where}: unknown key; {hint}"
        elif error.validator == "required":
            yield f"{path or 'top level'}: {error.message}"
        else:
            about = error.schema.get("description", "")
            yield f"{path}: expected {_expected(error)}, got {error.instance!r}" + (
                f" ({about})" if about else ""
            )


def _expected(error: jsonschema.ValidationError) -> str:
    """What would have been right, in words."""
    bound: Any = error.validator_value
    words = {
        "type": lambda: " or ".join(bound) if isinstance(bound, list) else f"{bound}",
        "enum": lambda: "one of " + ", ".join(map(str, bound)),
        "minimum": lambda: f"at least {bound}",
        "exclusiveMinimum": lambda: f"more than {bound}",
        "maximum": lambda: f"at most {bound}",
        "exclusiveMaximum": lambda: f"less than {bound}",
        "minItems": lambda: f"at least {bound} entries",
        "maxItems": lambda: f"at most {bound} entries",
        "uniqueItems": lambda: "entries that differ",
        "minProperties": lambda: f"at least {bound} entries",
        "minLength": lambda: "some text",
        "pattern": lambda: f"text like {bound}",
    }
    return words[error.validator]() if error.validator in words else error.message


def _fill(value: Any, schema: Mapping[str, Any]) -> None:
    """Put the schema's defaults into ``value``, in place, except below ``x-partial``."""
    if schema.get("x-partial"):
        return
    if isinstance(value, dict):
        properties = schema.get("properties", {})
        for key, sub in properties.items():
            if "default" in sub:
                value.setdefault(key, copy.deepcopy(sub["default"]))
        for key, item in value.items():
            sub = properties.get(key, schema.get("additionalProperties"))
            if isinstance(sub, Mapping):
                _fill(item, sub)
    elif isinstance(value, list) and "items" in schema:
        for item in value:
            _fill(item, schema["items"])


def _contradictions(config: Config) -> Iterator[str]:
    """What the schema cannot say: names that must exist, settings that exclude each other."""
    catalogue, streams = config["catalogue"], config["streams"]
    for name in config["datasets"]:
        if name not in catalogue:
            yield f"datasets: {name} is not in catalogue ({', '.join(catalogue)})"
        if name in RESERVED:
            yield f"datasets: {name} is a folder of the results; give the data set another name"
    for name, entry in catalogue.items():
        for key in ("videos", *(["lists"] if entry["kind"] in LISTED else [])):
            if name in config["datasets"] and not entry[key]:
                yield f"catalogue.{name}.{key}: expected a folder, got nothing"
        if entry["fetch"] and entry["kind"] not in SOURCES:
            yield f"catalogue.{name}.fetch: expected false; only {', '.join(SOURCES)} are fetched"
        if entry["kind"] == "motions" and entry["flip"]:
            yield f"catalogue.{name}.flip: expected false, since mirroring swaps left and right"
    backend, semantics = config["flow"]["backend"], config["flow"]["semantics"]
    if backend not in ("auto", *(able := flow.following(semantics))):
        yield f"flow: {backend} does not follow semantics {semantics}; {', '.join(able)} do"
    for name, stream in streams.items():
        yield from _stream_contradictions(name, stream, streams)
    titles = [stream["title"] for stream in streams.values()]
    for title in sorted({title for title in titles if titles.count(title) > 1}):
        yield f"streams: two have the title {title!r}, which tables would mix up"
    if any(width % config["model"]["cardinality"] for width in config["model"]["widths"]):
        yield "model.cardinality: expected a divisor of every width"
    for key in ("two_stream", "compare"):
        for name in config["tables"][key]:
            if name not in streams:
                yield f"tables.{key}: {name} is not in streams ({', '.join(streams)})"
    inputs = [streams[n]["input"] for n in config["tables"]["two_stream"] if n in streams]
    if inputs not in (["rgb", "flow"], []):
        yield f"tables.two_stream: expected an rgb and a flow stream, got {', '.join(inputs)}"
    students = config["tables"]["students"]
    for name in config["tables"]["compare"] if students is not None else ():
        if name not in (*students, *config["tables"]["two_stream"]):
            yield f"tables.compare: {name} is not in tables.students, so it is not shown"
    for name in students or ():
        if name == config["tables"]["two_stream"][0] or streams.get(name, {}).get("input") != "rgb":
            yield f"tables.students: expected rgb streams beside the two-stream one, got {name}"
    for where, row in named_results(config):
        yield from _result_contradictions(where, row, streams)


def named_results(config: Config) -> Iterator[tuple[str, Config]]:
    """Where ``tables`` names a stream or fusion, and what it says there."""
    for number, row in enumerate(config["tables"]["ablation"]):
        yield f"tables.ablation.{number}", row
    for number, claim in enumerate(config["tables"]["claims"]):
        for key in ("method", "against"):
            yield f"tables.claims.{number}.{key}", claim[key]
    for number, group in enumerate(config["tables"]["study"]):
        for place, row in enumerate(group["rows"]):
            yield f"tables.study.{number}.rows.{place}", row


def _result_contradictions(where: str, row: Config, streams: Config) -> Iterator[str]:
    names = row["stream"] if isinstance(row["stream"], list) else [row["stream"]]
    if row["fuse"] and len(names) > 1:
        yield f"{where}: expected one stream to fuse, got {', '.join(names)}"
    if row["fuse"] and streams.get(names[0], {}).get("input") == "flow":
        yield f"{where}: name the rgb stream first and the flow stream in fuse"
    if len(names) == 1 and names[0] in row["fuse"]:
        yield f"{where}.fuse: {names[0]} is the stream itself"
    for key, found in (("stream", names), ("fuse", row["fuse"])):
        for name in found:
            if name not in streams:
                yield f"{where}.{key}: {name} is not in streams"


def _stream_contradictions(name: str, stream: Config, streams: Config) -> Iterator[str]:
    where = f"streams.{name}"
    training = stream["training"]
    if processes(training) > training["batch_size"]:
        yield f"{where}.training.batch_size: expected a clip or more for each process"
    if processes(training) > 1 and ":" in training["device"]:
        yield f"{where}.training.device: {training['device']} is one GPU for several processes"
    teacher = stream["teacher"]
    if teacher is not None and teacher not in streams:
        yield f"{where}.teacher: {teacher} is not in streams ({', '.join(streams)})"
    elif teacher is not None and (streams[teacher]["input"], stream["input"]) != ("flow", "rgb"):
        yield f"{where}.teacher: expected a flow stream teaching an rgb stream"
    if bool(stream["losses"]) != (teacher is not None):
        yield f"{where}: teacher and losses belong together; one of them is missing"
    init = stream["init"]
    if init is not None and init not in streams:
        yield f"{where}.init: {init} is not in streams ({', '.join(streams)}); see pretrained"
    if init is not None and stream["pretrained"] is not None:
        yield f"{where}: init and pretrained exclude each other; set one of them to null"
    seen, current = {name}, name
    while (current := streams[current]["init"]) in streams:
        if current in seen:
            yield f"{where}.init: starts from itself"
            break
        seen.add(current)


# --- specs ---------------------------------------------------------------------------------


def students(config: Config) -> list[str]:
    """The RGB streams that Table 1 lists under "Mimic", by default all but the two-stream one."""
    listed = config["tables"]["students"]
    return [
        name
        for name, stream in config["streams"].items()
        if (stream["input"] == "rgb" and name not in config["tables"]["two_stream"])
        and (listed is None or name in listed)
    ]


def distilled(config: Config) -> list[str]:
    """The students: the streams that have a teacher."""
    return [name for name, stream in config["streams"].items() if stream["teacher"]]


def shown(config: Config) -> list[str]:
    """The streams of Table 1, which figures and pairs of methods show too."""
    names = [*config["tables"]["two_stream"], *students(config)]
    return [name for name in config["streams"] if name in names]


def fusions(config: Config) -> list[tuple[tuple[str, ...], str]]:
    """The fusions that the tables need, as their streams and the kind, without repetition.

    Every student with the RGB stream, with its teacher, and with both, and the two streams, by
    average and by attention; and what the ablation, the claims and the study name.
    """
    rgb, flow = config["tables"]["two_stream"]
    wanted: list[tuple[str, ...]] = [(rgb, flow)]
    for name in students(config):
        teacher = config["streams"][name]["teacher"] or flow
        wanted += [(name, rgb), (name, teacher), (name, rgb, teacher)]
    chosen = [(fused(config, names), kind) for names in wanted for kind in KINDS]
    rows = [row for _, row in named_results(config) if row["fuse"]]
    chosen += [(fused(config, (row["stream"], *row["fuse"])), row["by"]) for row in rows]
    return list(dict.fromkeys(chosen))


def fused(config: Config, names: Iterable[str]) -> tuple[str, ...]:
    """The streams of a fusion in the order of its file: students, the RGB stream, flow streams.

    The same streams have one file, in whatever order the configuration names them.
    """
    streams, rgb = config["streams"], config["tables"]["two_stream"][0]
    order = list(streams)
    return tuple(
        sorted(names, key=lambda n: (streams[n]["input"] == "flow", n == rgb, order.index(n)))
    )


def videos_spec(config: Config, dataset: str) -> Config:
    """What determines the videos of a built-in data set."""
    entry = config["catalogue"][dataset]
    keys = ("kind", "train_per_class", "test_per_class", "size", "length", "seed")
    return {**{key: entry[key] for key in keys}, "version": motions.SPEC_VERSION}


def manifest_spec(config: Config, dataset: str) -> Config:
    """What determines ``manifest.csv``."""
    entry = without(config["catalogue"][dataset], ["title", "flip", "fetch"])
    return {"name": dataset, "entry": entry, "version": manifest.SPEC_VERSION}


def frames_spec(config: Config) -> Config:
    """What determines the frames of a video."""
    return {**config["frames"], "version": video.SPEC_VERSION}


def flow_spec(config: Config) -> Config:
    """What determines the flow of given frames."""
    return {**without(config["flow"], COMPUTE), "version": flow.SPEC_VERSION}


def flow_gpus(config: Config) -> int:
    """GPUs that a flow job asks for; by default one where it might use one."""
    chosen = config["flow"]["gpus"]
    if chosen is None:
        on_cpu = config["flow"]["backend"] in ("numba", "opencv")
        return int(not on_cpu and any(map(os.path.exists, GPU_DEVICES)))
    return chosen


def processes(training: Config) -> int:
    """Processes that train or score a stream together, by default one per GPU asked for."""
    return training["processes"] or max(training["gpus"], 1)


def train_spec(
    config: Config, dataset: str, split: int, clip_length: int, seed: int, stream: str
) -> Config:
    """What determines ``model.pt``, beside the clips and the models it starts from."""
    entry = config["catalogue"][dataset]
    chosen = without(config["streams"][stream], ["title"])
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
        "stream": {**chosen, "training": {**without(options, COMPUTE), **apart}},
    }


def without(mapping: Mapping[str, Any], keys: Iterable[str]) -> Config:
    """``mapping`` but for ``keys``."""
    return {key: value for key, value in mapping.items() if key not in keys}


def train_code(taught: bool) -> str:
    """Digest of the code that trains a stream; the losses count only where it has a teacher."""
    return code_digest("dsnet.training", without=() if taught else ("dsnet.losses",))


# --- documentation -------------------------------------------------------------------------

HEAD = """# Configuration

Every key of `config.yaml` and of the overlays in `experiments/`, from
`workflow/schemas/config.schema.yaml`. Written by `python -m dsnet.config`; a test keeps it true.
`*` stands for a name of your own; a stream's `training` may have any key of the top-level one.

| key | type | default | meaning |
|---|---|---|---|
"""


def document(schema: Mapping[str, Any]) -> str:
    """The reference of all keys, as Markdown."""

    def rows(node: Mapping[str, Any], path: str) -> Iterator[str]:
        for key, sub in _children(node):
            where = f"{path}.{key}".removeprefix(".")
            default = f"`{json.dumps(sub['default'])}`" if "default" in sub else ""
            kind = " or ".join(json.dumps(v) for v in sub["enum"]) if "enum" in sub else sub["type"]
            kind = " or ".join(kind) if isinstance(kind, list) else kind
            if sub.get("description"):
                yield f"| `{where}` | {kind} | {default} | {sub['description']} |"
            if not sub.get("x-partial"):
                yield from rows(sub, where)

    return HEAD + "\n".join(rows(schema, "")) + "\n"


def _children(node: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    yield from node.get("properties", {}).items()
    for key in ("additionalProperties", "items"):
        if isinstance(node.get(key), Mapping):
            yield "*", node[key]


if __name__ == "__main__":
    root = Path(__file__).parents[1]
    described = document(load_schema(root / "workflow/schemas/config.schema.yaml"))
    (root / "docs/config.md").write_text(described, encoding="utf-8")
