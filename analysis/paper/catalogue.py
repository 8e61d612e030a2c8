"""The figures that are made again: their specs, what is reduced, who draws and judges them."""

from collections.abc import Callable
from dataclasses import dataclass

from matplotlib.figure import Figure

from analysis.paper import algebra, boundaries, emergence, shares, trainings
from analysis.paper.numbers import Numbers
from analysis.paper.statements import Statement

LI2 = "arXiv 2509.21519"
COGO = "arXiv 2410.01779"


@dataclass(frozen=True)
class PaperFigure:
    """One figure of a paper.

    Attributes:
        key: Its name in addresses and files.
        title: What it is called and shows.
        source: The paper.
        spec: Name of the spec's file in specs/paper/ and specs/paper/full/.
        setting: The paper's.
        reduced: What the reduced grid changes.
        curves: Columns of the curves that it shows.
        probes: Columns of the probes that it shows.
        remark: What else is known of it here.
        draw: Figures by name.
        judge: The paper's statements, judged.
    """

    key: str
    title: str
    source: str
    spec: str
    setting: str
    reduced: str
    draw: Callable[[Numbers], dict[str, Figure]]
    judge: Callable[[Numbers], list[Statement]]
    curves: tuple[str, ...] = ()
    probes: tuple[str, ...] = ()
    remark: str = ""


_FIGURE_5 = "lr 5e-4, weight decay 2e-4, K 2048, Adam, 20 seeds; steps not told"
_REDUCED_5 = "lr 5e-3, weight decay 4e-4, K 256 (512 above M = 48), 4,000 steps, 3 seeds"


_FINER = (
    "A search of 24 orders from 11 to 97 to within 5 % (specs/cyclic.yaml; "
    "`sweeper fit --thresholds docs/measured/cyclic.parquet`) is finer: it has β = 1.36 ± 0.04 and "
    "rejects M log M"
)


def _boundary(panel: str, words: str, spec: str, remark: str = "") -> PaperFigure:
    return PaperFigure(
        f"figure05{panel}", f"Figure 5, {words}: test accuracy over order and share of pairs",
        LI2, spec, _FIGURE_5, _REDUCED_5, boundaries.draw, boundaries.judge,
        remark=remark,
    )  # fmt: skip


FIGURES = (
    PaperFigure(
        "figure03", "Figure 3: the gradient that reaches the features", LI2, "figure03",
        "M 71, K 2048, n 2016, weight decay 2e-4 and 0, 15 seeds",
        "the same M, K and n; lr 5e-3, 4,000 steps, 6 seeds",
        emergence.draw_gradient, emergence.judge_gradient, ("test_accuracy",), emergence.GRADIENT,
    ),
    _boundary("a", "prime orders", "figure05a_primes", _FINER),
    _boundary("b", "composite orders", "figure05b_composites"),
    _boundary("c", "products of cyclic groups", "figure05c_products"),
    _boundary("d", "non-abelian groups", "figure05d_nonabelian"),
    PaperFigure(
        "figure06", "Figure 6: generalizing and memorizing runs by learning rate", LI2, "figure06",
        "M 23, 71, 127, K 1024, 15 seeds",
        "M 23, 41, K 256, lr 2e-3 to 5e-2, weight decay 2e-4, 4,000 steps, 6 seeds",
        shares.draw, shares.judge,
    ),
    PaperFigure(
        "figure07", "Figure 7: the energy of learned features near the boundary", LI2, "figure07",
        "M 127, n 3225, lr 1e-3, 2e-3 and 5e-3",
        "M 71, n 880 to 970 (2.9 to 3.2 M log M), K 512, lr 2e-3 to 1e-1, 4,000 steps, 4 seeds",
        emergence.draw_energy, emergence.judge_energy, (), emergence.HEIGHT,
    ),
    PaperFigure(
        "figure08", "Figure 8: Adam and Muon where neurons are few", LI2, "figure08",
        "M 71, small K", "M 71, 60 % of the pairs, 1,500 steps, three learning rates, 4 seeds",
        trainings.draw_widths, trainings.judge_widths,
    ),
    PaperFigure(
        "figure09", "Figures 9, 16 and 17: deeper nets, zero-init", LI2, "figure09",
        "2 to 4 layers, ReLU, MSE; M 41, 89, 127, K 2048, weight decay 1e-4",
        "M 41, K 256, lr 1e-3, weight decay 5e-4, 3,000 steps, 3 seeds",
        trainings.draw_depth, trainings.judge_depth, trainings.SHOWN,
    ),
    PaperFigure(
        "figure10", "Figures 10 to 13: real weights, complex weights, V solved", LI2, "figure10",
        "M 23, 41, 89, 127, K 256, lr 5e-3, weight decay 5e-5, 80 % of the pairs, Adam, 5 seeds",
        "M 23, 41, 89, 1,500 steps",
        trainings.draw_weights, trainings.judge_weights, trainings.SHOWN,
    ),
    PaperFigure(
        "figure14", "Figures 14 and 15: zero-init of V", LI2, "figure14",
        "M 41, 89, 127, K 1024, lr 5e-3, weight decay 5e-5, square, MSE",
        "M 41, 89, 60 and 80 % of the pairs, 1,000 steps, 3 seeds",
        trainings.draw_zero_init, trainings.judge_zero_init, trainings.SHOWN,
    ),
    PaperFigure(
        "cogo", "CoGO's table and distribution of solutions", COGO, "cogo",
        "M 23, 71, 127, K 256 to 2048, weight decay 1e-5 to 5e-4, lr 1e-2, 90 % of the pairs, "
        "10,000 epochs, 5 seeds",
        "K 512; M 23 at each weight decay, M 71 at the one of the table",
        algebra.draw, algebra.judge,
    ),
)  # fmt: skip
"""In the order of the paper."""
