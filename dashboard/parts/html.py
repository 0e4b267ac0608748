"""Small pieces of HTML: escaped text and drawn icons, so that nothing depends on a font or another host."""

from html import escape

from dashboard.parts.words import Word

_STROKED = {
    "pass": '<circle cx="8" cy="8" r="6.6"/><path d="M5 8.2 7.2 10.4 11 6"/>',
    "fail": '<circle cx="8" cy="8" r="6.6"/><path d="M5.6 5.6l4.8 4.8M10.4 5.6l-4.8 4.8"/>',
    "alert": '<path d="M8 1.8 15 14H1z"/><path d="M8 6.2v3.6M8 11.6v.6"/>',
    "unknown": '<circle cx="8" cy="8" r="6.6"/><path d="M6 6.2a2 2 0 1 1 2.6 2c-.5.2-.6.5-.6 1.1M8 11.3v.5"/>',
    "ship": '<circle cx="8" cy="8" r="6.6"/><path d="M8 11.4V4.8M5.2 7.4 8 4.6l2.8 2.8"/>',
    "wait": '<circle cx="8" cy="8" r="6.6"/><path d="M8 4.2V8l2.6 1.8"/>',
    "stop": '<path d="M5.2 1.4h5.6l3.8 3.8v5.6l-3.8 3.8H5.2l-3.8-3.8V5.2z"/><path d="M5 8h6"/>',
    "scale": '<path d="M8 2v12M4.5 14h7M2.5 4.5h11M2.5 4.5.8 9.4a2 2 0 0 0 3.4 0zm11 0-1.7 4.9a2 2 0 0 0 3.4 0z"/>',
    "blocked": '<circle cx="8" cy="8" r="6.6"/><path d="M3.4 3.4l9.2 9.2"/>',
    "tick": '<path d="M2.6 8.6 6.2 12.2 13.4 4.2"/>',
    "none": '<path d="M3.5 8h9"/>',
}
_FILLED = {
    "up": '<path d="M8 2.6 14.4 13H1.6z"/>',
    "down": '<path d="M8 13.4 1.6 3h12.8z"/>',
    "dot": '<circle cx="8" cy="8" r="4"/>',
}


def text(value: object) -> str:
    """Anything as text that cannot become markup."""
    return escape(str(value), quote=True)


def icon(name: str) -> str:
    """A 16-pixel drawing in the colour of the text; the word beside it carries the meaning for screen readers."""
    kind, body = ("filled", _FILLED[name]) if name in _FILLED else ("stroked", _STROKED[name])
    return f'<svg class="icon {kind}" viewBox="0 0 16 16" aria-hidden="true">{body}</svg>'


def marked(word: Word, tail: str = "") -> str:
    """A status as icon and word in its tone, with more text after it."""
    return f'<span class="mark {word.tone}">{icon(word.icon)}{text(word.text)}</span>{tail}'


def bold(sentence: str, *parts: str) -> str:
    """An escaped sentence with the first occurrence of each part in bold."""
    shown = text(sentence)
    for part in parts:
        shown = shown.replace(text(part), f"<b>{text(part)}</b>", 1)
    return shown


def said(sentence: str) -> str:
    """A sentence that the reader came for; nothing where it is empty."""
    return f'<p class="say">{text(sentence)}</p>' if sentence else ""


def line(sentence: str) -> str:
    """A sentence beside the matter."""
    return f'<p class="line">{text(sentence)}</p>'


def bullets(items: list[str]) -> str:
    """A list of sentences."""
    return f"<ul>{''.join(f'<li>{text(item)}</li>' for item in items)}</ul>" if items else ""


def note(label: str, body: str, doc: str = "") -> str:
    """A question mark that opens an explanation without a rerun; `doc` is the page of the methods that has more."""
    more = f' <a href="definitions?doc={text(doc)}">How it is done</a>' if doc else ""
    return (
        f'<details class="note"><summary aria-label="{text(f"What is this: {label}")}">?</summary>'
        f"<div>{text(body)}{more}</div></details>"
    )
