"""Numbers as people read them, in reasons and reports."""


def percent(share: float | None) -> str:
    """A relative change for people: a sign, one decimal, more only where it would read 0."""
    if share is None:
        return "unbounded"
    digits = 1 if abs(share) >= 0.001 or share == 0 else 3
    return f"{100 * share:+.{digits}f}%".replace("-", "−")
