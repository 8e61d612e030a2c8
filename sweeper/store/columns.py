"""What each column of records, curves and probes means: docs/reference/records.md is made of it."""

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

_PROBED = {
    "probes": Column("names of the probes that measured it; empty where none did"),
    "probe_s": Column("of the trial: measuring", "seconds"),
    "independent_step": Column("where stage II begins", "steps"),
    "interactive_step": Column("where stage III begins", "steps"),
    "settled_step": Column("where the weights have settled", "steps"),
    "solution": Column("JSON of what `algebra` finds in the last weights: orders, forms, error"),
}

RECORD_COLUMNS = {
    **_OF_CHOICES,
    **_PROBED,
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
    "hardware": Column("the model of that processor or card, where it is known"),
    "pack_size": Column("trials of its pack, itself included", "trials"),
    "irreps_covered": Column("at the end: irreps that enough neurons have learned", "irreps"),
    "mean_purity": Column("at the end, of the neurons"),
    "best_energy_share": Column("at the end: the highest neuron, over the maximum of its irrep"),
    "run_id": Column("names a file under `runs/` in the results folder"),
    "spec_digest": Column("names a file under `specs/` there"),
    "numerics": Column("version of the engine; raised when a change of it moves results"),
    "code_version": Column("of sweeper, with its commit where it is known"),
    "library_versions": Column("of what it was trained with"),
    "host": Column("where: the machine's name, or `SWEEPER_HOST` where that is set"),
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

PROBE_COLUMNS = {
    "fingerprint": Column("the trial's"),
    **_PROBED,
    "step": Column("of the measurement", "steps"),
    "stage": Column("1 lazy, 2 independent, 3 interactive, 4 settled"),
    "W_norm": Column("‖W‖"),
    "V_norm": Column("‖V‖"),
    "W_grad_norm": Column("of the loss's gradient, weight decay left out"),
    "V_grad_norm": Column("the same of V"),
    "W_change": Column("‖W_t − W_s‖/(‖W_s‖ (t − s)), s the measurement before", "1/step"),
    "gradient_cosine": Column("mean over pairs of neurons, of their gradients"),
    "energy_alignment": Column("mean cosine of a neuron's step with its energy's gradient"),
    "feature_rank": Column("(tr A)²/‖A‖², A = F̃ᵀF̃"),
    "grad_features": Column("‖G_F‖"),
    "label_cosine": Column("of G_F with ỸỸᵀF̃ (Lemma 1)"),
    "ridge_cosine": Column("of G_F with that of ridge regression"),
    "ridge_ratio": Column("their norms"),
    "ridge_distance": Column("‖V − V_ridge‖/‖V_ridge‖"),
    "sample_off_diagonal": Column("of ‖F̃F̃ᵀ‖², off the diagonal", "share"),
    "feature_off_diagonal": Column("of ‖F̃ᵀF̃‖², off the diagonal", "share"),
    "height": Column("Ê of a neuron, mean over neurons", "M/8"),
    "height_share": Column("over the maximum of the neuron's own irrep, mean"),
    "at_maximum": Column("of the active neurons, within 10 % of that", "share"),
    "best_energy_share": Column("the highest neuron, over the maximum of its irrep"),
    "height_counts": Column("active neurons by height, 40 bins from 0 to 2"),
    "irreps_covered": Column("irreps that enough neurons have learned", "irreps"),
    "active_neurons": Column("those that add 1 % of what the largest adds, or more"),
    "purity": Column("mean over neurons, of the irrep where it is largest"),
    "dominant_share": Column("of ‖w‖² in that irrep, mean over neurons", "share"),
    "irrep_neurons": Column("active neurons that have learned each irrep"),
    "repelled": Column("of pairs of the largest neurons (Theorem 6)", "share"),
    "alike_pairs": Column("of these, pairs that are alike"),
    "alike_repelled": Column("of the pairs that are alike", "share"),
    "layer_W_norm": Column("of each matrix; this and all that follow, an entry a matrix"),
    "layer_W_grad_norm": Column("of the loss's gradient, weight decay left out"),
    "layer_W_change": Column("‖W_t − W_s‖/(‖W_s‖ (t − s)), s the measurement before", "1/step"),
    "layer_gradient_cosine": Column("mean over pairs of neurons, of their gradients"),
    "layer_energy_alignment": Column("mean cosine of a neuron's step with its energy's gradient"),
    "layer_feature_rank": Column("(tr A)²/‖A‖², A = H̃ᵀH̃"),
    "layer_grad_features": Column("n‖P ∂loss/∂h‖"),
    "layer_label_cosine": Column("of −P ∂loss/∂h with ỸỸᵀH̃ (Lemma 1)"),
    "layer_active_neurons": Column("those that vary by 1 % of what the largest does, or more"),
    "layer_operand_share": Column(
        "of the variance of what neurons get, the sum of functions of either operand", "share"
    ),
    "layer_operand_purity": Column("of that part, mean over neurons"),
    "layer_operand_irreps": Column("of which that part of a neuron is, purely", "irreps"),
    "layer_target_share": Column(
        "of the variance of what the layer hands on, what depends on the target alone", "share"
    ),
    "layer_target_purity": Column("of that part, mean over neurons"),
    "layer_target_irreps": Column("of which that part of a neuron is, purely", "irreps"),
    "irrep": Column(
        "the R real irreps by their place among a group's, of a complex pair the first"
    ),
    "irrep_height": Column("the maximum of each; 0 of the trivial one", "M/8"),
    "frame_step": Column("at which neurons are kept one by one", "steps"),
    "neuron": Column("the S neurons kept: those largest in the end"),
    "neuron_size": Column("what each adds to the outputs, S numbers a frame"),
    "neuron_height": Column("Ê of each, S a frame", "M/8"),
    "neuron_share": Column("of each neuron's ‖w‖² in each irrep, S × R a frame", "share"),
    "layer": Column("names of the matrices that the columns of `layers` have an entry of each"),
}
"""Of `probes/`, for every name in PROBE_SCHEMA; docs/dynamics.md defines and explains them."""
