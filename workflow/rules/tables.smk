# Tables as CSV, Markdown, LaTeX and HTML, with the paper's numbers beside the measured ones.
# Seconds each, too short for a cluster's queue.
rule table1:
    """Make Table 1: two streams, the students, and the rows that the paper cites."""
    input:
        scores=per_stream("scores.h5", streams.shown(experiment)),
        fusions=all_fusions(),
    output:
        multiext("<results>/tables/table1", ".csv", ".md", ".tex"),
        report(
            "<results>/tables/table1.html",
            category="Tables",
            caption="../report/table1.rst",
            labels={"what": "Table 1"},
        ),
    log:
        "<logs>/table1.log",
    benchmark:
        "<benchmarks>/table1.tsv"
    localrule: True
    conda:
        "../../envs/train.yaml"
    params:
        **determined_by("table1"),
        verb="table1",
    shell:
        command("table1", verb="{params.verb}")


use rule table1 as table2 with:
    input:
        scores=[
            f"{run}/{name}/scores.h5"
            for run in ablation_runs()
            for name in dict.fromkeys(row.stream for row in experiment.tables.ablation)
        ],
        fusions=ablation_fusions(),
    output:
        multiext("<results>/tables/table2", ".csv", ".md", ".tex"),
        report(
            "<results>/tables/table2.html",
            category="Tables",
            caption="../report/table2.rst",
            labels={"what": "Table 2"},
        ),
    log:
        "<logs>/table2.log",
    benchmark:
        "<benchmarks>/table2.tsv"
    params:
        **determined_by("table2"),
        verb="table2",


use rule table1 as significance with:
    input:
        scores=per_stream("scores.h5", streams.shown(experiment)),
        fusions=[],
    output:
        multiext("<results>/tables/significance", ".csv", ".md", ".tex"),
        report(
            "<results>/tables/significance.html",
            category="Tables",
            caption="../report/significance.rst",
            labels={"what": "differences of methods"},
        ),
    log:
        "<logs>/significance.log",
    benchmark:
        "<benchmarks>/significance.tsv"
    params:
        **determined_by("significance"),
        verb="significance",


use rule table1 as claims with:
    input:
        scores=per_stream("scores.h5"),
        fusions=all_fusions(),
    output:
        multiext("<results>/tables/claims", ".csv", ".md", ".tex"),
        report(
            "<results>/tables/claims.html",
            category="Tables",
            caption="../report/claims.rst",
            labels={"what": "the paper's claims"},
        ),
    log:
        "<logs>/claims.log",
    benchmark:
        "<benchmarks>/claims.tsv"
    params:
        **determined_by("claims"),
        verb="claims",


use rule claims as study with:
    output:
        multiext("<results>/tables/study", ".csv", ".md", ".tex"),
        report(
            "<results>/tables/study.html",
            category="Tables",
            caption="../report/study.rst",
            labels={"what": "groups of methods"},
        ),
    log:
        "<logs>/study.log",
    benchmark:
        "<benchmarks>/study.tsv"
    params:
        **determined_by("study"),
        verb="study",
