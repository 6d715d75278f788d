rule train:
    # Train one stream, after the stream it starts from and its teacher.
    input:
        clips=rules.pack.output.clips,
        init=lambda wildcards: model_of(wildcards, "init"),
        teacher=lambda wildcards: model_of(wildcards, "teacher"),
    output:
        model=f"{RUN}/{{stream}}/model.pt",
        history=f"{RUN}/{{stream}}/history.csv",
        tensorboard=directory(f"{RUN}/{{stream}}/tensorboard"),
    log:
        f"{LOGS}/{{dataset}}/split{{split}}/{{length}}f/seed{{seed}}/{{stream}}/train.log",
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
        spec=train_spec,
        code=train_code,
        init=lambda wildcards, input: ["--init", input.init] if input.init else [],
        teacher=lambda wildcards, input: ["--teacher", input.teacher] if input.teacher else [],
        folder=subpath(output.model, parent=True),
    shell:
        "python -m dsnet train"
        " --spec {params.spec:q}"
        " --code {params.code}"
        " --clips {input.clips:q}"
        " {params.init:q}"
        " {params.teacher:q}"
        " --device {resources.device}"
        " --threads {resources.arithmetic}"
        " --workers {resources.workers}"
        " --output {params.folder:q}"
        " 2> {log:q}"
