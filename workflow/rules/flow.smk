# The target `flow` in targets.smk makes all shards: a rule with wildcards is no target.
rule flow_shard:
    """Compute optical flow between the frames of a shard, or import it."""
    input:
        frames=rules.frames.output,
        # Imported flow lies in the videos' folders.
        manifest=rules.manifest.output if experiment.flow.algorithm == "imported" else [],
    output:
        passing("<data>/{dataset}/flow/{shard}.h5"),
    log:
        "<logs>/{dataset}/flow/{shard}.log",
    benchmark:
        "<benchmarks>/{dataset}/flow/{shard}.tsv"
    conda:
        "../../envs/video.yaml"
    threads: experiment.flow.n_threads()
    resources:
        gpu=experiment.flow.n_gpus(),
        runtime=growing(120),
        mem_mb=growing(8000),
    params:
        **determined_by("flow_shard"),
    shell:
        command("flow_shard")
