"""Reads the tables of an experiment file that say how intervals are made: [group_sequential] and [bayesian]."""

from typing import Any

from analysis.readout import GroupSequentialPlan, Prior
from store.toml_reader import Reader

SPENDINGS = ("obrien_fleming", "pocock", "kim_demets", "hwang_shih_decani")
# The parameter that a spending function needs, with the value that is usual; the other two have none.
PARAMETERS = {"kim_demets": 2.0, "hwang_shih_decani": -4.0}
MOST_LOOKS = 400
USUAL_PRIOR = Prior(0.0, 0.1)


def parse_group_sequential(table: Reader) -> GroupSequentialPlan:
    """The plan of a group sequential design; every key has a usual value."""
    spending = table.choice("spending", SPENDINGS, "obrien_fleming")
    parameter = table.number("parameter", "a number", above=-50, below=50, default=PARAMETERS.get(spending))
    if spending not in PARAMETERS and parameter is not None:
        raise table.error("parameter", f"is given, but {spending} has none; leave it out.")
    if spending == "kim_demets" and parameter <= 0:
        raise table.error("parameter", f"found {parameter!r}, expected a power above 0 for kim_demets, such as 2.")
    if spending == "hwang_shih_decani" and parameter == 0:
        raise table.error("parameter", "found 0, which is not defined for hwang_shih_decani; write -4, or pocock.")
    power = table.number("futility_power", "a power such as 0.8", above=0, below=1, default=None)
    looks = _looks(table, table.take("looks", (int, list), "a number of looks, or shares [0.5, 1.0]", []))
    table.done()
    return GroupSequentialPlan(spending, None if parameter is None else float(parameter), looks, power)


def _looks(table: Reader, given: Any) -> tuple[float, ...]:
    if isinstance(given, int):
        if not 1 <= given <= MOST_LOOKS:
            raise table.error("looks", f"found {given}, expected 1 to {MOST_LOOKS} looks, or a list of shares.")
        return tuple((k + 1) / given for k in range(given))
    if not all(isinstance(share, int | float) and not isinstance(share, bool) for share in given):
        raise table.error("looks", f"found {given!r}, expected shares of the planned units such as [0.25, 0.5, 1.0].")
    shares = tuple(float(share) for share in given)
    rising = all(low < high for low, high in zip((0.0, *shares), shares, strict=False))
    if shares and not (rising and shares[-1] == 1.0 and len(shares) <= MOST_LOOKS):
        raise table.error("looks", f"found {given!r}, expected rising shares above 0 that end with 1.0.")
    return shares


def parse_prior(table: Reader) -> Prior:
    """The normal prior on every lift."""
    mean = table.number("prior_mean", "a lift such as 0.0", above=-1, below=10, default=USUAL_PRIOR.mean)
    deviation = table.number(
        "prior_standard_deviation", "a lift such as 0.1", above=0, default=USUAL_PRIOR.standard_deviation
    )
    table.done()
    return Prior(float(mean), float(deviation))
