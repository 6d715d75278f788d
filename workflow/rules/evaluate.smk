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
    threads: lambda wildcards: settings.busy_cores(training_of(wildcards))
    resources:
        gpu=lambda wildcards: training_of(wildcards)["gpus"],
        arithmetic=lambda wildcards: training_of(wildcards)["threads"],
        workers=lambda wildcards: training_of(wildcards)["workers"],
        processes=lambda wildcards: settings.processes(training_of(wildcards)),
        device=lambda wildcards: training_of(wildcards)["device"],
    params:
        code=stage_code("evaluate"),
    shell:
        "python -m dsnet evaluate"
        " --model {input.model:q}"
        " --clips {input.clips:q}"
        " --device {resources.device}"
        " --threads {resources.arithmetic}"
        " --workers {resources.workers}"
        " --processes {resources.processes}"
        " --output {output:q}"
        " 2> {log:q}"
