rule frames:
    """Decode the videos of a shard to JPEG frames, 25 per second."""
    input:
        manifest=rules.manifest.output,
    output:
        passing("<data>/{dataset}/frames/{shard}.h5"),
    log:
        "<logs>/{dataset}/frames/{shard}.log",
    benchmark:
        "<benchmarks>/{dataset}/frames/{shard}.tsv"
    conda:
        "../../envs/video.yaml"
    resources:  # 67 videos of UCF-101
        runtime=growing(60),
        mem_mb=growing(4000),
    params:
        **determined_by("frames"),
        shard=lambda wildcards: int(wildcards.shard),
    shell:
        command("frames")
