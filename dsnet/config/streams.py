"""Which streams and fusions the tables, figures and pages of a configuration are about."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from dsnet import registry
from dsnet.config.schema import Config
from dsnet.losses import LOSSES

# A fusion: its streams in the order of its file, and the kind.
Fusion = tuple[tuple[str, ...], str]


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


def losses_by_name(config: Config) -> dict[str, str]:
    """The places of all losses, dsnet's own and those of ``plugins`` (see ``dsnet.registry``)."""
    return registry.places("LOSSES", LOSSES, config["plugins"])


def fusion_kinds(config: Config) -> dict[str, str]:
    """The places of all fusions, dsnet's own and those of ``plugins``."""
    return registry.places("FUSIONS", registry.FUSIONS, config["plugins"])


def titles(config: Config) -> dict[str, str]:
    """The streams' titles by name, in the order of the streams."""
    return {name: stream["title"] for name, stream in config["streams"].items()}


def kinds(config: Config) -> list[str]:
    """The kinds of the data sets to run, each once."""
    return list(dict.fromkeys(config["catalogue"][name]["kind"] for name in config["datasets"]))


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
    """The streams that have a teacher, listed in Table 1 or not."""
    return [name for name, stream in config["streams"].items() if stream["teacher"]]


def shown(config: Config) -> list[str]:
    """The streams of Table 1, which figures and pairs of methods show too."""
    names = [*config["tables"]["two_stream"], *students(config)]
    return [name for name in config["streams"] if name in names]


def featured(config: Config) -> tuple[str, str, str]:
    """The RGB stream, the student that figures and pages compare with it, and its teacher."""
    rgb, student = config["tables"]["two_stream"][0], config["tables"]["compare"][0]
    return rgb, student, _flow_beside(config, student)


def _flow_beside(config: Config, name: str) -> str:
    """The flow stream that goes with an RGB stream: its teacher, or that of the two streams."""
    return config["streams"][name]["teacher"] or config["tables"]["two_stream"][1]


def similarity_teachers(config: Config) -> dict[str, str]:
    """By RGB stream the flow stream that its features are compared with."""
    rgb = [name for name in shown(config) if config["streams"][name]["input"] == "rgb"]
    return {name: _flow_beside(config, name) for name in rgb}


def similarity_streams(config: Config) -> list[str]:
    """The streams whose features are compared: the teachers first."""
    teachers = similarity_teachers(config)
    return list(dict.fromkeys([*teachers.values(), *teachers]))


def mapped_streams(config: Config) -> list[str]:
    """The streams whose feature maps are drawn: teacher, student, rival and RGB."""
    rgb, student, teacher = featured(config)
    return list(dict.fromkeys([teacher, student, *config["tables"]["compare"], rgb]))


# --- fusions -------------------------------------------------------------------------------


def fused(config: Config, names: Iterable[str]) -> tuple[str, ...]:
    """The streams of a fusion in the order of its file: students, the RGB stream, flow streams.

    The same streams have one file, in whatever order the configuration names them.
    """
    streams, rgb = config["streams"], config["tables"]["two_stream"][0]
    order = list(streams)
    return tuple(
        sorted(names, key=lambda n: (streams[n]["input"] == "flow", n == rgb, order.index(n)))
    )


def fusions(config: Config) -> list[Fusion]:
    """The fusions that the tables need, without repetition.

    Every student with the RGB stream, with its teacher, and with both, and the two streams, by
    average and by attention; and what the ablation, the claims and the study name.
    """
    rgb, flow = config["tables"]["two_stream"]
    wanted: list[tuple[str, ...]] = [(rgb, flow)]
    for name in students(config):
        teacher = _flow_beside(config, name)
        wanted += [(name, rgb), (name, teacher), (name, rgb, teacher)]
    chosen = [(fused(config, names), kind) for names in wanted for kind in registry.FUSIONS]
    chosen += _fusions_of(config, (row for _, row in named_results(config)))
    return list(dict.fromkeys(chosen))


def ablation_fusions(config: Config) -> list[Fusion]:
    """Those of Table 2."""
    return list(dict.fromkeys(_fusions_of(config, config["tables"]["ablation"])))


def _fusions_of(config: Config, rows: Iterable[Config]) -> list[Fusion]:
    """The fusions among results that ``tables`` names."""
    return [
        (fused(config, (row["stream"], *row["fuse"])), row["by"]) for row in rows if row["fuse"]
    ]


def attention_streams(config: Config) -> set[str]:
    """The streams whose weights in the attention fusion are drawn."""
    return {*featured(config), *config["tables"]["two_stream"]}


def attention_fusions(config: Config) -> list[tuple[str, ...]]:
    """The streams of their fusions by attention; first the student's with its teacher."""
    _, student, teacher = featured(config)
    names = [names for names, kind in fusions(config) if kind == "attention"]
    names = [n for n in names if attention_streams(config).issuperset(n)]
    return sorted(names, key=lambda n: (student not in n, teacher not in n, len(n)))


def latency_rows(config: Config) -> list[tuple[str, list[str]]]:
    """Titles and streams: RGB, flow and the student, each alone and fused as in Table 1."""
    rgb, student, teacher = featured(config)
    flow = config["tables"]["two_stream"][1]
    wanted = [(rgb,), (flow,), (rgb, flow), (student,), (student, rgb), (student, teacher)]
    rows = dict.fromkeys(fused(config, set(n)) for n in (*wanted, (student, rgb, teacher)))
    title = titles(config)
    return [(" + ".join(title[name] for name in names), list(names)) for names in rows]
