# Figures, each as PNG and SVG.
# Seconds each, too short for a cluster's queue.
rule figures:
    """Draw training curves, confusion matrices and the per-class difference of two streams."""
    input:
        scores=of_all_seeds("scores.h5"),
        histories=of_all_seeds("history.csv"),
    output:
        expand("<results>/figures/<setting>-{kind}.png", kind=SCORE_FIGURES, allow_missing=True),
        [
            report(
                f"<results>/figures/<setting>-{kind}.svg",
                category="Figures",
                subcategory="{dataset}, split {split}, {length} frames",
                caption="../report/figures.rst",
                labels={"what": what},
            )
            for kind, what in SCORE_FIGURES.items()
        ],
    log:
        "<logs>/figures/<setting>.log",
    benchmark:
        "<benchmarks>/figures/<setting>.tsv"
    localrule: True
    conda:
        "../../envs/train.yaml"
    params:
        **determined_by("figures"),
    shell:
        command("figures")


rule attention:
    """Draw what the attention fusion weighs, per class."""
    input:
        fusions=weighed,
    output:
        "<results>/figures/<setting>-attention.png",
        report(
            "<results>/figures/<setting>-attention.svg",
            category="Figures",
            subcategory="{dataset}, split {split}, {length} frames",
            caption="../report/attention.rst",
            labels={"what": "weights of the attention fusion"},
        ),
    log:
        "<logs>/figures/<setting>-attention.log",
    benchmark:
        "<benchmarks>/figures/<setting>-attention.tsv"
    localrule: True
    conda:
        "../../envs/train.yaml"
    params:
        **determined_by("attention"),
    shell:
        command("attention")


rule contact:
    """Draw frames and flow of some videos."""
    input:
        clips=rules.pack.output.clips,
    output:
        "<results>/figures/{dataset}-contact.png",
        report(
            "<results>/figures/{dataset}-contact.svg",
            category="Data",
            subcategory="{dataset}",
            caption="../report/contact.rst",
            labels={"what": "frames and flow"},
        ),
    log:
        "<logs>/figures/{dataset}-contact.log",
    benchmark:
        "<benchmarks>/figures/{dataset}-contact.tsv"
    localrule: True
    conda:
        "../../envs/train.yaml"
    params:
        **determined_by("contact"),
    shell:
        command("contact")


rule bars:
    """Draw Table 1's measured rows as bars."""
    input:
        table="<results>/tables/table1.csv",
    output:
        "<results>/figures/table1.png",
        report(
            "<results>/figures/table1.svg",
            category="Tables",
            caption="../report/bars.rst",
            labels={"what": "Table 1 as bars"},
        ),
    log:
        "<logs>/figures/table1.log",
    benchmark:
        "<benchmarks>/figures/table1.tsv"
    localrule: True
    conda:
        "../../envs/train.yaml"
    params:
        **determined_by("bars"),
    shell:
        command("bars")


rule cost:
    """Draw accuracy against the time that a clip costs, with flow and without."""
    input:
        table="<results>/tables/table1.csv",
        latency="<results>/tables/latency.csv",
    output:
        "<results>/figures/cost.png",
        report(
            "<results>/figures/cost.svg",
            category="Tables",
            caption="../report/cost.rst",
            labels={"what": "accuracy and cost"},
        ),
    log:
        "<logs>/figures/cost.log",
    benchmark:
        "<benchmarks>/figures/cost.tsv"
    localrule: True
    conda:
        "../../envs/train.yaml"
    params:
        **determined_by("cost"),
    shell:
        command("cost")


rule intervals:
    """Draw the differences of the claims, or the accuracies of the study, with intervals."""
    input:
        table="<results>/tables/{table}.csv",
    output:
        "<results>/figures/{table}.png",
        report(
            "<results>/figures/{table}.svg",
            category="Tables",
            caption="../report/intervals.rst",
            labels={"what": "{table} as a figure"},
        ),
    log:
        "<logs>/figures/{table}.log",
    benchmark:
        "<benchmarks>/figures/{table}.tsv"
    localrule: True
    conda:
        "../../envs/train.yaml"
    params:
        **determined_by("intervals"),
    shell:
        command("intervals")
