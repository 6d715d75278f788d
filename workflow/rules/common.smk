# What the rules share: the checked configuration, specs as JSON, and lists of files.
import argparse
import fcntl
import functools
import json
import os
import sys
import tempfile
import time
import zlib
from pathlib import Path

from snakemake.exceptions import WorkflowError

from dsnet import config as settings
from dsnet import live, store
from dsnet.datasets import fingerprint
from dsnet.fetching.sources import SOURCES
from dsnet.provenance import canonical, code_digest, file_digest
from dsnet.releases import PretrainedError, locate

# `python` is the one that runs Snakemake, also where its environment is not activated.
os.environ.update(PATH=os.pathsep.join([os.path.dirname(sys.executable), *os.get_exec_path()]))


def become_own_array_task():
    """In a task of a Slurm job array, go on as the job of this task.

    The executor starts every task as the job of the first one, lets it run the command of its own
    job, and then judges it by the first one's output: a task that ends before the first one fails,
    and one that fails removes what the first one made (snakemake-executor-plugin-slurm, issue 447).
    As the job that it is, a task is judged by its own output.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--slurm-jobstep-array-execs")
    commands = parser.parse_known_args()[0].slurm_jobstep_array_execs
    task = os.environ.get("SLURM_ARRAY_TASK_ID")
    if commands and task != os.environ.get("SLURM_ARRAY_TASK_MIN"):
        from snakemake_executor_plugin_slurm_jobstep import parse_array_execs

        command = zlib.decompress(bytes.fromhex(parse_array_execs(commands)[task]))
        os.execvp("sh", ["sh", "-c", command.decode()])


if workflow.is_main_process:
    live.attach(workflow)
else:
    become_own_array_task()

SCHEMAS = Path(workflow.basedir) / "workflow" / "schemas"

try:
    cfg = settings.resolve(config, settings.load_schema(SCHEMAS / "config.schema.yaml"))
except settings.ConfigError as error:
    raise WorkflowError(str(error)) from None

RESULTS = cfg["results"]
DATASET = f"{RESULTS}/{{dataset}}"
RUN = f"{DATASET}/split{{split}}/{{length}}f/seed{{seed}}"
TABLES = f"{RESULTS}/tables"
FIGURES = f"{RESULTS}/figures"
FIRST_SEED = f"{DATASET}/split{{split}}/{{length}}f/seed{cfg['seeds'][0]}"
OF_A_RUN = f"{FIGURES}/{{dataset}}-split{{split}}-{{length}}f"
KINDS = ("training", "curves", "confusion", "per-class")
FEATURES = ("similarity", "features")
LOGS = f"{RESULTS}/logs"
COSTS = f"{RESULTS}/benchmarks"  # seconds, memory and CPU time of every job


def forget_killed_runs():
    """Remove the lock that a killed run left in this folder, unless another run is alive.

    Every run shares a lock on one file, which the kernel releases however the run ends: who can
    have it alone is the only one. Where the file system has no such locks, `snakemake --unlock`
    remains. Returns the file, to be kept open.
    """
    folder = Path(".snakemake")
    folder.mkdir(exist_ok=True)
    alive = open(folder / "alive", "a")
    try:
        fcntl.flock(alive, fcntl.LOCK_EX | fcntl.LOCK_NB)
        for lock in folder.glob("locks/*.lock"):
            lock.unlink(missing_ok=True)
    except OSError:
        pass
    try:
        fcntl.flock(alive, fcntl.LOCK_SH)
    except OSError:
        pass
    return alive


# Not in the jobs that a cluster runs, which are no runs of their own.
ALIVE = forget_killed_runs() if workflow.is_main_process else None


wildcard_constraints:
    dataset="|".join(cfg["datasets"]),
    split="[0-9]+",
    length="[0-9]+",
    seed="[0-9]+",
    shard="[0-9]+",
    stream="|".join(cfg["streams"]),
    fused="({0})([+]({0}))+".format("|".join(cfg["streams"])),
    kind="|".join(settings.KINDS),
    table="claims|study",


def check_writable():
    """Stop before the first job where the results cannot be written."""
    place = Path(RESULTS)
    while not place.exists():
        place = place.parent
    try:
        tempfile.TemporaryFile(dir=place).close()
    except OSError as error:
        raise WorkflowError(
            f"results: {place} cannot be written to ({error.strerror}); make it writable, or set "
            f"the key results to another folder"
        ) from None


def end_the_future():
    """Give results that are dated in the future, as after a clock went back, the present time."""
    # Snakemake would let every job fail whose output is older than its input.
    now = time.time()
    for path in Path(RESULTS).rglob("*"):
        try:
            if path.lstat().st_mtime > now:
                os.utime(path, follow_symlinks=False)
        except OSError:
            pass  # another user's, or gone


onstart:
    check_writable()
    end_the_future()


def entry(wildcards):
    """The catalogue's entry of a data set."""
    return cfg["catalogue"][wildcards.dataset]


def check_folders():
    """Stop with a hint where a data set to run lacks its folders."""
    for dataset in cfg["datasets"]:
        chosen = cfg["catalogue"][dataset]
        fetched = Path(DATASET.format(dataset=dataset), "fetched.json")
        if chosen["fetch"] and not fetched.exists():
            continue
        for name in ("videos", "lists") if chosen["kind"] != "motions" else ():
            if chosen[name] and not os.path.isdir(chosen[name]):
                hint = "put or link it there, or set the key to where it is"
                if chosen["kind"] in SOURCES:
                    hint += f"; `dsnet fetch {chosen['kind']}` or fetch: true gets it"
                if chosen["fetch"]:
                    hint = f"delete {fetched} to have it fetched again"
                raise WorkflowError(
                    f"catalogue.{dataset}.{name}: there is no folder {chosen[name]} (looked in "
                    f"{os.getcwd()}); {hint}"
                )


check_folders()


def check_pretrained():
    """Stop with instructions where weights to start from are not there."""
    # Here, since Snakemake does not show the message of an error in an input function.
    for name, stream in cfg["streams"].items():
        for length in cfg["clip_lengths"] if stream["pretrained"] else ():
            try:
                locate(stream["pretrained"], length)
            except PretrainedError as error:
                raise WorkflowError(f"streams.{name}.{error}") from None


check_pretrained()


def listed_files(wildcards):
    """What a manifest is read from, beside the videos themselves."""
    chosen = entry(wildcards)
    if chosen["kind"] == "motions":
        # Not the folder, whose content Snakemake cannot compare when copying changed its time stamp.
        return [f"{chosen['videos']}.json"]
    if chosen["fetch"]:
        # Alone, since what is not there yet cannot be listed.
        return [f"{DATASET.format(dataset=wildcards.dataset)}/fetched.json"]
    if chosen["lists"]:
        return sorted(str(path) for path in Path(chosen["lists"]).glob("*.txt"))
    return [chosen["csv"]] if chosen["csv"] else []


@functools.cache
def videos_digest(dataset):
    """Of the names and sizes of a data set's videos; taken once, since it asks for every file."""
    chosen = cfg["catalogue"][dataset]
    made = chosen["kind"] == "motions" or chosen["fetch"]
    return None if made else fingerprint(chosen)


def shard_files(kind):
    """An input function: all shards of ``frames`` or ``flow``."""
    return lambda wildcards: [
        f"{RESULTS}/{wildcards.dataset}/{kind}/{shard:04d}.h5"
        for shard in range(entry(wildcards)["shards"])
    ]


def shards(kind):
    """All shards of ``frames`` or ``flow`` of all data sets."""
    return [
        f"{RESULTS}/{dataset}/{kind}/{shard:04d}.h5"
        for dataset in cfg["datasets"]
        for shard in range(cfg["catalogue"][dataset]["shards"])
    ]


def run_of(wildcards):
    """The folder of the streams of one data set, split, clip length and seed."""
    return RUN.format(**wildcards)


def model_of(wildcards, role):
    """The model that a stream is started from (``init``) or distilled from (``teacher``)."""
    stream = cfg["streams"][wildcards.stream]
    if role == "init" and stream["pretrained"] is not None:
        return locate(stream["pretrained"], int(wildcards.length))
    return f"{run_of(wildcards)}/{stream[role]}/model.pt" if stream[role] else []


def train_spec(wildcards):
    """The spec of a stream, as JSON."""
    return canonical(
        settings.train_spec(
            cfg,
            wildcards.dataset,
            int(wildcards.split),
            int(wildcards.length),
            int(wildcards.seed),
            wildcards.stream,
        )
    )


# The digest of the code that trains a stream; taken once, since it reads all of it.
TRAIN_CODE = {taught: settings.train_code(taught) for taught in (False, True)}


def train_code(wildcards):
    """The digest of the code that trains a stream."""
    return TRAIN_CODE[cfg["streams"][wildcards.stream]["teacher"] is not None]


def training(key, stream=None):
    """How a stream is computed: a key of its ``training``, or of everybody's."""
    return (cfg["streams"][stream] if stream else cfg)["training"][key]


def processes(stream):
    """How many processes train or score a stream together."""
    return settings.processes(cfg["streams"][stream]["training"])


def busy(stream):
    """Cores that they keep busy; those that prepare clips are busy too."""
    return processes(stream) * (training("threads", stream) + training("workers", stream))


def runs():
    """Folders of the runs: every data set, split, clip length and seed."""
    return [
        RUN.format(dataset=d, split=s, length=t, seed=i)
        for d in cfg["datasets"]
        for s in cfg["splits"]
        for t in cfg["clip_lengths"]
        for i in cfg["seeds"]
    ]


def per_stream(name, streams=cfg["streams"]):
    """The file ``name`` of some streams, by default all, of every run."""
    return [f"{run}/{stream}/{name}" for run in runs() for stream in streams]


def all_fusions():
    """The fusions that the tables need, of every run."""
    return [
        f"{run}/fusion/{'+'.join(names)}.{kind}.json"
        for run in runs()
        for names, kind in settings.fusions(cfg)
    ]


def fused_scores(wildcards):
    """The scores of the streams of a fusion."""
    return [f"{run_of(wildcards)}/{name}/scores.h5" for name in wildcards.fused.split("+")]


def intermediates():
    """What is made on the way to the tables; what of it was deleted is made again."""
    clips = [f"{RESULTS}/{dataset}/clips.h5" for dataset in cfg["datasets"]]
    videos = [
        cfg["catalogue"][dataset]["videos"]
        for dataset in cfg["datasets"]
        if cfg["catalogue"][dataset]["kind"] == "motions"
    ]
    return (
        videos
        + shards("frames")
        + shards("flow")
        + clips
        + per_stream("model.pt")
        + per_stream("scores.h5")
        + all_fusions()
    )


def table_spec(wildcards):
    """What the tables need of the configuration, as JSON, with the streams in their order."""
    # A function, since Snakemake would take {clip_length} in a string for a wildcard.
    shown = ("title", "input", "init", "pretrained", "teacher")
    streams = {name: {key: stream[key] for key in shown} for name, stream in cfg["streams"].items()}
    titles = {name: cfg["catalogue"][name]["title"] for name in cfg["datasets"]}
    tables = {**cfg["tables"], "students": settings.students(cfg)}
    spec = {"streams": streams, "tables": tables, "titles": titles}
    return json.dumps(spec, ensure_ascii=False)


def paper_digest():
    """Of the paper's own numbers, which lie beside the code."""
    return [
        file_digest(path) for path in sorted((SCHEMAS.parents[1] / "dsnet/paper").glob("*.csv"))
    ]


def templates_digest():
    """Of the pages' templates, which lie beside the code."""
    folder = SCHEMAS.parents[1] / "dsnet/pages/templates"
    return [file_digest(path) for path in sorted(folder.iterdir())]


TITLES = {name: stream["title"] for name, stream in cfg["streams"].items()}


def stream_titles(wildcards):
    """The streams' titles by name, as JSON."""
    return canonical(TITLES)


def ordered_titles(wildcards):
    """The same with the streams in their order."""
    return json.dumps(TITLES, ensure_ascii=False)


def map_spec(wildcards):
    """The titles, and the streams whose feature maps are shown: teacher, student, rival and RGB."""
    rgb, student, teacher = chosen_streams()
    shown = list(dict.fromkeys([teacher, student, *cfg["tables"]["compare"], rgb]))
    return canonical({"titles": TITLES, "shown": shown})


def ablation_runs():
    """The runs of the first data set, split and clip length, which Table 2 is about."""
    return [
        RUN.format(
            dataset=cfg["datasets"][0],
            split=cfg["splits"][0],
            length=cfg["clip_lengths"][0],
            seed=seed,
        )
        for seed in cfg["seeds"]
    ]


def ablation_fusions():
    """The fusions of Table 2."""
    rows = [row for row in cfg["tables"]["ablation"] if row["fuse"]]
    chosen = [(settings.fused(cfg, (row["stream"], *row["fuse"])), row["by"]) for row in rows]
    return [
        f"{run}/fusion/{'+'.join(names)}.{kind}.json"
        for run in ablation_runs()
        for names, kind in dict.fromkeys(chosen)
    ]


def figures():
    """All figures of the experiment."""
    stems = [
        f"{OF_A_RUN}-{kind}".format(dataset=d, split=s, length=t)
        for d in cfg["datasets"]
        for s in cfg["splits"]
        for t in cfg["clip_lengths"]
        for kind in (*KINDS, "attention", *FEATURES)
    ]
    stems += [f"{FIGURES}/{dataset}-contact" for dataset in cfg["datasets"]]
    stems += [f"{FIGURES}/{table}" for table in ("table1", "cost", *answers())]
    return [f"{stem}.{suffix}" for stem in stems for suffix in ("png", "svg")]


def chosen_streams():
    """The RGB stream, the student that figures and pages compare with it, and its teacher."""
    rgb, flow = cfg["tables"]["two_stream"]
    student = cfg["tables"]["compare"][0]
    return [rgb, student, cfg["streams"][student]["teacher"] or flow]


def teachers():
    """By RGB stream the flow stream that its features are compared with."""
    flow = cfg["tables"]["two_stream"][1]
    streams = {name: cfg["streams"][name] for name in settings.shown(cfg)}
    return {n: s["teacher"] or flow for n, s in streams.items() if s["input"] == "rgb"}


def compared():
    """The streams whose features are compared: the teachers first."""
    return list(dict.fromkeys([*teachers().values(), *teachers()]))


def pages():
    """All pages to read in a browser."""
    stems = [
        OF_A_RUN.format(dataset=d, split=s, length=t)
        for d in cfg["datasets"]
        for s in cfg["splits"]
        for t in cfg["clip_lengths"]
    ]
    return [*(f"{stem}-classes.html" for stem in stems), f"{RESULTS}/provenance.html"]


def of_a_run(name):
    """An input function: the file of all seeds and shown streams of one split and clip length."""
    return lambda wildcards: [
        f"{RUN.format(**wildcards, seed=seed)}/{stream}/{name}"
        for seed in cfg["seeds"]
        for stream in settings.shown(cfg)
    ]


def answers():
    """The tables that the configuration may leave empty."""
    return [name for name in ("claims", "study") if cfg["tables"][name]]


def latency_rows():
    """Titles and streams: RGB, flow and the student, each alone and fused as in Table 1."""
    rgb, student, teacher = chosen_streams()
    flow = cfg["tables"]["two_stream"][1]
    wanted = [(rgb,), (flow,), (rgb, flow), (student,), (student, rgb), (student, teacher)]
    wanted = [settings.fused(cfg, set(names)) for names in (*wanted, (student, rgb, teacher))]
    return [[" + ".join(TITLES[n] for n in names), list(names)] for names in dict.fromkeys(wanted)]


def weighed_streams():
    """The streams whose weights in the attention fusion are drawn."""
    return {*chosen_streams(), *cfg["tables"]["two_stream"]}


def weighed(wildcards):
    """Their fusions by attention, of every seed; first the student's with its teacher."""
    _, student, teacher = chosen_streams()
    names = [names for names, kind in settings.fusions(cfg) if kind == "attention"]
    names = [n for n in names if weighed_streams().issuperset(n)]
    return [
        f"{RUN.format(**wildcards, seed=seed)}/fusion/{'+'.join(streams)}.attention.json"
        for streams in sorted(names, key=lambda n: (student not in n, teacher not in n, len(n)))
        for seed in cfg["seeds"]
    ]


def attention_spec():
    """What the figure of those weights needs of the configuration, as JSON."""
    streams = {
        name: {key: cfg["streams"][name][key] for key in ("title", "input")}
        for name in weighed_streams()
    }
    return canonical({"streams": streams, "rgb": cfg["tables"]["two_stream"][0]})
