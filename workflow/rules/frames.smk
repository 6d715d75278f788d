rule frames:
    """Decode the videos of a shard to JPEG frames, 25 per second."""
    input:
        manifest=rules.manifest.output,
    output:
        passing(f"{DATASET}/frames/{{shard}}.h5"),
    log:
        f"{LOGS}/{{dataset}}/frames/{{shard}}.log",
    benchmark:
        f"{COSTS}/{{dataset}}/frames/{{shard}}.tsv"
    conda:
        "../../envs/video.yaml"
    params:
        **determined_by("frames"),
        shard=lambda wildcards: int(wildcards.shard),
    shell:
        command("frames")
