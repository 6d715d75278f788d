rule evaluate:
    # Score all clips of the train, validation and test videos.
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
    threads: lambda wildcards: busy(wildcards.stream)
    resources:
        gpu=lambda wildcards: training("gpus", wildcards.stream),
        arithmetic=lambda wildcards: training("threads", wildcards.stream),
        workers=lambda wildcards: training("workers", wildcards.stream),
        processes=lambda wildcards: processes(wildcards.stream),
        device=lambda wildcards: training("device", wildcards.stream),
    params:
        code=code_digest("dsnet.evaluation"),
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
