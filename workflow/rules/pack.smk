rule pack:
    """Gather the shards into one training-ready file, and list the unusable videos."""
    input:
        manifest=rules.manifest.output,
        frames=lambda wildcards: shards("frames", [wildcards.dataset]),
        flow=lambda wildcards: shards("flow", [wildcards.dataset]),
    output:
        clips="<data>/{dataset}/clips.h5",
        broken=report(
            "<data>/{dataset}/broken.csv",
            category="Data",
            subcategory="{dataset}",
            caption="../report/broken.rst",
            labels={"what": "unusable videos"},
        ),
    log:
        "<logs>/{dataset}/pack.log",
    benchmark:
        "<benchmarks>/{dataset}/pack.tsv"
    conda:
        "../../envs/video.yaml"
    # Resources, not params: they do not change the output, so they must not cause a rerun.
    resources:
        max_broken=str(experiment.max_broken),
        runtime=growing(240),
        mem_mb=growing(16000),
    params:
        **determined_by("pack"),
    shell:
        command("pack")
