# Figures, each as PNG and SVG.
# Seconds each, too short for a cluster's queue.
rule figures:
    """Draw training curves, confusion matrices and the per-class difference of two streams."""
    input:
        scores=of_all_seeds("scores.h5"),
        histories=of_all_seeds("history.csv"),
    output:
        report(
            expand(
                "<results>/figures/<setting>-{kind}.png", kind=SCORE_FIGURES, allow_missing=True
            ),
            category="Figures",
            subcategory="{dataset}, split {split}, {length} frames",
            caption="../report/figures.rst",
        ),
        expand("<results>/figures/<setting>-{kind}.svg", kind=SCORE_FIGURES, allow_missing=True),
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
        report(
            "<results>/figures/<setting>-attention.png",
            category="Figures",
            subcategory="{dataset}, split {split}, {length} frames",
            caption="../report/attention.rst",
        ),
        "<results>/figures/<setting>-attention.svg",
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
        report(
            "<results>/figures/{dataset}-contact.png",
            category="Data",
            subcategory="{dataset}",
            caption="../report/contact.rst",
            labels={"what": "frames and flow"},
        ),
        "<results>/figures/{dataset}-contact.svg",
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
        report(
            "<results>/figures/table1.png",
            category="Tables",
            caption="../report/bars.rst",
        ),
        "<results>/figures/table1.svg",
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
    """Draw accuracy against the time that a clip costs, with TV-L1 and without."""
    input:
        table="<results>/tables/table1.csv",
        latency="<results>/tables/latency.csv",
    output:
        report(
            "<results>/figures/cost.png",
            category="Tables",
            caption="../report/cost.rst",
        ),
        "<results>/figures/cost.svg",
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
        report(
            "<results>/figures/{table}.png",
            category="Tables",
            caption="../report/intervals.rst",
        ),
        "<results>/figures/{table}.svg",
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
