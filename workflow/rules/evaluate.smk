rule evaluate:
    # Score all clips of the train, validation and test videos.
    input:
        model=rules.train.output.model,
        clips=rules.pack.output.clips,
    output:
        f"{RUN}/{{stream}}/scores.h5",
    log:
        f"{LOGS}/{{dataset}}/split{{split}}/{{length}}f/seed{{seed}}/{{stream}}/evaluate.log",
    conda:
        "../../envs/train.yaml"
    # The loader's processes are busy too.
    threads: lambda wildcards: training("threads", wildcards.stream) + training("workers", wildcards.stream)
    resources:
        gpu=lambda wildcards: training("gpus", wildcards.stream),
        arithmetic=lambda wildcards: training("threads", wildcards.stream),
        workers=lambda wildcards: training("workers", wildcards.stream),
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
        " --output {output:q}"
        " 2> {log:q}"
