rule evaluate:
    """Score all clips of the train, validation and test videos."""
    input:
        model=rules.train.output.model,
        clips=rules.pack.output.clips,
    output:
        f"{RUN}/{{stream}}/scores.h5",
    log:
        f"{LOGS}/{{dataset}}/split{{split}}/{{length}}f/seed{{seed}}/{{stream}}/evaluate.log",
    benchmark:
        f"{COSTS}/{{dataset}}/split{{split}}/{{length}}f/seed{{seed}}/{{stream}}/evaluate.tsv"
    conda:
        "../../envs/train.yaml"
    threads: lambda wildcards: training_of(wildcards).busy_cores()
    resources:
        gpu=lambda wildcards: training_of(wildcards).gpus,
        arithmetic=lambda wildcards: training_of(wildcards).threads,
        workers=lambda wildcards: training_of(wildcards).workers,
        processes=lambda wildcards: training_of(wildcards).n_processes(),
        device=lambda wildcards: training_of(wildcards).device,
    params:
        **determined_by("evaluate"),
    shell:
        command("evaluate")
