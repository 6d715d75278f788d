# What distillation did to the features, and pages to read in a browser.
localrules:
    features,
    classes,
    provenance,


rule similarity:
    """Compare the features of students and teacher, level by level, on some test clips."""
    input:
        clips=rules.pack.output.clips,
        models=[f"{RUN}/{name}/model.pt" for name in streams.similarity_streams(experiment)],
    output:
        table=f"{RUN}/similarity.csv",
        maps=f"{RUN}/maps.npz",
    log:
        f"{LOGS}/{{dataset}}/split{{split}}/{{length}}f/seed{{seed}}/similarity.log",
    benchmark:
        f"{COSTS}/{{dataset}}/split{{split}}/{{length}}f/seed{{seed}}/similarity.tsv"
    conda:
        "../../envs/train.yaml"
    threads: experiment.training.threads
    resources:
        gpu=experiment.training.gpus,
        arithmetic=experiment.training.threads,
        device=experiment.training.device,
    params:
        **determined_by("similarity"),
    shell:
        command("similarity")


rule features:
    """Draw how alike the features are over all seeds, and feature maps of the first seed."""
    input:
        tables=lambda wildcards: [f"{run}/similarity.csv" for run in seeds_of(wildcards)],
        maps=f"{FIRST_SEED}/maps.npz",
    output:
        report(
            f"{OF_A_SPLIT}-similarity.png",
            category="Distillation",
            subcategory="{dataset}, split {split}, {length} frames",
            caption="../report/features.rst",
            labels={"what": "likeness of features"},
        ),
        report(
            f"{OF_A_SPLIT}-features.png",
            category="Distillation",
            subcategory="{dataset}, split {split}, {length} frames",
            caption="../report/features.rst",
            labels={"what": "feature maps"},
        ),
        expand(f"{OF_A_SPLIT}-{{kind}}.svg", kind=FEATURE_FIGURES, allow_missing=True),
    log:
        f"{LOGS}/figures/{{dataset}}-split{{split}}-{{length}}f-features.log",
    benchmark:
        f"{COSTS}/figures/{{dataset}}-split{{split}}-{{length}}f-features.tsv"
    conda:
        "../../envs/train.yaml"
    params:
        **determined_by("features"),
    shell:
        command("features")


rule classes:
    """Write a page with frames, flow and scores over time of every class."""
    input:
        clips=rules.pack.output.clips,
        scores=[f"{FIRST_SEED}/{name}/scores.h5" for name in streams.featured(experiment)],
    output:
        report(
            f"{OF_A_SPLIT}-classes.html",
            category="Classes",
            subcategory="{dataset}, split {split}, {length} frames",
            caption="../report/classes.rst",
            labels={"what": "videos, flow and scores of every class"},
        ),
    log:
        f"{LOGS}/figures/{{dataset}}-split{{split}}-{{length}}f-classes.log",
    benchmark:
        f"{COSTS}/figures/{{dataset}}-split{{split}}-{{length}}f-classes.tsv"
    conda:
        "../../envs/train.yaml"
    params:
        **determined_by("classes"),
    shell:
        command("classes")


rule provenance:
    """Write versions, settings, time and memory of every artifact; the last job of a run."""
    input:
        clips=clips(),
        models=per_stream("model.pt"),
        scores=per_stream("scores.h5"),
        fusions=all_fusions(),
        # Of whose jobs the page tells too.
        others=[*rules.table1.output, *rules.table2.output, *rules.significance.output]
        + [path for table in answers() for path in getattr(rules, table).output]
        + [*rules.latency.output, *figures(), *pages()[:-1]],
    output:
        report(
            f"{RESULTS}/provenance.html",
            category="Provenance",
            caption="../report/provenance.rst",
            labels={"what": "versions, settings, time and memory"},
        ),
    log:
        f"{LOGS}/provenance.log",
    benchmark:
        f"{COSTS}/provenance.tsv"
    conda:
        "../../envs/train.yaml"
    params:
        **determined_by("provenance"),
        benchmarks=COSTS,
    shell:
        command("provenance")
