# What distillation did to the features, and pages to read in a browser.
localrules:
    features,
    classes,
    provenance,


rule similarity:
    """Compare the features of students and teacher, level by level, on some test clips."""
    input:
        clips=rules.pack.output.clips,
        models=[f"{RUN}/{name}/model.pt" for name in settings.similarity_streams(cfg)],
    output:
        table=f"{RUN}/similarity.csv",
        maps=f"{RUN}/maps.npz",
    log:
        f"{LOGS}/{{dataset}}/split{{split}}/{{length}}f/seed{{seed}}/similarity.log",
    benchmark:
        f"{COSTS}/{{dataset}}/split{{split}}/{{length}}f/seed{{seed}}/similarity.tsv"
    conda:
        "../../envs/train.yaml"
    threads: cfg["training"]["threads"]
    resources:
        gpu=cfg["training"]["gpus"],
        arithmetic=cfg["training"]["threads"],
        device=cfg["training"]["device"],
    params:
        spec=canonical(settings.similarity_spec(cfg)),
        code=stage_code("similarity"),
    shell:
        "python -m dsnet similarity"
        " --spec {params.spec:q}"
        " --clips {input.clips:q}"
        " --models {input.models:q}"
        " --device {resources.device}"
        " --threads {resources.arithmetic}"
        " --table {output.table:q}"
        " --output {output.maps:q}"
        " 2> {log:q}"


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
        spec=maps_spec,
        code=stage_code("features"),
    shell:
        "python -m dsnet features"
        " --spec {params.spec:q}"
        " --tables {input.tables:q}"
        " --maps {input.maps:q}"
        " --output {output:q}"
        " 2> {log:q}"


rule classes:
    """Write a page with frames, flow and scores over time of every class."""
    input:
        clips=rules.pack.output.clips,
        scores=[f"{FIRST_SEED}/{name}/scores.h5" for name in settings.featured(cfg)],
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
        spec=titles,
        code=stage_code("classes"),
        templates=data_digests("pages/templates/*"),
    shell:
        "python -m dsnet classes"
        " --spec {params.spec:q}"
        " --clips {input.clips:q}"
        " --scores {input.scores:q}"
        " --output {output:q}"
        " 2> {log:q}"


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
        spec=ordered_titles,
        code=stage_code("provenance"),
        templates=data_digests("pages/templates/*"),
        benchmarks=COSTS,
    shell:
        "python -m dsnet provenance"
        " --spec {params.spec:q}"
        " --clips {input.clips:q}"
        " --models {input.models:q}"
        " --scores {input.scores:q}"
        " --fusions {input.fusions:q}"
        " --benchmarks {params.benchmarks:q}"
        " --output {output:q}"
        " 2> {log:q}"
