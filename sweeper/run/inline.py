"""Packs run in this process, one after the other: for debugging, tests and small sweeps."""

from sweeper.run.executor import ExecutorError, Job
from sweeper.run.interrupt import Interrupt
from sweeper.run.ledger import Ledger
from sweeper.run.worker import work
from sweeper.spec.model import Resources


class InlineExecutor:
    """This process is the only worker."""

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
                job.plan, pack.rows, job.provenance, job.device, job.modules, job.probes
            )
            try:
                next(deliveries)
            except RuntimeError as error:
                raise ExecutorError(str(error)) from error
            for delivery in deliveries:
                if delivery:
                    ledger.deliver(delivery)
                if interrupt.requested:
                    return
            ledger.close(pack)

    def close(self) -> None:
        """Nothing was started."""
