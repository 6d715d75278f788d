# A node of a cluster may have no network.
rule fetch:
    """Get a data set and its official lists from where they are published."""
    output:
        FETCHED,
    log:
        "<logs>/{dataset}/fetch.log",
    benchmark:
        "<benchmarks>/{dataset}/fetch.tsv"
    localrule: True
    conda:
        "../../envs/fetch.yaml"
    # Resources, not params: they do not change the output, so they must not cause a rerun.
    resources:
        downloads=experiment.fetch.downloads,
        mirror=experiment.fetch.mirror or "",
    params:
        kind=lambda wildcards: entry(wildcards).kind,
        folders=lambda wildcards: canonical(entry(wildcards).folders()),
    shell:
        "python -m dsnet fetch {params.kind}"
        " --folders {params.folders:q}"
        " --downloads {resources.downloads:q}"
        " --mirror={resources.mirror:q}"
        " --output {output:q}"
        " 2> {log:q}"
