rule evaluate:
    """Score all clips of the train, validation and test videos."""
    input:
        model=rules.train.output.model,
        clips=rules.pack.output.clips,
    output:
        "<results>/<run>/{stream}/scores.h5",
    log:
        "<logs>/<run>/{stream}/evaluate.log",
    benchmark:
        "<benchmarks>/<run>/{stream}/evaluate.tsv"
    conda:
        "../../envs/train.yaml"
    threads: lambda wildcards: training_of(wildcards).busy_cores()
    resources:
        gpu=lambda wildcards: training_of(wildcards).n_gpus(),
        arithmetic=lambda wildcards: training_of(wildcards).threads,
        workers=lambda wildcards: training_of(wildcards).n_workers(),
        processes=lambda wildcards: training_of(wildcards).n_processes(),
        device=lambda wildcards: training_of(wildcards).device,
        runtime=growing(240),
        mem_mb=growing(16000),
    params:
        **determined_by("evaluate"),
    shell:
        command("evaluate")
