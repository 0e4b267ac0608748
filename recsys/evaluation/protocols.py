"""How a data set is cut: the protocols of the papers, each said in words."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from recsys.errors import DataError
from recsys.evaluation.sources import Source
from recsys.evaluation.split import Split, together
from recsys.interactions import Interactions

PROTOCOLS = ("leave_one_out", "given_split", "ratio_split", "leave_items_out", "new_items")
HELD_OUT = 0.1
SAMPLED_AMONG = 100


def split(source: Source, protocol: str, seed: int = 0) -> Split:
    """`source` cut by `protocol`, one of PROTOCOLS; `seed` draws where the protocol is random.

    Raises:
        DataError: if the protocol is not known or does not fit the source.
    """
    if protocol not in PROTOCOLS:
        raise DataError(f"protocol {protocol!r} is not known; known: {', '.join(PROTOCOLS)}.")
    if protocol == "given_split":
        return given_split(source)
    if source.test is not None:
        raise DataError(f"{source.name}: it comes with its own test acts; use --protocol given_split.")
    if protocol == "leave_one_out":
        return leave_one_out(source)
    rng = np.random.default_rng(seed)
    if protocol == "ratio_split":
        return ratio_split(source, rng)
    return leave_items_out(source, rng, alone=protocol == "new_items")


def leave_one_out(source: Source) -> Split:
    """The last act of each user is the test, the one before it validation, the acts before it train.

    Users with fewer than three acts only train. With a target action the last two acts of that action are held out;
    acts of others are where their time puts them, and those after the test's act are in none. Source: Kang and
    McAuley, ICDM 2018, section IV-A.
    """
    acts = source.acts
    of_target = np.flatnonzero(acts.are(source.target))
    users, starts, counts = np.unique(acts.user[of_target], return_index=True, return_counts=True)
    enough = counts >= 3
    last = of_target[(starts + counts - 1)[enough]]
    before = of_target[(starts + counts - 2)[enough]]
    row, own = np.arange(len(acts)), np.full(len(acts.users), -1)
    own[users[enough]] = np.arange(enough.sum())
    place = own[acts.user]
    held = place >= 0
    test, validation, late = np.zeros((3, len(acts)), bool)
    test[last] = True
    if enough.any():
        validation[held] = (row[held] >= before[place[held]]) & (row[held] < last[place[held]])
        late[held] = row[held] > last[place[held]]
    found = Split(
        source.name,
        "leave one out: each user's last act is the test, the one before it validation",
        acts.keep(~(test | validation | late)),
        acts.keep(validation),
        acts.keep(test),
        target=source.target,
        ordered=source.ordered,
        sides=source.sides,
    )
    return replace(found, negatives=_uniform(found, np.random.default_rng(0)))


def _uniform(split: Split, rng: np.random.Generator) -> NDArray[np.int32] | None:
    """A hundred items for each wanted act of the test, drawn of those its user never had; as SASRec's code samples."""
    question, items = split.question("test"), len(split.train.items)
    had = together(question.seen, question.wanted)
    keys = np.unique(had.pair)
    if np.bincount(had.user).max() > items // 2:
        return None
    base = question.wanted.user.astype(np.int64)[:, None] * items
    drawn = rng.integers(0, items, (len(question.wanted), SAMPLED_AMONG))
    while (again := np.isin(base + drawn, keys)).any():
        drawn[again] = rng.integers(0, items, int(again.sum()))
    return drawn.astype(np.int32)


def given_split(source: Source) -> Split:
    """Train and test as the source has them; without validation acts a tenth of train's, drawn with seed 0."""
    if source.test is None:
        raise DataError(f"{source.name}: given_split needs train and test files; it has none of its own.")
    train, validation, words = source.acts, source.validation, "validation as given"
    if validation is None:
        drawn = np.random.default_rng(0).random(len(train)) < HELD_OUT
        drawn &= train.are(source.target)
        if source.judged is not None:
            drawn &= source.judged[train.user]
        drawn = _told_of(train, drawn, source.test)
        train, validation, words = train.keep(~drawn), train.keep(drawn), "a tenth of train drawn as validation"
    return Split(
        source.name,
        f"the split as given, {words}, train and validation learnt from before the test",
        train,
        validation,
        source.test,
        negatives=source.negatives,
        target=source.target,
        ordered=source.ordered,
        sides=source.sides,
    )


def _told_of(train: Interactions, drawn: NDArray[np.bool_], test: Interactions) -> NDArray[np.bool_]:
    """`drawn` with every other act of its users on its items, where no act in train tells of the test's.

    Of Tmall's purchases a fifth are of items that the user had in the cart, of those in the test none: validation that
    kept the carts would choose heads that copy them.
    """
    past = train.pair
    return drawn if np.isin(test.pair, past).any() else drawn | np.isin(past, past[drawn])


def ratio_split(source: Source, rng: np.random.Generator) -> Split:
    """Eight, one and one tenth of each user's distinct items, drawn; validation acts are not learnt from.

    Rounded as in RecBole: a user with few items still has one for the test, and then one for validation, as long as
    two stay to train. Source: Zhao et al., CIKM 2021, `RatioSplit` grouped by user.
    """
    acts = once(source.acts, source.target)
    aimed = acts.are(source.target)
    part = np.zeros(len(acts), np.int8)
    part[aimed] = _eight_one_one(acts.user[aimed], rng)
    return Split(
        source.name,
        "each user's items drawn 8:1:1 into train, validation, test; learnt from train alone (RecBole)",
        acts.keep(part == 0),
        acts.keep(part == 1),
        acts.keep(part == 2),
        refit=False,
        target=source.target,
        ordered=source.ordered,
        drawn=True,
        sides=source.sides,
    )


def _eight_one_one(user: NDArray[np.integer], rng: np.random.Generator) -> NDArray[np.int8]:
    """0 train, 1 validation, 2 test for each act of the sorted users."""
    order = np.lexsort((rng.random(len(user)), user))
    _, starts, counts = np.unique(user, return_index=True, return_counts=True)
    tenth = np.floor(0.1 * counts).astype(np.int64)
    test = tenth + ((counts - 2 * tenth > 1) & (tenth == 0))
    validation = tenth + ((counts - tenth - test > 1) & (tenth == 0))
    place = np.arange(len(user)) - np.repeat(starts, counts)
    part = np.zeros(len(user), np.int8)
    from_test, from_validation = (np.repeat(x, counts) for x in (counts - test, counts - test - validation))
    part[order] = np.where(place >= from_test, 2, np.where(place >= from_validation, 1, 0))
    return part


def leave_items_out(source: Source, rng: np.random.Generator, *, alone: bool = False) -> Split:
    """A tenth of the items has no act before the test, another tenth none before validation; their acts are wanted.

    Ranked are all items, or those of the tenth against each other where they are `alone`. Users without any act on the
    other items are left out.
    """
    acts = source.acts
    acted = np.unique(acts.item)
    part = np.zeros(len(acts.items), np.int8)
    drawn = rng.permutation(acted)[: 2 * max(1, len(acted) // 10)]
    part[drawn[::2]], part[drawn[1::2]] = 1, 2
    of_act = part[acts.item]
    warm = np.isin(acts.user, acts.user[of_act == 0])
    return Split(
        source.name,
        "a tenth of the items, drawn, has no acts before the test, and is what is to be found; "
        + ("only those items are ranked, against each other" if alone else "all items are ranked"),
        acts.keep(of_act == 0),
        acts.keep((of_act == 1) & warm),
        acts.keep((of_act == 2) & warm),
        refit=False,
        target=source.target,
        ordered=source.ordered,
        drawn=True,
        sides=source.sides,
        candidates=(part == 1, part == 2) if alone else None,
    )


def once(acts: Interactions, target: str | None) -> Interactions:
    """Without later acts of a user on the same item, as far as they are of the target action."""
    keep = ~acts.are(target)
    rows = np.flatnonzero(~keep)
    keep[rows[np.unique(acts.pair[rows], return_index=True)[1]]] = True
    return acts.keep(keep)
