# Figures, each as PNG and SVG.
# Seconds each, too short for a cluster's queue.
localrules:
    figures,
    attention,
    contact,
    bars,
    cost,
    intervals,


rule figures:
    """Draw training curves, confusion matrices and the per-class difference of two streams."""
    input:
        scores=of_all_seeds("scores.h5"),
        histories=of_all_seeds("history.csv"),
    output:
        report(
            expand(f"{OF_A_SPLIT}-{{kind}}.png", kind=SCORE_FIGURES, allow_missing=True),
            category="Figures",
            subcategory="{dataset}, split {split}, {length} frames",
            caption="../report/figures.rst",
        ),
        expand(f"{OF_A_SPLIT}-{{kind}}.svg", kind=SCORE_FIGURES, allow_missing=True),
    log:
        f"{LOGS}/figures/{{dataset}}-split{{split}}-{{length}}f.log",
    benchmark:
        f"{COSTS}/figures/{{dataset}}-split{{split}}-{{length}}f.tsv"
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
            f"{OF_A_SPLIT}-attention.png",
            category="Figures",
            subcategory="{dataset}, split {split}, {length} frames",
            caption="../report/attention.rst",
        ),
        f"{OF_A_SPLIT}-attention.svg",
    log:
        f"{LOGS}/figures/{{dataset}}-split{{split}}-{{length}}f-attention.log",
    benchmark:
        f"{COSTS}/figures/{{dataset}}-split{{split}}-{{length}}f-attention.tsv"
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
            f"{FIGURES}/{{dataset}}-contact.png",
            category="Data",
            subcategory="{dataset}",
            caption="../report/contact.rst",
            labels={"what": "frames and flow"},
        ),
        f"{FIGURES}/{{dataset}}-contact.svg",
    log:
        f"{LOGS}/figures/{{dataset}}-contact.log",
    benchmark:
        f"{COSTS}/figures/{{dataset}}-contact.tsv"
    conda:
        "../../envs/train.yaml"
    params:
        **determined_by("contact"),
    shell:
        command("contact")


rule bars:
    """Draw Table 1's measured rows as bars."""
    input:
        table=f"{TABLES}/table1.csv",
    output:
        report(
            f"{FIGURES}/table1.png",
            category="Tables",
            caption="../report/bars.rst",
        ),
        f"{FIGURES}/table1.svg",
    log:
        f"{LOGS}/figures/table1.log",
    benchmark:
        f"{COSTS}/figures/table1.tsv"
    conda:
        "../../envs/train.yaml"
    params:
        **determined_by("bars"),
    shell:
        command("bars")


rule cost:
    """Draw accuracy against the time that a clip costs, with TV-L1 and without."""
    input:
        table=f"{TABLES}/table1.csv",
        latency=f"{TABLES}/latency.csv",
    output:
        report(
            f"{FIGURES}/cost.png",
            category="Tables",
            caption="../report/cost.rst",
        ),
        f"{FIGURES}/cost.svg",
    log:
        f"{LOGS}/figures/cost.log",
    benchmark:
        f"{COSTS}/figures/cost.tsv"
    conda:
        "../../envs/train.yaml"
    params:
        **determined_by("cost"),
    shell:
        command("cost")


rule intervals:
    """Draw the differences of the claims, or the accuracies of the study, with intervals."""
    input:
        table=f"{TABLES}/{{table}}.csv",
    output:
        report(
            f"{FIGURES}/{{table}}.png",
            category="Tables",
            caption="../report/intervals.rst",
        ),
        f"{FIGURES}/{{table}}.svg",
    log:
        f"{LOGS}/figures/{{table}}.log",
    benchmark:
        f"{COSTS}/figures/{{table}}.tsv"
    conda:
        "../../envs/train.yaml"
    params:
        **determined_by("intervals"),
    shell:
        command("intervals")
