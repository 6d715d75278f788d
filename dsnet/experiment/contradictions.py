"""Checks across settings: names that must exist, settings that exclude each other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import PurePath

from dsnet import registry
from dsnet.experiment.data import FETCHED, IMPORTED, LAYOUTS, Entry, Flow, following
from dsnet.experiment.experiment import Experiment
from dsnet.experiment.networks import Stream
from dsnet.experiment.results import Result, Row
from dsnet.experiment.schema import suggestion
from dsnet.experiment.streams import fusion_kinds, losses_by_name, named_results, shown
from dsnet.experiment.terms import MAE, MSE, Gram
from dsnet.registry import LOSSES
from dsnet.releases import FINE_TUNED, RELEASE, name_of

# Folders of the results, which no data set may have as its name.
RESERVED = ("tables", "figures", "logs", "benchmarks")


def contradictions(experiment: Experiment) -> Iterator[str]:
    """Yield a message for every contradiction of an experiment."""
    streams, model = experiment.streams, experiment.model
    yield from _data_sets(experiment.datasets, experiment.catalogue, experiment.clips.stride)
    for name in experiment.datasets:
        if PurePath(experiment.results) == PurePath(experiment.folder, name):
            yield f"results: {experiment.results} has the data of {name}; name another folder"
    yield from _flow(experiment.flow)
    if experiment.flow.algorithm == IMPORTED:
        yield from _imported(experiment)
    known = losses_by_name(experiment)
    place = registry.BACKBONES.get(model.backbone, model.backbone)
    levels = (*registry.constant(place, "levels", ()), "logits")
    first = registry.constant(place, "first", "conv1")
    for name, stream in streams.items():
        yield from _losses(f"streams.{name}.losses", stream, known, levels)
        yield from _stream(name, stream, streams, first)
        yield from _averaged(f"streams.{name}", stream, streams)
        yield from _weights(f"streams.{name}", stream, experiment)
    yield from _titles("streams", [stream.title for stream in streams.values()])
    if any(width % model.cardinality for width in model.widths):
        yield "model.cardinality: expected a divisor of every width"
    if (experiment.protocol, experiment.fusion.fit) == ("paper", "held-out"):
        yield (
            "fusion.fit: held-out would fit on the test split under protocol paper; "
            "set fusion.fit: train"
        )
    yield from _tables(experiment)
    kinds = fusion_kinds(experiment)
    for where, row in named_results(experiment):
        yield from _result(where, row, streams)
        if row.by not in kinds:
            yield f"{where}.by: unknown name {row.by!r}; {suggestion(row.by, kinds)}"
    for name in experiment.fusion.options:
        if name not in kinds or name in registry.FUSIONS:
            own = [kind for kind in kinds if kind not in registry.FUSIONS]
            yield f"fusion.options.{name}: unknown key; {suggestion(name, own)}"


def _titles(where: str, titles: list[str | None]) -> Iterator[str]:
    for title in sorted({str(title) for title in titles if titles.count(title) > 1}):
        yield f"{where}: two have the title {title!r}, which tables would mix up"


def _data_sets(datasets: list[str], catalogue: Mapping[str, Entry], stride: int) -> Iterator[str]:
    for name in datasets:
        if name not in catalogue:
            yield f"datasets: {name} is not in catalogue ({', '.join(catalogue)})"
        if name in RESERVED:
            yield f"datasets: {name} is a folder of the results; give the data set another name"
    yield from _titles(
        "catalogue", [catalogue[name].title for name in datasets if name in catalogue]
    )
    for name, entry in catalogue.items():
        place = registry.DATASETS.get(entry.kind, entry.kind)
        for key in registry.constant(place, "needs", ("videos",)) if name in datasets else ():
            if not getattr(entry, key):
                yield f"catalogue.{name}.{key}: expected a folder, got nothing"
        if entry.fetch and entry.kind not in FETCHED:
            yield f"catalogue.{name}.fetch: expected false; only {', '.join(FETCHED)} are fetched"
        if entry.images_fps and (entry.fetch or entry.kind == "motions"):
            yield f"catalogue.{name}.images_fps: expected null, since the workflow gets videos"
        if entry.kind == "motions" and entry.flip:
            yield f"catalogue.{name}.flip: expected false, since mirroring swaps left and right"
        if entry.kind == "motions" and name in datasets and entry.length <= stride:
            yield (
                f"catalogue.{name}.length: expected more frames than clips.stride, {stride}, "
                f"got {entry.length}: they would have no flow"
            )


def _flow(chosen: Flow) -> Iterator[str]:
    backend, semantics = chosen.backend, chosen.semantics
    if backend not in ("auto", *(able := following(semantics))):
        yield f"flow: {backend} does not follow semantics {semantics}; {', '.join(able)} do"


def _imported(experiment: Experiment) -> Iterator[str]:
    rounding, layout = experiment.flow.rounding, experiment.flow.imported.layout
    if rounding != LAYOUTS[layout]:
        yield f"flow.rounding: expected {LAYOUTS[layout]}, as in images of layout {layout}"
    if (stride := experiment.clips.stride) > 1:
        yield f"clips.stride: expected 1, since imported flow is not over {stride} frames"
    for name in experiment.datasets:
        rate = experiment.catalogue[name].images_fps if name in experiment.catalogue else None
        if rate is None:
            yield (
                f"catalogue.{name}.images_fps: expected the rate of the images that the imported "
                f"flow is of, got nothing"
            )
        elif rate != experiment.frames.fps:
            yield (
                f"frames.fps: expected {rate}, the images_fps of {name}, since imported flow is of "
                f"that rate"
            )


def _stream(name: str, stream: Stream, streams: Mapping[str, Stream], first: str) -> Iterator[str]:
    where = f"streams.{name}"
    training = stream.training
    if training.n_processes() > training.batch_size:
        yield f"{where}.training.batch_size: expected a clip or more for each process"
    if training.n_processes() > 1 and ":" in training.device:
        yield f"{where}.training.device: {training.device} is one GPU for several processes"
    if stream.still and stream.input == "flow":
        yield f"{where}.still: expected false, since the flow of a still picture is zero"
    teacher = stream.teacher
    if teacher is not None and teacher not in streams:
        yield f"{where}.teacher: {teacher} is not in streams ({', '.join(streams)})"
    elif teacher is not None and streams[teacher].input == stream.input:
        yield (
            f"{where}.teacher: expected a stream with another input, got {teacher}, which sees "
            f"{stream.input} too"
        )
    if bool(terms := stream.losses.terms()) != (teacher is not None):
        yield f"{where}: teacher and losses belong together; one of them is missing"
    if teacher is not None and training.epochs == 0:
        yield f"{where}.training.epochs: 0 trains nothing; set teacher to null, and its losses too"
    if (shares := sum(term.share or 0 for term in terms.values())) >= 1:
        yield f"{where}.losses: expected shares that sum to less than 1, got {shares:g}"
    if stream.second_teacher is not None:
        yield from _second_teacher(where, stream, stream.second_teacher, streams)
    init = stream.init
    if init is not None and init not in streams:
        yield f"{where}.init: {init} is not in streams ({', '.join(streams)}); see pretrained"
    if init is not None and init in streams and streams[init].input != stream.input:
        trained = training.trainable
        if training.epochs == 0 or (trained is not None and first.split(".")[0] not in trained):
            averaged = stream.first_convolution == "averaged"
            what = "has the same kernels for all channels" if averaged else "stays as drawn"
            yield (
                f"{where}.init: {init} sees {streams[init].input}, so {first} {what}; "
                f"train {first} and its batch norm too, or start from weights for {stream.input}"
            )
    if init is not None and stream.pretrained is not None:
        yield f"{where}: init and pretrained exclude each other; set one of them to null"
    for key in ("init", "teacher", "second_teacher"):
        if name in _made_from(getattr(stream, key), streams):
            yield f"{where}.{key}: {getattr(stream, key)} is made from {name} itself"


def _second_teacher(
    where: str, stream: Stream, second: str, streams: Mapping[str, Stream]
) -> Iterator[str]:
    where = f"{where}.second_teacher"
    if second not in streams:
        yield f"{where}: {second} is not in streams ({', '.join(streams)})"
    elif streams[second].input != stream.input:
        yield f"{where}: expected a stream with the input {stream.input}, got {second}"
    if stream.teacher is None:
        yield f"{where}: expected a teacher too, whose logits are averaged with those of {second}"
    terms = stream.losses.terms().values()
    if all(isinstance(term, MSE | MAE | Gram) and "logits" not in term.levels for term in terms):
        yield f"{where}: no loss compares logits; add one that does, or set it to null"


def _made_from(name: str | None, streams: Mapping[str, Stream]) -> set[str]:
    """Return a stream and all that it starts or learns from."""
    found, waiting = set(), [name]
    while waiting:
        name = waiting.pop()
        if name is not None and name in streams and name not in found:
            found.add(name)
            stream = streams[name]
            waiting += [stream.init, stream.teacher, stream.second_teacher]
    return found


def _averaged(where: str, stream: Stream, streams: Mapping[str, Stream]) -> Iterator[str]:
    if stream.first_convolution != "averaged":
        return
    wrong, init = f"{where}.first_convolution: expected drawn, since", stream.init
    if init is None and stream.pretrained is None:
        yield f"{wrong} there are no weights to average; set init or pretrained"
    elif init is not None and init in streams and streams[init].input == stream.input:
        yield f"{wrong} {init} sees {stream.input}, too"
    elif init is None and stream.training.epochs == 0:
        yield f"{wrong} training.epochs 0 takes weights as they are"


def _losses(
    where: str, stream: Stream, known: Iterable[str], levels: Sequence[str]
) -> Iterator[str]:
    for name, term in stream.losses.terms().items():
        levels_of = term.arguments().get("levels", ()) if name in LOSSES else ()
        for number, level in enumerate(levels_of):
            if level not in levels:
                yield (
                    f"{where}.{name}.levels.{number}: expected one of {', '.join(levels)}, "
                    f"got {level!r}"
                )
        if name not in known:
            yield f"{where}.{name}: unknown key; {suggestion(name, known)}"


def _weights(where: str, stream: Stream, experiment: Experiment) -> Iterator[str]:
    pretrained, starts = stream.pretrained, stream.init or stream.pretrained
    if stream.training.epochs == 0 and not starts:
        yield f"{where}: training.epochs 0 takes weights as they are; set pretrained or init"
    present = [name for name in experiment.datasets if name in experiment.catalogue]
    for name in present:
        if pretrained is None:
            break
        kind, length = experiment.catalogue[name].kind, experiment.clip_lengths[0]
        file = name_of(pretrained, length, kind)
        if "{dataset}" in file:
            yield (
                f"{where}.pretrained: {{dataset}} is for the kinds {', '.join(FINE_TUNED)}; "
                f"{name} is of kind {kind}"
            )
        release = RELEASE.fullmatch(PurePath(file).stem)  # a name, or a file of that name
        seen = release is not None and release[2] == FINE_TUNED.get(kind)
        if seen and experiment.splits != [1]:
            yield (
                f"{where}.pretrained: {file} was fine-tuned on split 1, whose training videos are "
                f"test videos of other splits; set splits to [1]"
            )


def _tables(experiment: Experiment) -> Iterator[str]:
    tables, streams, listed = experiment.tables, experiment.streams, shown(experiment)
    two_stream, compare, students = tables.two_stream, tables.compare, tables.students
    needed = {"two_stream": "; tables and figures need an rgb and a flow stream", "compare": ""}
    for key, names in (("two_stream", two_stream), ("compare", compare)):
        for name in names:
            if name not in streams:
                yield f"tables.{key}: {name} is not in streams ({', '.join(streams)}){needed[key]}"
    inputs = [streams[name].input for name in two_stream if name in streams]
    if inputs not in (["rgb", "flow"], []):
        yield f"tables.two_stream: expected an rgb and a flow stream, got {', '.join(inputs)}"
    for name in compare:
        if name in streams and name not in listed:
            yield f"tables.compare: {name} is not in Table 1 ({', '.join(listed)}); see students"
    for name in students or ():
        if name not in streams:
            yield f"tables.students: {name} is not in streams ({', '.join(streams)})"
        elif name == two_stream[0] or streams[name].input != "rgb":
            yield f"tables.students: expected rgb streams beside the two-stream one, got {name}"


def _result(where: str, row: Result | Row, streams: Mapping[str, Stream]) -> Iterator[str]:
    names = row.names()
    if row.fuse and len(names) > 1:
        yield f"{where}: expected one stream to fuse, got {', '.join(names)}"
    if row.fuse and names[0] in streams and streams[names[0]].input == "flow":
        yield f"{where}: name the rgb stream first and the flow stream in fuse"
    if len(names) == 1 and names[0] in row.fuse:
        yield f"{where}.fuse: {names[0]} is the stream itself"
    for key, found in (("stream", names), ("fuse", row.fuse)):
        for name in found:
            if name not in streams:
                yield f"{where}.{key}: {name} is not in streams; {suggestion(name, streams)}"
