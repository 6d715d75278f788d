# Tables as CSV, Markdown and LaTeX, the paper's own numbers beside the measured ones.
# Seconds each, too short for a cluster's queue.
localrules:
    table1,
    table2,
    significance,
    claims,
    study,


rule table1:
    """Make Table 1: two streams, the students, and the rows that the paper cites."""
    input:
        scores=per_stream("scores.h5", settings.shown(cfg)),
        fusions=all_fusions(),
    output:
        report(
            multiext(f"{TABLES}/table1", ".csv", ".md", ".tex", ".html"),
            category="Tables",
            caption="../report/table1.rst",
        ),
    log:
        f"{LOGS}/table1.log",
    benchmark:
        f"{COSTS}/table1.tsv"
    conda:
        "../../envs/train.yaml"
    params:
        spec=tables_spec("two_stream", "students"),
        code=stage_code("table1"),
        paper=data_digests("paper/*.csv"),
    shell:
        "python -m dsnet table1"
        " --spec {params.spec:q}"
        " --scores {input.scores:q}"
        " --fusions {input.fusions:q}"
        " --output {output:q}"
        " 2> {log:q}"


rule table2:
    """Make Table 2, the ablation, of the first data set, split and clip length."""
    input:
        scores=[
            f"{run}/{name}/scores.h5"
            for run in ablation_runs()
            for name in dict.fromkeys(row["stream"] for row in cfg["tables"]["ablation"])
        ],
        fusions=ablation_fusions(),
    output:
        report(
            multiext(f"{TABLES}/table2", ".csv", ".md", ".tex", ".html"),
            category="Tables",
            caption="../report/table2.rst",
        ),
    log:
        f"{LOGS}/table2.log",
    benchmark:
        f"{COSTS}/table2.tsv"
    conda:
        "../../envs/train.yaml"
    params:
        spec=tables_spec("ablation"),
        code=stage_code("table2"),
        paper=data_digests("paper/*.csv"),
    shell:
        "python -m dsnet table2"
        " --spec {params.spec:q}"
        " --scores {input.scores:q}"
        " --fusions {input.fusions:q}"
        " --output {output:q}"
        " 2> {log:q}"


rule significance:
    """Test every pair of RGB streams on the same videos."""
    input:
        scores=per_stream("scores.h5", settings.shown(cfg)),
    output:
        report(
            multiext(f"{TABLES}/significance", ".csv", ".md", ".tex", ".html"),
            category="Tables",
            caption="../report/significance.rst",
        ),
    log:
        f"{LOGS}/significance.log",
    benchmark:
        f"{COSTS}/significance.tsv"
    conda:
        "../../envs/train.yaml"
    params:
        spec=tables_spec(),
        code=stage_code("significance"),
    shell:
        "python -m dsnet significance"
        " --spec {params.spec:q}"
        " --scores {input.scores:q}"
        " --output {output:q}"
        " 2> {log:q}"


rule claims:
    """Answer the paper's claims, over all splits and seeds."""
    input:
        scores=per_stream("scores.h5"),
        fusions=all_fusions(),
    output:
        report(
            multiext(f"{TABLES}/claims", ".csv", ".md", ".tex", ".html"),
            category="Tables",
            caption="../report/claims.rst",
        ),
    log:
        f"{LOGS}/claims.log",
    benchmark:
        f"{COSTS}/claims.tsv"
    conda:
        "../../envs/train.yaml"
    params:
        spec=tables_spec("claims"),
        code=stage_code("claims"),
    shell:
        "python -m dsnet claims"
        " --spec {params.spec:q}"
        " --scores {input.scores:q}"
        " --fusions {input.fusions:q}"
        " --output {output:q}"
        " 2> {log:q}"


rule study:
    """Make a table of results in groups, over all splits and seeds."""
    input:
        scores=per_stream("scores.h5"),
        fusions=all_fusions(),
    output:
        report(
            multiext(f"{TABLES}/study", ".csv", ".md", ".tex", ".html"),
            category="Tables",
            caption="../report/study.rst",
        ),
    log:
        f"{LOGS}/study.log",
    benchmark:
        f"{COSTS}/study.tsv"
    conda:
        "../../envs/train.yaml"
    params:
        spec=tables_spec("study"),
        code=stage_code("study"),
    shell:
        "python -m dsnet study"
        " --spec {params.spec:q}"
        " --scores {input.scores:q}"
        " --fusions {input.fusions:q}"
        " --output {output:q}"
        " 2> {log:q}"
