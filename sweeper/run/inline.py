"""Packs run in this process, one after the other: for debugging, tests and small sweeps."""

from contextlib import suppress

from sweeper.run.executor import ExecutorError, Job
from sweeper.run.interrupt import Interrupt
from sweeper.run.ledger import Ledger
from sweeper.run.worker import Train, work
from sweeper.spec.model import Resources


class InlineExecutor:
    """This process is the only worker."""

    def __init__(self, train: Train | None = None) -> None:
        """Nothing is started.

        Args:
            train: What trains packs; by default `sweeper.learn.train.train`.
        """
        self._train = train

    def workers(self, resources: Resources) -> int:
        """One."""
        return 1

    def run(self, job: Job, ledger: Ledger, interrupt: Interrupt) -> None:
        """Run packs until the ledger has ended or an end is requested.

        Raises:
            ExecutorError: The device cannot be used.
        """
        if job.tracking:
            names = " and ".join(job.tracking.trackers.chosen)
            ledger.say(f"trackers follow runs under ray alone: {names} will not see this one")
        while pack := ledger.take():
            deliveries = work(
                job.plan, pack.rows, job.provenance, job.device, job.modules, job.probes,
                self._train,
            )  # fmt: skip
            try:
                next(deliveries)
            except RuntimeError as error:
                raise ExecutorError(str(error)) from error
            for delivery in deliveries:
                if delivery:
                    ledger.deliver(delivery)
                if interrupt.requested:
                    with suppress(StopIteration):
                        if last := deliveries.send(True):
                            ledger.deliver(last)
                    return
            ledger.close(pack)

    def close(self) -> None:
        """Nothing was started."""
