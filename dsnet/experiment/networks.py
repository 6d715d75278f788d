"""Settings of the networks: their shape, their training, and the streams."""

from __future__ import annotations

import operator
import os
from typing import Annotated, Any, Literal

from pydantic import (
    Field,
    SerializerFunctionWrapHandler,
    WithJsonSchema,
    model_serializer,
)

from dsnet import gpus
from dsnet.experiment.augmentation import NOTHING, Augment
from dsnet.experiment.settings import (
    FACTOR,
    NO_OPTIONS,
    Number,
    Options,
    Settings,
    Share,
)
from dsnet.experiment.terms import Losses

Epochs = Annotated[
    int,
    Field(ge=0),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 0},
                {"type": "string", "pattern": f"^{FACTOR.pattern}$"},
            ]
        }
    ),
]
Four = Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=4, max_length=4)]


def _absent(value: Any) -> bool:
    return value is None


RESNEXT3D = "resnext3d"
LEAST_STEPS = 300  # of a training on users' own videos, by default
DRAWN: Literal["drawn"] = "drawn"
MOST_WORKERS = 15  # of a training process, by default


class Model(Settings):
    """The network of every stream; the defaults are MARS's ResNeXt-101."""

    backbone: str = Field(
        RESNEXT3D,
        exclude_if=lambda value: value == RESNEXT3D,
        description="resnext3d, a 3D ResNeXt; r3d_18, mc3_18, r2plus1d_18 or swin3d_t of "
        "torchvision, or slowonly_r50, for which the other keys here do not count; or one of "
        "`plugins`, for which only `options` counts.",
    )
    options: Options = NO_OPTIONS
    layers: Four = Field([3, 4, 23, 3], description="Blocks of layer1 to layer4.")
    widths: Four = Field(
        [128, 256, 512, 1024],
        description="Channels of the grouped convolutions; layers put out twice as many.",
    )
    stem: int = Field(64, ge=1, description="Channels of the first convolution.")
    stem_kernel: Literal[3, 5, 7] = Field(
        7, description="Side of the kernel of the first convolution."
    )
    cardinality: int = Field(
        32, ge=1, description="Groups of the grouped convolutions; divides every width."
    )

    @model_serializer(mode="wrap")
    def _of_the_class(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        written = write(self)
        if self.backbone == RESNEXT3D:
            return written
        return {"backbone": self.backbone, "options": self.options}

    def arch(self) -> dict[str, Any]:
        """Return the arguments of the network's class, and ``backbone`` if it is a user's."""
        written = self.values()
        options = written.pop("options", {})
        return {**written, **options}


class Recipe(Settings):
    """How a network is trained: what its weights depend on."""

    epochs: Epochs = Field(
        200,
        description="Passes over the training videos, one random clip of each per pass. A stream's "
        "own may be `x2`, twice as many as those of the top-level `training`. 0 takes the weights "
        "of `pretrained` or `init` as they are, which must then be all that the network has.",
    )
    least_steps: int | None = Field(
        None,
        ge=0,
        exclude_if=operator.not_,
        description="Steps that are taken at least: with few videos, a training is as long as if "
        "`epochs` were the number that gives so many. A stream of twice the `epochs` takes twice "
        "as many. null is 300 if all data sets are of kind `folder`, else 0.",
    )
    batch_size: int = Field(32, ge=1, description="Clips per step.")
    lr: Number = Field(0.1, gt=0, description="Learning rate at the start (after the warm-up).")
    momentum: Number = Field(0.9, ge=0, lt=1, description="Momentum of SGD.")
    dampening: Number = Field(0, ge=0, le=1, description="Dampening of the momentum.")
    weight_decay: Number = Field(0.0005, ge=0, description="Weight decay.")
    schedule: Literal["plateau", "cosine", "constant"] = Field(
        "plateau",
        description="Course of the learning rate; `plateau` divides by ten when the loss stands "
        "still.",
    )
    plateau_patience: int = Field(
        10, ge=0, description="Epochs without a lower validation loss that `plateau` waits."
    )
    warmup_epochs: Number = Field(0, ge=0, description="Epochs of linear warm-up, step by step.")
    clip_gradient: Annotated[Number, Field(gt=0)] | None = Field(
        None, description="Largest norm of the gradient; null does not clip."
    )
    class_weights: Literal["balanced"] | None = Field(
        None,
        exclude_if=_absent,
        description="`balanced`: in the cross-entropy a clip counts by the inverse of its class's "
        "number of training videos, 1 on average. null counts all alike.",
    )
    label_smoothing: Number = Field(
        0,
        ge=0,
        lt=1,
        exclude_if=operator.not_,
        description="Part of every label that the cross-entropy divides equally among all classes.",
    )
    dropout: Number = Field(
        0,
        ge=0,
        lt=1,
        exclude_if=operator.not_,
        description="Probability that a value before the classifier is set to zero in training.",
    )
    ema: Share | None = Field(
        None,
        exclude_if=_absent,
        description="Decay per step of an exponential moving average of the weights, such as 0.99, "
        "which is then what is selected, evaluated and saved. null keeps no average.",
    )
    mixup: Annotated[Number, Field(gt=0)] | None = Field(
        None,
        exclude_if=_absent,
        description="Every clip is mixed with another of its batch, RGB, flow and labels alike, "
        "with a weight from the distribution Beta(mixup, mixup). null mixes nothing.",
    )
    augment: Augment = Field(
        NOTHING,
        exclude_if=lambda value: value == NOTHING,
        description="Random changes of colour (RGB alone) and geometry (RGB and flow of a pair "
        "alike, flow vectors too). A stream's own replaces all of these keys.",
    )
    precision: Literal["float32", "bfloat16", "float16"] = Field(
        "float32",
        description="What the forward pass is computed in, the losses' Gram matrices and the "
        "update aside; less than float32 is for GPUs and refused on CPUs.",
    )
    tf32: bool = Field(
        True,
        exclude_if=bool,
        description="NVIDIA's GPUs since Ampere compute float32 convolutions in TF32, with 10 bits "
        "after the point and several times as fast; false computes with all 23.",
    )
    autotune: bool = Field(
        False,
        exclude_if=operator.not_,
        description="A GPU tries several ways to compute each convolution (cuDNN's, groups merged, "
        "pixels folded) and takes the fastest. It may be another in the next run, with other "
        "rounding.",
    )
    deterministic: bool = Field(
        True,
        exclude_if=bool,
        description="A GPU computes the same in every run where it can; false is faster. CPUs "
        "always do.",
    )
    compile: bool = Field(
        False,
        description="Compile the step with torch.compile, which takes minutes at the start and a "
        "C++ compiler on CPUs.",
    )
    sync_batch_norm: bool = Field(
        True,
        description="Several processes normalise by the statistics of all their clips, as one "
        "process would; false normalises by each one's own.",
    )
    trainable: list[str] | None = Field(
        None,
        min_length=1,
        description="Modules that are trained, such as layer4 and fc; the others keep their "
        "weights. null trains all.",
    )
    frozen_statistics: Literal["keep", "update"] = Field(
        "keep",
        description="Batch-norm statistics of the modules that are not trained; `update` "
        "normalises by the batch and goes on averaging, as MARS's code does.",
    )
    select: Literal["best", "last"] = Field(
        "best",
        description="Which epoch's weights are evaluated, by the protocol's selection part.",
    )
    selection_clips: int | None = Field(
        None,
        ge=1,
        description="Clips of every video, evenly spread, that the selection part is scored by "
        "after each epoch; null takes all, as in the test, which with long videos costs more than "
        "the training.",
    )
    # In a spec only if it changes the result: :meth:`counts_processes`.
    processes: int | None = Field(
        None,
        ge=1,
        exclude_if=_absent,
        description="Processes that train and score a stream together, sharing every batch, each "
        "with so many threads and workers; null is one per GPU asked for.",
    )

    def counts_processes(self) -> bool:
        """Return whether the result depends on the number of processes, rounding aside.

        Each normalises its own part of the batch, mixes clips within it, or drops values of it.
        """
        return not self.sync_batch_norm or self.mixup is not None or self.dropout > 0


class Training(Recipe):
    """Training of every stream; a stream's own `training` changes single keys."""

    device: str = Field(
        "auto",
        pattern="^(auto|cpu|cuda(:[0-9]+)?)$",
        description="Where to train; `auto` takes a GPU where there is one.",
    )
    threads: int = Field(1, ge=1, description="CPU threads of the network's arithmetic.")
    workers: int | None = Field(
        None,
        ge=0,
        description="Processes that prepare clips; 0 prepares them in the training process. null "
        "is 0 on a CPU, and on a GPU as many as its share of this machine's cores, at most 15.",
    )
    gpus: int | None = Field(
        None,
        ge=0,
        description="GPUs that a job gets for itself; null is one if `device` may be a GPU and "
        "this machine has an NVIDIA or AMD GPU.",
    )

    def n_gpus(self) -> int:
        """Return the number of GPUs that a job asks for."""
        if self.gpus is not None:
            return self.gpus
        return int(self.device != "cpu" and gpus.count() > 0)

    def n_workers(self) -> int:
        """Return the number of processes that prepare clips, for each training process."""
        if self.workers is not None:
            return self.workers
        there = gpus.count()
        if self.device == "cpu" or not there:
            return 0
        free = len(os.sched_getaffinity(0)) // there - self.threads
        return max(0, min(free, MOST_WORKERS))

    def n_processes(self) -> int:
        """Return the number of processes that train or score a stream together."""
        return self.processes or max(self.n_gpus(), 1)

    def busy_cores(self) -> int:
        """Return the number of cores that they use: each process computes, and has workers."""
        return self.n_processes() * (self.threads + self.n_workers())


class Network(Settings):
    """What determines a stream's network, beside its training."""

    input: Literal["rgb", "flow"] = Field(description="What the network sees.")
    still: bool = Field(
        False,
        exclude_if=operator.not_,
        description="The network sees the middle frame of each clip in the place of all others, so "
        "its accuracy is what single frames tell; for `rgb` alone.",
    )
    init: str | None = Field(
        None,
        description="The stream whose weights it starts from; null draws them. Layers of another "
        "shape (the first convolution, the classifier) stay drawn.",
    )
    first_convolution: Literal["drawn", "averaged"] = Field(
        DRAWN,
        exclude_if=lambda value: value == DRAWN,
        description="The first convolution, if `init` or `pretrained` is for another input: "
        "`drawn`, or `averaged` over the input channels and scaled, as in temporal segment "
        "networks.",
    )
    pretrained: str | None = Field(
        None,
        description="Instead of init, the path of a checkpoint, ours, MARS's or "
        "3D-ResNets-PyTorch's, or the name of one of MARS's releases in resources/checkpoints/, "
        "such as RGB_Kinetics_16f; {clip_length} stands for the frames per clip, {dataset} for "
        "UCF101 or HMDB51, as in MARS_{dataset}_{clip_length}f.",
    )
    teacher: str | None = Field(
        None,
        description="The stream that is distilled from, frozen: a flow stream for an rgb stream, "
        "and an rgb stream for a flow stream.",
    )
    second_teacher: str | None = Field(
        None,
        exclude_if=_absent,
        description="A stream with the student's input, frozen too. Losses on logits get the mean "
        "of its logits and the teacher's. Features are compared with the teacher's alone.",
    )
    losses: Losses = Field(
        Losses(),
        description="Distillation terms that are added to the cross-entropy, by name: these and "
        "the losses of `plugins`.",
    )


class Stream(Network):
    """One network."""

    title: str = Field(description="Name in tables and figures.")
    training: Training = Field(
        Training(), description="What differs from the top-level `training`."
    )
