# What the rules share: the checked configuration, lists of files, and specs as JSON.
import functools
import os
import sys
from pathlib import Path

from dsnet import config as settings
from dsnet import live, starting, store
from dsnet.datasets import fingerprint
from dsnet.provenance import PACKAGE, canonical, file_digest
from dsnet.releases import locate

# `python` is the one that runs Snakemake, also where its environment is not activated.
os.environ.update(PATH=os.pathsep.join([os.path.dirname(sys.executable), *os.get_exec_path()]))

if workflow.is_main_process:
    live.attach(workflow)
else:
    starting.become_own_array_task()

SCHEMAS = Path(workflow.basedir) / "workflow" / "schemas"

with starting.explained():
    cfg = settings.resolve(config, settings.load_schema(SCHEMAS / "config.schema.yaml"))

# Not in the jobs that a cluster runs, which are no runs of their own.
ALIVE = starting.forget_killed_runs(Path(".snakemake")) if workflow.is_main_process else None

RESULTS = cfg["results"]
DATA = cfg["data"]
# In a folder of other results, no shard is removed, and none is missed once it is packed.
KEEP = cfg["keep"] if DATA == RESULTS else "shared"
DATASET = f"{DATA}/{{dataset}}"
RUN = f"{RESULTS}/{{dataset}}/split{{split}}/{{length}}f/seed{{seed}}"
FIRST_SEED = f"{RESULTS}/{{dataset}}/split{{split}}/{{length}}f/seed{cfg['seeds'][0]}"
TABLES = f"{RESULTS}/tables"
FIGURES = f"{RESULTS}/figures"
OF_A_SPLIT = f"{FIGURES}/{{dataset}}-split{{split}}-{{length}}f"
LOGS = f"{RESULTS}/logs"
COSTS = f"{RESULTS}/benchmarks"  # seconds, memory and CPU time of every job
FETCHED = f"{DATASET}/fetched.json"
# What the rules `figures` and `features` draw of a split and clip length.
SCORE_FIGURES = ("training", "curves", "confusion", "per-class")
FEATURE_FIGURES = ("similarity", "features")


# Here, since Snakemake does not show the message of an error in an input function.
with starting.explained():
    starting.check_folders(cfg, FETCHED)
    starting.check_pretrained(cfg)
    starting.check_data(cfg)


onstart:
    for folder in map(Path, {RESULTS, DATA}):
        with starting.explained():
            starting.check_writable(folder)
        starting.end_the_future(folder)
    # A run that ends with shards keeps them. Snakemake would remove frames once their flow is there,
    # and the next run, which packs both, would compute both again.
    if any(job.rule.name in ("frames", "flow_shard") for job in workflow.dag.targetjobs):
        workflow.storage_settings.notemp = True


wildcard_constraints:
    dataset="|".join(cfg["datasets"]),
    split="[0-9]+",
    length="[0-9]+",
    seed="[0-9]+",
    shard="[0-9]+",
    stream="|".join(cfg["streams"]),
    fused="({0})([+]({0}))+".format("|".join(cfg["streams"])),
    kind="|".join(settings.fusion_kinds(cfg)),
    table="claims|study",


stage_code = functools.cache(settings.stage_code)  # it reads the code of many modules


# --- data sets ---------------------------------------------------------------------------------


def entry(wildcards):
    """The catalogue's entry of a data set."""
    return cfg["catalogue"][wildcards.dataset]


def listed_files(wildcards):
    """What a manifest is read from, beside the videos themselves."""
    chosen = entry(wildcards)
    if chosen["kind"] == "motions":
        # Not the folder, whose content Snakemake cannot compare when copying changed its time stamp.
        return [f"{chosen['videos']}.json"]
    if chosen["fetch"]:
        # Alone, since what is not there yet cannot be listed.
        return [FETCHED.format(**wildcards)]
    if chosen["lists"]:
        return sorted(str(path) for path in Path(chosen["lists"]).glob("*.txt"))
    return [chosen["csv"]] if chosen["csv"] else []


@functools.cache
def videos_digest(dataset):
    """The digest of the names and sizes of a data set's videos; taken once, as it asks for each."""
    chosen = cfg["catalogue"][dataset]
    made = chosen["kind"] == "motions" or chosen["fetch"]
    return None if made else fingerprint(chosen)


def shards(kind, datasets=cfg["datasets"]):
    """All shards of ``frames`` or ``flow`` of some data sets, by default all."""
    return [
        f"{DATA}/{dataset}/{kind}/{shard:04d}.h5"
        for dataset in datasets
        for shard in range(cfg["catalogue"][dataset]["shards"])
    ]


def passing(path):
    """A shard's path; with `keep: clips` Snakemake removes the shard once clips.h5 is packed."""
    return temp(path) if KEEP == "clips" else path


def clips():
    """The clips of all data sets."""
    return [f"{DATA}/{dataset}/clips.h5" for dataset in cfg["datasets"]]


# --- streams and their fusions -----------------------------------------------------------------


def of_splits(pattern, **more):
    """A pattern for every data set, split and clip length, and ``more``."""
    return expand(
        pattern,
        dataset=cfg["datasets"],
        split=cfg["splits"],
        length=cfg["clip_lengths"],
        **more,
    )


def runs():
    """Folders of the runs: every data set, split, clip length and seed."""
    return of_splits(RUN, seed=cfg["seeds"])


def seeds_of(wildcards):
    """Folders of the runs that differ in the seed alone."""
    return [RUN.format(**wildcards, seed=seed) for seed in cfg["seeds"]]


def ablation_runs():
    """The runs of the first data set, split and clip length, which Table 2 is about."""
    return expand(
        RUN,
        dataset=cfg["datasets"][0],
        split=cfg["splits"][0],
        length=cfg["clip_lengths"][0],
        seed=cfg["seeds"],
    )


def model_of(wildcards, role):
    """The model that a stream is started from (``init``) or distilled from (``teacher``)."""
    stream = cfg["streams"][wildcards.stream]
    if role == "init" and stream["pretrained"] is not None:
        return locate(stream["pretrained"], int(wildcards.length), entry(wildcards)["kind"])
    return f"{RUN.format(**wildcards)}/{stream[role]}/model.pt" if stream[role] else []


def training_of(wildcards):
    """How a stream is trained."""
    return cfg["streams"][wildcards.stream]["training"]


def train_spec(wildcards):
    """The spec of a stream, as JSON."""
    split, length, seed = (int(wildcards[name]) for name in ("split", "length", "seed"))
    return canonical(
        settings.train_spec(cfg, wildcards.dataset, split, length, seed, wildcards.stream)
    )


@functools.cache
def train_code(stream):
    """The digest of the code that trains a stream."""
    return settings.train_code(cfg, stream)


def per_stream(name, streams=cfg["streams"]):
    """The file ``name`` of some streams, by default all, of every run."""
    return [f"{run}/{stream}/{name}" for run in runs() for stream in streams]


def fused_scores(wildcards):
    """The scores of the streams of a fusion."""
    return [f"{RUN.format(**wildcards)}/{s}/scores.h5" for s in wildcards.fused.split("+")]


def fusion_file(run, streams, kind):
    """The file of a fusion of some streams."""
    return f"{run}/fusion/{'+'.join(streams)}.{kind}.json"


def all_fusions():
    """The fusions that the tables need, of every run."""
    return [fusion_file(run, *each) for run in runs() for each in settings.fusions(cfg)]


def ablation_fusions():
    """The fusions of Table 2."""
    return [
        fusion_file(run, *each)
        for run in ablation_runs()
        for each in settings.ablation_fusions(cfg)
    ]


def intermediates():
    """What is made on the way to the tables and made again when it was deleted."""
    entries = [cfg["catalogue"][dataset] for dataset in cfg["datasets"]]
    return (
        [chosen["videos"] for chosen in entries if chosen["kind"] == "motions"]
        + (shards("frames") + shards("flow") if KEEP == "all" else [])
        + clips()
        + per_stream("model.pt")
        + per_stream("scores.h5")
        + all_fusions()
    )


# --- tables, figures and pages -----------------------------------------------------------------


def data_digests(pattern):
    """The digests of files that lie beside the code."""
    return [file_digest(path) for path in sorted(PACKAGE.glob(pattern))]


# Functions, since Snakemake would take a {word} of a title or path in a string for a wildcard.
def tables_spec(*keys):
    """What a table needs of the configuration, as JSON with the streams in their order."""
    return lambda wildcards: settings.ordered_json(settings.tables_spec(cfg, keys))


def titles(wildcards):
    """The streams' titles by name, as JSON."""
    return canonical(settings.titles(cfg))


def ordered_titles(wildcards):
    """The same with the streams in their order."""
    return settings.ordered_json(settings.titles(cfg))


def maps_spec(wildcards):
    """What the figure of feature maps needs, as JSON."""
    return canonical(settings.maps_spec(cfg))


def attention_spec(wildcards):
    """What the figure of the attention fusion's weights needs, as JSON."""
    return canonical(settings.attention_spec(cfg))


def latency_spec(wildcards):
    """How the cost of inference is measured, and of what, as JSON."""
    return canonical(settings.latency_spec(cfg))


def of_all_seeds(name):
    """An input function: the file ``name`` of all seeds and shown streams of a split and length."""
    return lambda wildcards: [
        f"{run}/{stream}/{name}" for run in seeds_of(wildcards) for stream in settings.shown(cfg)
    ]


def weighed(wildcards):
    """The fusions whose weights are drawn, of every seed."""
    return [
        fusion_file(run, streams, "attention")
        for streams in settings.attention_fusions(cfg)
        for run in seeds_of(wildcards)
    ]


def answers():
    """The tables that the configuration may leave empty."""
    return [name for name in ("claims", "study") if cfg["tables"][name]]


def figures():
    """All figures of the experiment."""
    kinds = (*SCORE_FIGURES, "attention", *FEATURE_FIGURES)
    stems = of_splits(f"{OF_A_SPLIT}-{{kind}}", kind=kinds)
    stems += [f"{FIGURES}/{dataset}-contact" for dataset in cfg["datasets"]]
    stems += [f"{FIGURES}/{table}" for table in ("table1", "cost", *answers())]
    return [f"{stem}.{suffix}" for stem in stems for suffix in ("png", "svg")]


def pages():
    """All pages to read in a browser."""
    return [*of_splits(f"{OF_A_SPLIT}-classes.html"), f"{RESULTS}/provenance.html"]
