"""What each column of records and curves means: docs/reference/records.md is made from this."""

from typing import NamedTuple

from sweeper.spec.learners import OPTIONS, SETTINGS


class Column(NamedTuple):
    """A column in words.

    Attributes:
        meaning: In a sentence or less.
        unit: Of its numbers; empty where there is none.
    """

    meaning: str
    unit: str = ""


_OF_CHOICES = {
    option.name: Column(f"{option.means}; of {', '.join(option.defaults)}") for option in OPTIONS
} | {name: Column(means) for name, means in SETTINGS.items()}

RECORD_COLUMNS = _OF_CHOICES | {
    "fingerprint": Column("names the trial; the key of records and curves"),
    "sweep": Column("name of the spec"),
    "group": Column("H, by its canonical name; of an expression modulo 23 Z23 too"),
    "group_order": Column("M"),
    "n_train": Column("n", "pairs"),
    "operands": Column("how many there are; two make pairs, more make tuples"),
    "expression": Column("what is computed of them modulo M; empty for their product in the group"),
    "label_noise": Column(
        "part p of the training labels that is wrong: round(p·n) of n, each one of the other "
        "classes, all as likely",
        "share",
    ),
    "split": Column("how the training pairs are drawn: uniform or balanced"),
    "split_seed": Column("of the training pairs"),
    "init_seed": Column("of the initial weights"),
    "network": Column("by its name among the learners, as are the next three"),
    "hidden_size": Column("K"),
    "activation": Column("σ"),
    "loss": Column("of a sample; the training loss is its mean"),
    "optimizer": Column("what moves the weights"),
    "learning_rate": Column("step size"),
    "weight_decay": Column("coefficient of the L2 term, coupled or decoupled as the optimizer has"),
    "schedule": Column("of the learning rate"),
    "modules": Column("users' modules that a name comes from, with a hash of their text; or empty"),
    "max_steps": Column("the horizon", "steps"),
    "eval_every": Column("between evaluations, after the first, log-spaced ones", "steps"),
    "target_test_accuracy": Column("at two evaluations in a row: it has generalized", "share"),
    "stop_at_target": Column("whether it ends there"),
    "matmul_precision": Column(
        "of what enters the matrix products: float32, tfloat32 or bfloat16; in bfloat16 Muon's "
        "Newton–Schulz products stay in the weights' dtype, float32, as do losses and evaluations"
    ),
    "give_up_after": Column(
        "without progress on the test pairs after which a fitted trial is stopped; 0 is never",
        "steps",
    ),
    "train_fraction": Column("n/M², or of what other tasks have in place of M² pairs", "share"),
    "n_over_m_log_m": Column("n/(M ln M)"),
    "max_irrep_dim": Column("the largest d_k"),
    "outcome": Column("how it ended: one of seven"),
    "fit_step": Column("first evaluation with training accuracy ≥ 0.99", "steps"),
    "generalization_step": Column("first of the two evaluations at the target", "steps"),
    "final_step": Column("where it ended", "steps"),
    "train_loss": Column("at the end, mean over the training pairs"),
    "test_loss": Column("at the end, mean over the test pairs"),
    "train_accuracy": Column("at the end, on the labels as given", "share"),
    "test_accuracy": Column("at the end, on clean labels", "share"),
    "best_test_accuracy": Column("of all evaluations", "share"),
    "n_test": Column("M² − n: all pairs that have a target and were not trained on", "pairs"),
    "stop_rule": Column("for `stopped`: which rule"),
    "error": Column("for `failed`: the traceback"),
    "train_flops": Column(
        "of the matrix products of all training steps; in the two-layer net 6·n·K·M each, n the "
        "samples of a step",
        "operations",
    ),
    "wall_time_s": Column("of the trial; in a batch its share", "seconds"),
    "setup_s": Column("of these: making the split, the weights and the buffers", "seconds"),
    "evaluation_s": Column("of these: evaluations", "seconds"),
    "device": Column("what it was trained on, such as cpu"),
    "pack_size": Column("trials of its pack, itself included", "trials"),
    "run_id": Column("names a file under `runs/` in the results folder"),
    "spec_digest": Column("names a file under `specs/` there"),
    "numerics": Column("version of the engine; raised when a change of it moves results"),
    "code_version": Column("of sweeper, with its commit where it is known"),
    "library_versions": Column("of what it was trained with"),
    "host": Column("where"),
    "started_at": Column("when, in UTC"),
}
"""Of `records/`, for every name in RECORD_SCHEMA."""

CURVE_COLUMNS = {
    "fingerprint": Column("the trial's"),
    "step": Column("of the evaluation", "steps"),
    "train_loss": Column("mean over the training pairs"),
    "test_loss": Column("mean over the test pairs"),
    "train_accuracy": Column("on the labels as given", "share"),
    "test_accuracy": Column("on clean labels", "share"),
}
"""Of `curves/`, for every name in CURVE_SCHEMA."""
