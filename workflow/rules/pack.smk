rule pack:
    """Gather the shards into one training-ready file, and list the unusable videos."""
    input:
        manifest=rules.manifest.output,
        frames=lambda wildcards: shards("frames", [wildcards.dataset]),
        flow=lambda wildcards: shards("flow", [wildcards.dataset]),
    output:
        clips=f"{DATASET}/clips.h5",
        broken=report(
            f"{DATASET}/broken.csv",
            category="Data",
            subcategory="{dataset}",
            caption="../report/broken.rst",
            labels={"what": "unusable videos"},
        ),
    log:
        f"{LOGS}/{{dataset}}/pack.log",
    benchmark:
        f"{COSTS}/{{dataset}}/pack.tsv"
    conda:
        "../../envs/video.yaml"
    # As resources, since they change nothing of what comes out and so are no reason to rerun.
    resources:
        max_broken=str(experiment.max_broken),
    params:
        **determined_by("pack"),
    shell:
        command("pack")
