# Effects of distillation on the features, and pages for a browser.
rule similarity:
    """Compare the features of students and teacher, level by level, on some test clips."""
    input:
        clips=rules.pack.output.clips,
        models=[
            f"<results>/<run>/{name}/model.pt" for name in streams.similarity_streams(experiment)
        ],
    output:
        table="<results>/<run>/similarity.csv",
        maps="<results>/<run>/maps.npz",
    log:
        "<logs>/<run>/similarity.log",
    benchmark:
        "<benchmarks>/<run>/similarity.tsv"
    conda:
        "../../envs/train.yaml"
    threads: experiment.training.threads
    resources:
        gpu=experiment.training.n_gpus(),
        arithmetic=experiment.training.threads,
        device=experiment.training.device,
        runtime=growing(60),
        mem_mb=growing(16000),
    params:
        **determined_by("similarity"),
    shell:
        command("similarity")


rule feature_maps:
    """Draw how alike the features are over all seeds, and feature maps of the first seed."""
    input:
        tables=lambda wildcards: [f"{run}/similarity.csv" for run in seeds_of(wildcards)],
        maps="<results>/<first_run>/maps.npz",
    output:
        expand("<results>/figures/<setting>-{kind}.png", kind=FEATURE_FIGURES, allow_missing=True),
        [
            report(
                f"<results>/figures/<setting>-{kind}.svg",
                category="Distillation",
                subcategory="{dataset}, split {split}, {length} frames",
                caption="../report/features.rst",
                labels={"what": what},
            )
            for kind, what in FEATURE_FIGURES.items()
        ],
    log:
        "<logs>/figures/<setting>-features.log",
    benchmark:
        "<benchmarks>/figures/<setting>-features.tsv"
    localrule: True
    conda:
        "../../envs/train.yaml"
    params:
        **determined_by("feature_maps"),
    shell:
        command("feature_maps")


rule classes:
    """Write a page with frames, flow and scores over time of every class, and a table of them."""
    input:
        clips=rules.pack.output.clips,
        scores=[f"<results>/<first_run>/{name}/scores.h5" for name in streams.featured(experiment)],
        every=of_all_seeds("scores.h5"),
    output:
        report(
            "<results>/figures/<setting>-classes.html",
            category="Classes",
            subcategory="{dataset}, split {split}, {length} frames",
            caption="../report/classes.rst",
            labels={"what": "videos, flow and scores of every class"},
        ),
        "<results>/tables/<setting>-classes.csv",
    log:
        "<logs>/figures/<setting>-classes.log",
    benchmark:
        "<benchmarks>/figures/<setting>-classes.tsv"
    localrule: True
    conda:
        "../../envs/train.yaml"
    params:
        **determined_by("classes"),
    shell:
        command("classes")


rule summary:
    """Write what the run found, in three numbers and one picture, for the report's first page."""
    input:
        table="<results>/tables/table1.csv",
        latency="<results>/tables/latency.csv",
        picture="<results>/figures/table1.svg",
    output:
        report(
            "<results>/summary.html",
            category="Summary",
            caption="../report/summary.rst",
            labels={"what": "three numbers and a picture"},
        ),
    log:
        "<logs>/summary.log",
    benchmark:
        "<benchmarks>/summary.tsv"
    localrule: True
    conda:
        "../../envs/train.yaml"
    params:
        **determined_by("summary"),
    shell:
        command("summary")


rule provenance:
    """Write versions, settings, time and memory of every artifact; the last job of a run."""
    input:
        clips=clips(),
        models=per_stream("model.pt"),
        scores=per_stream("scores.h5"),
        fusions=all_fusions(),
        # The page lists the jobs of these files too.
        others=[path for table in tables() for path in getattr(rules, table).output]
        + [*rules.latency.output, *figures(), *pages()[:-1]],
    output:
        report(
            "<results>/provenance.html",
            category="Provenance",
            caption="../report/provenance.rst",
            labels={"what": "versions, settings, time and memory"},
        ),
    log:
        "<logs>/provenance.log",
    benchmark:
        "<benchmarks>/provenance.tsv"
    localrule: True
    conda:
        "../../envs/train.yaml"
    params:
        **determined_by("provenance"),
        benchmarks=COSTS,
    shell:
        command("provenance")
