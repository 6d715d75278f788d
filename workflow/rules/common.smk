# Common parts of the rules: the checked configuration, lists of files, and specs as JSON.
import functools
import math
import os
import sys
from pathlib import Path

from dsnet import sharing, starting
from dsnet.experiment import check_keys, load, streams
from dsnet.provenance import canonical, remove_leftovers
from dsnet.releases import locate
from dsnet.stages import STAGES

# The folder of `dsnet`, also if another workflow takes this one as a module.
ROOT = Path(str(workflow.current_basedir)).parents[1]

# Jobs use the `python` that runs Snakemake, even if its environment is not activated. They use the
# `dsnet` beside the Snakefile, in every working directory and every environment of envs/.
os.environ.update(
    PATH=os.pathsep.join([os.path.dirname(sys.executable), *os.get_exec_path()]),
    PYTHONPATH=os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])),
)

SCHEMAS = ROOT / "workflow" / "schemas"

with starting.explained():
    for path in workflow.configfiles:
        check_keys(path)
    experiment = load(config)

RESULTS = experiment.results
DATA = experiment.data
# In a shared folder of data, shards are not needed once they are packed.
KEEP = "packed" if experiment.keep == "all" and DATA != RESULTS else experiment.keep
# A run is one training of every stream. The runs of all seeds share a setting.
OF_A_RUN = "{dataset}/split{split}/{length}f/seed{seed}"
RUN = f"{RESULTS}/{OF_A_RUN}"
SETTING = "{dataset}-split{split}-{length}f"
FETCHED = f"{DATA}/{{dataset}}/fetched.json"
COSTS = f"{RESULTS}/benchmarks"  # seconds, memory and CPU time of every job


# Variables for the paths in rules.
pathvars:
    results=RESULTS,
    logs=f"{RESULTS}/logs",
    benchmarks=COSTS,
    data=DATA,
    run=OF_A_RUN,
    first_run=OF_A_RUN.replace("{seed}", str(experiment.seeds[0])),
    setting=SETTING,


# Figures of the rules `figures` and `feature_maps`, for a split and clip length: what each shows.
SCORE_FIGURES = {
    "training": "training of every stream",
    "curves": "accuracy by epoch",
    "confusion": "confusion of classes",
    "per-class": "difference of two streams by class",
}
FEATURE_FIGURES = {"similarity": "likeness of features", "features": "feature maps"}


# Checked here: Snakemake does not show the message of an error in an input function.
with starting.explained():
    starting.check_folders(experiment, FETCHED)
    starting.check_pretrained(experiment)
    sharing.check(experiment)


onstart:
    starting.handle_sigterm_apart()
    with starting.explained():
        for line in starting.check_videos(experiment):
            logger.warning(line)
        if workflow.local_exec and not workflow.touch:  # a login node needs no GPU
            starting.check_gpus(experiment, workflow.dag.needrun_jobs())
    for folder in map(Path, {RESULTS, DATA}):
        with starting.explained():
            starting.check_writable(folder)
            starting.check_dates(folder)
        remove_leftovers(folder.rglob(".*.tmp"))
    sharing.record(experiment)


onsuccess:
    # Only a run of everything has all that a report shows.
    if any(job.rule.name in ("all", "whole") for job in workflow.dag.jobs):
        path = f"{RESULTS}/report.zip"
        logger.info(
            f"The same command with --report {path} makes a report.", extra={"report": path}
        )


wildcard_constraints:
    dataset="|".join(experiment.datasets),
    split="[0-9]+",
    length="[0-9]+",
    seed="[0-9]+",
    shard="[0-9]+",
    stream="|".join(experiment.streams),
    table="claims|study",


# --- stages ------------------------------------------------------------------------------------


@functools.cache
def code_of(stage, modules):
    """The digest of the code that determines what a stage makes; cached, for many jobs share it."""
    return STAGES[stage].digest(modules)


def determined_by(stage, chosen=None):
    """The params of a stage's rule: a change of the spec or of the code makes it run again.

    A rule of which there are several is told apart by what is ``chosen`` in place of wildcards.
    """
    declared = STAGES[stage]
    params = {}
    if declared.make_spec is not None:
        params["spec"] = lambda wildcards: declared.spec(experiment, chosen or wildcards)
    if declared.version is not None:
        params["version"] = declared.version
    if declared.has_code:
        params["code"] = lambda wildcards: code_of(
            stage, tuple(declared.modules(experiment, wildcards))
        )
    return params


def command(stage, verb=None):
    """The shell command of a stage's rule."""
    return STAGES[stage].command(verb)


def growing(amount, at_most=math.inf):
    """Minutes or megabytes for Slurm: ``amount``, twice and three times it in later attempts."""
    return lambda wildcards, attempt: min(attempt * amount, at_most)


# --- data sets ---------------------------------------------------------------------------------


def entry(wildcards):
    """The catalogue's entry of a data set."""
    return experiment.catalogue[wildcards.dataset]


def listed_files(wildcards):
    """What a manifest is read from, beside the videos themselves."""
    chosen = entry(wildcards)
    if chosen.kind == "motions":
        # Not the folder: if copying changes its time stamp, Snakemake cannot compare its content.
        return [f"{chosen.videos}.json"]
    if chosen.fetch:
        # Only this file: the videos may not be there yet.
        return [FETCHED.format(**wildcards)]
    if chosen.lists:
        return sorted(str(path) for path in Path(chosen.lists).glob("*.txt"))
    return [chosen.csv] if chosen.csv else []


@functools.cache
def videos_digest(dataset):
    """The digest of the names and sizes of a data set's videos; taken once, as it asks for each."""
    chosen = experiment.catalogue[dataset]
    if chosen.kind == "motions" or chosen.fetch:
        return None
    from dsnet.datasets import fingerprint  # imports pandas

    return fingerprint(chosen.values())


def shards(kind, datasets=experiment.datasets):
    """All shards of ``frames`` or ``flow`` of some data sets, by default all."""
    return [
        f"{DATA}/{dataset}/{kind}/{shard:04d}.h5"
        for dataset in datasets
        for shard in range(experiment.catalogue[dataset].shards)
    ]


def passing(path):
    """A shard's path; with `keep: clips` Snakemake removes the shard once clips.h5 is packed."""
    return temp(path) if KEEP == "clips" else path


def clips():
    """The clips of all data sets."""
    return [f"{DATA}/{dataset}/clips.h5" for dataset in experiment.datasets]


# --- streams and their fusions -----------------------------------------------------------------


def of_splits(pattern, **more):
    """A pattern for every data set, split and clip length, and ``more``."""
    return expand(
        pattern,
        dataset=experiment.datasets,
        split=experiment.splits,
        length=experiment.clip_lengths,
        **more,
    )


def runs():
    """Folders of the runs: every data set, split, clip length and seed."""
    return of_splits(RUN, seed=experiment.seeds)


def seeds_of(wildcards):
    """Folders of the runs that differ in the seed alone."""
    return [RUN.format(**wildcards, seed=seed) for seed in experiment.seeds]


def ablation_runs():
    """The runs of the first data set, split and clip length, which Table 2 is about."""
    return expand(
        RUN,
        dataset=experiment.datasets[0],
        split=experiment.splits[0],
        length=experiment.clip_lengths[0],
        seed=experiment.seeds,
    )


def model_of(wildcards, role):
    """The model that a stream is started from (``init``), or of a teacher, by the key of either."""
    stream = experiment.streams[wildcards.stream]
    if role == "init" and stream.pretrained is not None:
        return locate(stream.pretrained, int(wildcards.length), entry(wildcards).kind)
    return (
        f"{RUN.format(**wildcards)}/{getattr(stream, role)}/model.pt"
        if getattr(stream, role)
        else []
    )


def training_of(wildcards):
    """How a stream is trained."""
    return experiment.streams[wildcards.stream].training


def per_stream(name, names=experiment.streams):
    """The file ``name`` of some streams, by default all, of every run."""
    return [f"{run}/{stream}/{name}" for run in runs() for stream in names]


def fusion_file(run, names, kind):
    """The file of a fusion of some streams."""
    return f"{run}/fusion/{'+'.join(names)}.{kind}.json"


def all_fusions():
    """The fusions that the tables need, of every run."""
    return [fusion_file(run, *each) for run in runs() for each in streams.fusions(experiment)]


def ablation_fusions():
    """The fusions of Table 2."""
    return [
        fusion_file(run, *each)
        for run in ablation_runs()
        for each in streams.ablation_fusions(experiment)
    ]


def intermediates():
    """What is made on the way to the tables and made again when it was deleted."""
    entries = [experiment.catalogue[dataset] for dataset in experiment.datasets]
    return (
        [chosen.videos for chosen in entries if chosen.kind == "motions"]
        + (shards("frames") + shards("flow") if KEEP == "all" else [])
        + clips()
        + per_stream("model.pt")
        + per_stream("scores.h5")
        + all_fusions()
    )


# --- tables, figures and pages -----------------------------------------------------------------


def of_all_seeds(name):
    """An input function: the file ``name`` of all seeds and shown streams of a split and length."""
    return lambda wildcards: [
        f"{run}/{stream}/{name}"
        for run in seeds_of(wildcards)
        for stream in streams.shown(experiment)
    ]


def weighed(wildcards):
    """The fusions whose weights are drawn, of every seed."""
    return [
        fusion_file(run, names, "attention")
        for names in streams.attention_fusions(experiment)
        for run in seeds_of(wildcards)
    ]


def answers():
    """The tables that the configuration may leave empty."""
    return [name for name in ("claims", "study") if getattr(experiment.tables, name)]


def tables():
    """All tables of results."""
    return ["table1", *["table2"] * bool(experiment.tables.ablation), "significance", *answers()]


def figures():
    """All figures of the experiment."""
    kinds = (*SCORE_FIGURES, "attention", *FEATURE_FIGURES)
    stems = of_splits(f"{SETTING}-{{kind}}", kind=kinds)
    stems += [f"{dataset}-contact" for dataset in experiment.datasets]
    stems += ["table1", "cost", *answers()]
    return [f"{RESULTS}/figures/{stem}.{suffix}" for stem in stems for suffix in ("png", "svg")]


def pages():
    """All pages to read in a browser."""
    return [
        *of_splits(f"{RESULTS}/figures/{SETTING}-classes.html"),
        f"{RESULTS}/summary.html",
        f"{RESULTS}/provenance.html",
    ]
