# Pages to read in a browser.
localrules:
    provenance,


rule provenance:
    # Versions, commit, settings of every artifact, time and memory; last, to know of all jobs.
    input:
        clips=[f"{RESULTS}/{dataset}/clips.h5" for dataset in cfg["datasets"]],
        models=per_stream("model.pt"),
        scores=per_stream("scores.h5"),
        fusions=all_fusions(),
        others=[*rules.table1.output, *rules.table2.output, *rules.significance.output]
        + [path for table in answers() for path in getattr(rules, table).output]
        + [*rules.latency.output, *figures()],
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
        spec=lambda wildcards: canonical(stream_titles()),
        code=code_digest("dsnet.pages.provenance"),
        templates=templates_digest(),
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
