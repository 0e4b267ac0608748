"""The Bayesian reading: the only place where the word chance is used of an effect."""

from analysis.readout import Readout
from dashboard.parts import html, numbers, picks


def table(readout: Readout, arm: str) -> str:
    """Chance that the treatment is better and what either call is expected to forgo, with the prior; else empty."""
    plans, prior = picks.plans(readout), readout.design.prior
    shown = [(plans[e.metric], e.posterior) for e in picks.overall(readout.looks[-1], arm) if e.posterior]
    if readout.design.inference != "bayesian" or prior is None or not shown:
        return ""
    rows = "".join(
        f'<tr><th scope="row">{html.text(plan.name)}</th><td>{_chance(belief.chance)}</td>'
        f"<td>{numbers.lift(belief.mean)}</td><td>{numbers.percent(belief.loss_ship, 2)}</td>"
        f"<td>{numbers.percent(belief.loss_keep, 2)}</td></tr>"
        for plan, belief in shown
    )
    heads = ("Metric", f"Chance that {arm} is better", "Posterior lift", "Expected loss: ship", "Expected loss: keep")
    head = "".join(f'<th scope="col">{html.text(name)}</th>' for name in heads)
    spread = numbers.percent(prior.standard_deviation)
    return (
        f'<table class="plain"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table><p class="legend">'
        f"Prior: before the data, every lift was taken to be normal around {numbers.lift(prior.mean)} with a standard "
        f"deviation of {spread}. Chances hold given this prior. They make no promise about error rates, and repeated "
        "looks raise those.</p>"
    )


def _chance(chance: float) -> str:
    return "above 99.9%" if chance > 0.999 else "below 0.1%" if chance < 0.001 else numbers.percent(chance)
