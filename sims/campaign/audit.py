"""After every run: is the right tree on board, is it whole, and is what was recorded refused?

A run is flown as in a sweep, and everything that the probe's receiver made of the signal is kept.
Then the probe's folders are judged by reading them anew, and whoever recorded the link plays all of
it to the probe again: after the run, and once more after a rollback, where the wanted tree is no
longer on board and only the counter stands between an old message and its second use.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, field, fields, replace

from probe.trees.onboard import open_probe, roll_back
from shared.diff import apply_patch
from shared.errors import Refusal, StoreError
from shared.terminal import Report, silent
from shared.tree import Tree
from sims.campaign.campaign import Campaign, Chunk, plan_of
from sims.campaign.payloads import Parcel
from sims.campaign.workers import do_all
from sims.mission.endpoints import Memo, Outcome, Spacecraft, scratch
from sims.mission.mission import Mission
from sims.random_streams import Streams
from sims.scenario.schema import Settings
from sims.trace import Trace

REPLAY_REFUSED = "counter"


@dataclass(frozen=True)
class Verdict:
    """Counts of one run, or sums of many.

    Attributes:
        runs: how many.
        applied: runs in which the probe took the message.
        wrong: runs after which the tree on board was not the one it should be: the target where
            the message was applied, the baseline where it was not.
        torn: runs after which the tree on board was neither the baseline nor the target, could not
            be read, or a change of trees was left open.
        replays: envelopes played to the probe again after one had been applied, or sent to it
            twice by the link.
        replayed: runs in which one of those was accepted.
        damaged: envelopes that reached the probe with other bytes than were sent.
        forged: runs in which one of those was accepted.
    """

    runs: int = 0
    applied: int = 0
    wrong: int = 0
    torn: int = 0
    replays: int = 0
    replayed: int = 0
    damaged: int = 0
    forged: int = 0

    @property
    def failed(self) -> bool:
        """Whether anything happened that must not."""
        return bool(self.wrong or self.torn or self.replayed or self.forged)

    def as_dict(self) -> dict[str, int]:
        """For JSON."""
        return {each.name: getattr(self, each.name) for each in fields(self)}


def summed(verdicts: Iterable[Verdict]) -> Verdict:
    """All of them together."""
    columns = zip(*(astuple(each) for each in verdicts), strict=True)
    return Verdict(*(sum(column) for column in columns))


@dataclass
class Recorder:
    """The probe's ``receive``, and what it was given."""

    probe: Spacecraft
    memo: Memo
    heard: list[tuple[bytes, Outcome]] = field(default_factory=list)

    def __call__(self, data: bytes, time_s: float) -> Outcome:
        outcome = self.probe.receive(data, self.memo, time_s)
        self.heard.append((data, outcome))
        return outcome

    @property
    def accepted(self) -> list[bytes]:
        """Envelopes that were applied."""
        return [data for data, outcome in self.heard if outcome.applied]


def audit(probe: Spacecraft, parcel: Parcel, recorder: Recorder, time_s: float) -> Verdict:
    """Judges a probe after a run.

    Args:
        probe: as the run left it.
        parcel: what was sent.
        recorder: what it heard.
        time_s: on its clock; later than everything in the run.
    """
    base = parcel.base
    target = apply_patch(base, parcel.cargo.patch)
    accepted = recorder.accepted
    wanted = target if accepted else base
    wrong, torn = _judged(probe, wanted, base, target)
    sent = parcel.cargo.messages
    forged = any(data not in sent for data in accepted)
    damaged = sum(data not in sent for data, _ in recorder.heard)
    replays = max(0, len(recorder.heard) - damaged - len(sent))
    replayed = len(accepted) > 1
    if accepted:
        recorded = [*sent, *dict.fromkeys(data for data, _ in recorder.heard)]
        for tree in (wanted, base):
            for data in recorded:
                outcome = probe.receive(data, recorder.memo, time_s)
                same = data == parcel.cargo.envelope
                replays += same
                replayed |= outcome.applied or (same and outcome.refusal != REPLAY_REFUSED)
                replayed |= outcome.held and data in sent
            found = _judged(probe, tree, base, target)
            wrong, torn = wrong or found[0], torn or found[1]
            if tree is not base:
                with open_probe(probe.state) as opened:
                    roll_back(opened, now_s=time_s)
    return Verdict(1, bool(accepted), wrong, torn, replays, replayed, damaged, forged)


def _judged(probe: Spacecraft, wanted: Tree, base: Tree, target: Tree) -> tuple[bool, bool]:
    """Whether the tree on board is another than wanted, and whether it is torn."""
    try:
        with open_probe(probe.state) as opened:
            tree = opened.slots.root_tree()
            left_open = opened.recovered is not None or opened.store.journal() is not None
    except (StoreError, Refusal):
        return True, True
    return tree != wanted, left_open or tree not in (base, target)


def audit_cells(campaign: Campaign, workers: int = 1, report: Report = silent) -> list[Verdict]:
    """The verdict on every cell of a campaign, in order.

    Args:
        campaign: which.
        workers: processes; 1 is this one.
        report: told how many runs are done.

    Raises:
        InputError: workers were lost.
    """
    chunks = list(campaign.chunks())
    total = sum(chunk.runs for chunk in chunks)
    cells: list[list[Verdict]] = [[] for _ in range(chunks[-1].cell + 1)]
    flown = 0
    for chunk, verdicts in do_all(audit_chunk, campaign, chunks, workers):
        cells[chunk.cell] += verdicts
        flown += chunk.runs
        report("runs", flown, total)
    return [summed(each) for each in cells]


def audit_chunk(campaign: Campaign, chunk: Chunk) -> Sequence[Verdict]:
    """A chunk's runs, each with its verdict, in order; probes of its own."""
    settings = [settings for _, settings in campaign.scenario.cells()][chunk.cell]
    with scratch() as folder:
        parcel = campaign.parcel(settings)
        probe = Spacecraft(folder / "probe", parcel.base, parcel.cargo)
        numbers = range(chunk.first, chunk.first + chunk.runs)
        return [audited_run(probe, parcel, settings, number) for number in numbers]


def audited_run(
    probe: Spacecraft, parcel: Parcel, settings: Settings, number: int, *, fecf: bool = True
) -> Verdict:
    """One run and its verdict.

    Args:
        probe: of this parcel.
        parcel: what is sent.
        settings: of the cell.
        number: of the run.
        fecf: whether frames have their checksum; without it damaged envelopes reach the probe.
    """
    probe.renew()
    plan = plan_of(settings, parcel.cargo)
    plan = replace(plan, stack=replace(plan.stack, fecf=fecf))
    memo = {} if not parcel.cargo.model else parcel.memo
    recorder = Recorder(probe, memo)
    trace = Trace(keep=False)
    mission = Mission(plan, Streams(settings["seed"], number), recorder, trace)
    result = mission.fly()
    return audit(probe, parcel, recorder, max(result.applied_s, 0.0) + 1.0)
