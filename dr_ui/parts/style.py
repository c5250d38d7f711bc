"""One language of color and line, on every page and in every exported figure."""

import base64
from collections.abc import Iterable
from html import escape

from dr_core.models.setups import Setup

POOLING_TITLES = {"sum_pos": "positive sum", "l2_norm_sq": "squared length"}
"""The paper's two poolings in plain words; the others go by CLEVR-XAI's names."""

_INITIALIZATION_TITLES = {"none": "no external data", "imagenet": "ImageNet"}


def setup_class(name: str) -> str:
    """CSS class that gives an element the color and line of a set-up."""
    return f"lens-setup-{name}"


def setup_css(setups: Iterable[Setup]) -> str:
    """Style sheet with the colors and lines of a study's set-ups."""
    rules = "\n".join(
        f".{setup_class(setup.name)} {{ --hue: {setup.color}; --line: {setup.css_line}; "
        f"--fill: {setup.color if setup.filled else 'transparent'}; }}"
        for setup in setups
    )
    return f"<style>{rules}</style>"


def setup_heads(setups: Iterable[Setup]) -> str:
    """Column heads of a table, each under its set-up's line."""
    return "".join(
        f'<th scope="col" class="{setup_class(setup.name)}"><i></i>{escape(setup.label)}</th>' for setup in setups
    )


def table_width(columns: int) -> str:
    """Attribute of a `lens-scores` table with so many columns of numbers that they do not run into each other."""
    return f' style="min-width: {8 + 5.6 * columns:.0f}rem"' if columns > _FITTING else ""


_FITTING = 10
"""Columns of numbers for which the style sheet's own width is enough."""


def initialization_title(initialization: str) -> str:
    """What first weights come from, for people."""
    return _INITIALIZATION_TITLES.get(initialization, initialization)


def thumbnails_css(control: str, pictures: Iterable[bytes]) -> str:
    """A small picture over each option of a segmented control.

    Args:
        control: CSS selector of the control.
        pictures: JPEG bytes, one for each option.
    """
    rules = [
        f'{control} [role="radio"]:nth-of-type({number})::before '
        f"{{ background-image: url(data:image/jpeg;base64,{base64.b64encode(picture).decode()}); }}"
        for number, picture in enumerate(pictures, start=1)
    ]
    return f"<style>{''.join(rules)}</style>"


def page_css() -> str:
    """Style sheet of every page; colors that a theme must decide are taken from the theme."""
    return f"<style>{_CSS}</style>"


_CSS = """
[data-testid="stSidebar"][data-collapsed="false"] { width: 176px !important; min-width: 176px !important; }
[data-testid="stSidebarNav"] li:first-child a p { font-size: 0; }
[data-testid="stSidebarNav"] li:first-child a p::after { content: "Home"; font-size: .875rem; }
[data-testid="stSidebar"][data-collapsed="false"]:has(.st-key-case_list) { width: 272px !important;
  min-width: 272px !important; }
.st-key-case_list { margin: 0 -1.1rem; }
[data-testid="stSidebar"] [data-testid="stElementToolbar"] { display: none; }  /* the list has its own search */
[data-testid="stMain"] [data-testid="stElementToolbar"] { top: 0 !important; }  /* over the head of its own table */
.block-container { padding: 2.4rem 2.2rem 1rem; max-width: 1360px; }
[data-testid="stMain"] [data-testid="stVerticalBlock"] { gap: .7rem; }
:root { --lens-page: light-dark(#ffffff, #14181d); }  /* .streamlit/config.toml's two backgrounds */
.lens-head { display: flex; align-items: baseline; gap: 1rem; flex-wrap: wrap; }
.lens-head h1 { font-size: 1.65rem; line-height: 1.25; padding: 0; margin: 0; }
.lens-note { font-size: .8rem; margin-left: auto; border: 1px solid currentColor; border-radius: 1rem;
  padding: .1rem .7rem; white-space: nowrap; }
.lens-small { font-size: .82rem; line-height: 1.4; margin: 0; opacity: .92; }
.lens-key { margin-top: .5rem; }
.lens-h2 { font-size: 1.1rem; margin: .4rem 0 0; padding: 0; }

.lens-grayed .lens-card { filter: grayscale(1); border-style: dashed; }
.lens-grayed .lens-bars, .lens-grayed .lens-meter { opacity: .45; }
.lens-grayed .lens-card .lens-answer, .lens-grayed .lens-card .lens-verdict { font-weight: 400; font-size: .9rem;
  color: color-mix(in srgb, currentColor 65%, transparent); }
.lens-grayed .lens-card .lens-verdict b { font-weight: 400; font-size: .9rem; }
.lens-cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(max(9.5rem, 20%), 1fr));
  gap: .7rem; }
:has(> .lens-cards) { container-type: inline-size; }
@container (19.7rem <= width < 40.1rem) {  /* four cards: two and two, not three and one */
  .lens-cards:has(> :nth-child(4):last-child) { grid-template-columns: 1fr 1fr; }
}
@container (width >= 30rem) {  /* five or six: three a row, not four and one */
  .lens-cards:has(> :is(:nth-child(5), :nth-child(6)):last-child) { grid-template-columns: repeat(3, 1fr); }
}
@container (width >= 42rem) {  /* five: side by side, closer */
  .lens-cards:has(> :nth-child(5):last-child) { grid-template-columns: repeat(5, minmax(0, 1fr)); gap: .4rem; }
  .lens-cards:has(> :nth-child(5):last-child) > .lens-card { padding-inline: .5rem; }
  .lens-cards:has(> :nth-child(5):last-child) .lens-answer { font-size: 1.1rem; }
  .lens-cards:has(> :nth-child(5):last-child) .lens-other { font-size: .72rem; letter-spacing: -.01em; }
}
.lens-card { border: 1px solid color-mix(in srgb, currentColor 24%, transparent);
  border-top: 4px var(--line) var(--hue); border-radius: .4rem; padding: .5rem .8rem .6rem; min-width: 0;
  font-variant-numeric: tabular-nums; }
.lens-card h2 { font-size: .95rem; margin: 0 0 .15rem; padding: 0; letter-spacing: .02em; }
.lens-card h2::before { content: ""; display: inline-block; width: .6rem; height: .6rem; border-radius: 50%;
  border: 2px solid var(--hue); margin-right: .45rem; background: var(--fill, transparent); }
.lens-card p { margin: 0; font-size: .82rem; line-height: 1.35; }
.lens-card code { font-size: .75rem; overflow-wrap: anywhere; }

.lens-card .lens-answer { font-size: 1.3rem; font-weight: 650; line-height: 1.25; margin-top: .2rem;
  white-space: nowrap; }
.lens-card .lens-sure { font-size: .9rem; }
.lens-bars, .lens-axis { display: grid; grid-template-columns: repeat(5, 1fr); gap: 4px; text-align: center; }
.lens-bars { height: 76px; align-items: end; margin-top: .3rem; }
.lens-bars i { display: block; font-style: normal; font-size: .7rem; line-height: 1.4; }
.lens-bars span { display: block; border-radius: 2px 2px 0 0;
  outline: 1px solid color-mix(in srgb, currentColor 40%, transparent); }
.lens-axis { font-size: .72rem; border-top: 1px solid color-mix(in srgb, currentColor 50%, transparent); }
.lens-card .lens-verdict, .lens-card .lens-other { display: flex; justify-content: space-between; align-items: baseline;
  gap: .3rem; white-space: nowrap; }
.lens-card .lens-verdict { font-size: .9rem; font-weight: 600; margin-top: .45rem; }
.lens-verdict b { font-size: 1.15rem; }
.lens-card .lens-other { font-size: .8rem; margin-top: .5rem; }
.lens-meter { position: relative; height: 6px; border-radius: 3px; margin-top: .1rem;
  background: color-mix(in srgb, currentColor 16%, transparent); }
.lens-meter i { position: absolute; inset: 0 auto 0 0; border-radius: 3px; background: currentColor; opacity: .75; }
.lens-meter span { position: absolute; top: -4px; height: 14px; border-left: 2px solid currentColor;
  margin-left: -1px; }
.lens-damage { gap: .5rem; grid-template-columns: repeat(auto-fit, minmax(8.2rem, 1fr)); }
.lens-damage .lens-card { padding: .4rem .55rem .5rem; }
.lens-damage .lens-bars { height: 50px; }
.lens-damage .lens-bars > div { position: relative; height: 46px; display: flex; align-items: end; }
.lens-damage .lens-bars span { width: 100%; }
.lens-damage .lens-bars b { position: absolute; left: -1px; right: -1px; border-top: 2px solid currentColor; }
.lens-card .lens-flip { font-weight: 650; color: inherit; background: color-mix(in srgb, #E69F00 32%, transparent);
  border-radius: .25rem; padding: 0 .25rem; }
.lens-pair { display: grid; grid-template-columns: 1fr 1fr; gap: 4px; }
.lens-pair figure { margin: 0; } .lens-pair img { width: 100%; border-radius: .3rem; display: block; }
.lens-pair figcaption { font-size: .72rem; text-align: center; }
[class*="st-key-corruption_"] [role="radiogroup"] { display: grid; grid-template-columns: 1fr 1fr; gap: 4px; }
[class*="st-key-corruption_"] [role="radio"] { justify-content: flex-start; height: 50px; padding: 3px 6px;
  border-radius: .35rem; margin: 0; min-width: 0; width: 100%; }
[class*="st-key-corruption_"] [role="radio"]::before { content: ""; flex: none; width: 42px; height: 42px;
  margin-right: 6px; border-radius: .25rem; background: #0b0b0d center / cover; }
[class*="st-key-corruption_"] [role="radio"] p { font-size: .76rem; line-height: 1.15; white-space: normal;
  text-align: left; }
.lens-evidence { font-size: .86rem; line-height: 1.4; margin: 0 0 .5rem; min-height: 2.4rem; }
.lens-agree { margin-top: .6rem; min-height: 5.6rem; }
.lens-agree [role="status"] { font-size: 1.05rem; margin: 0 0 .3rem; }

.lens-card .lens-fact { display: flex; align-items: baseline; gap: .4rem; white-space: nowrap; margin-top: .28rem; }
.lens-fact span { margin-right: auto; overflow: hidden; text-overflow: ellipsis; }
.lens-fact b { font-size: .95rem; }
.lens-card:has(.lens-fact) { container-type: inline-size; }
@container (max-width: 13.5rem) {  /* a name above its number, so that neither is cut short */
  .lens-card .lens-fact { flex-wrap: wrap; white-space: normal; justify-content: space-between; gap: 0 .4rem; }
  .lens-fact span { flex-basis: 100%; } }
.lens-range { position: relative; height: 7px; margin-top: 1px;
  background: linear-gradient(currentColor, currentColor) 50% 50% / 1px 7px no-repeat,
  linear-gradient(color-mix(in srgb, currentColor 28%, transparent), color-mix(in srgb, currentColor 28%, transparent))
  0 50% / 100% 1px no-repeat; }
.lens-range i { position: absolute; top: 2px; height: 3px; background: var(--hue); }
.lens-range b { position: absolute; top: 0; width: 7px; height: 7px; margin-left: -3.5px; border-radius: 50%;
  background: var(--hue); }

.lens-drawing { display: grid; min-width: 46rem;
  grid-template-columns: 11rem 3.4rem minmax(0, 1fr) 3.4rem 11rem 3.4rem 9rem;
  row-gap: .35rem; align-items: center; font-size: .86rem; margin-top: .5rem; }
.lens-drawing > .lens-step { font-size: .76rem; opacity: .85; text-align: center; }
.lens-box { border: 1.5px solid color-mix(in srgb, currentColor 45%, transparent); border-radius: .4rem; height: 100%;
  min-height: 1.6rem; padding: .1rem .6rem; display: grid; place-items: center; text-align: center; }
.lens-box[class*="lens-setup-"] { border: 2px var(--line) var(--hue); }
.lens-end { font-weight: 650; }
.lens-wire { border-top: 2px var(--line) var(--hue); position: relative; }
.lens-wire::after { content: ""; position: absolute; right: 0; top: -5px; border: 4px solid transparent;
  border-left: 7px solid var(--hue); border-right: 0; }

@media (max-width: 1000px) {  /* the whole drawing */
  .lens-drawing { min-width: 0; font-size: .7rem; overflow-wrap: anywhere;
    grid-template-columns: 4.4rem .9rem minmax(0, 1fr) .9rem 4.2rem .9rem 4.2rem; }
  .lens-drawing > .lens-step { font-size: .66rem; }
  .lens-box { padding: .1rem .2rem; } }

.st-key-photographs [data-testid="stFileUploaderDropzone"] { padding: .5rem .7rem; height: 94px; overflow-y: auto; }
.st-key-sample [role="radio"] { flex: 1 1 0; min-width: 0; height: 94px; padding: 6px 2px; flex-direction: column;
  justify-content: center; gap: 4px; }
.st-key-sample [role="radio"]::before { content: ""; width: 54px; max-width: 100%; aspect-ratio: 1;
  border-radius: 50%; flex: none;
  background: #0b0b0d center / cover; }
.st-key-sample [role="radio"] p { font-size: .74rem; white-space: nowrap; }
.st-key-sample [role="radio"]:disabled::before { opacity: .45; }
.lens-photo { background: #0b0b0d; border-radius: .4rem; padding: 6px; display: flex;
  justify-content: center; align-items: center; height: 330px; }
.lens-photo img { width: 100%; height: 100%; object-fit: contain; }
.lens-patient { display: grid; grid-template-columns: repeat(auto-fit, minmax(8rem, 1fr)); gap: .4rem; }
.lens-patient figure { margin: 0; }
.lens-patient .lens-photo { height: 190px; }
.lens-patient figcaption { font-size: .82rem; text-align: center; overflow-wrap: anywhere; }
.st-key-tour { position: sticky; top: 2.6rem; z-index: 20; background: var(--lens-page); padding: .5rem .8rem;
  border: 2px solid #0f766e; border-radius: .4rem; }
.st-key-tour > :first-child { flex: 1 1 20rem; } .st-key-tour > :not(:first-child) { flex: none; }
.lens-tour { margin: 0; font-size: .9rem; line-height: 1.4; }
.lens-keys { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1rem; margin: 0; font-size: .85rem; }
.lens-keys dt { font-weight: 650; } .lens-keys dd { margin: 0; }
.st-key-glossary h3 { font-size: 1rem; padding: .6rem 0 .2rem; }
.st-key-glossary td:first-child { min-width: 11rem; }
.lens-beside { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 13rem), 1fr)); gap: .8rem; }
.lens-beside figure { margin: 0; min-width: 0; }
.lens-beside .lens-photo { height: 230px; color: #e8edf2; }
.lens-beside figcaption { font-size: .85rem; overflow-wrap: anywhere; min-height: 1.4rem; }
.lens-beside table { width: 100%; border-collapse: collapse; font-size: .85rem; font-variant-numeric: tabular-nums; }
.lens-beside th, .lens-beside td { padding: .2rem .3rem .2rem 0; text-align: left; font-weight: 400; }
.lens-beside td:last-child { text-align: right; font-weight: 650; white-space: nowrap; }
.lens-beside th i { display: inline-block; width: 1.1rem; border-top: 3px var(--line) var(--hue); margin-right: .35rem;
  vertical-align: middle; }
.lens-quality { font-size: .82rem; margin: 0; }
.lens-warning { font-size: .85rem; border-left: 4px solid #E69F00; padding: .1rem .6rem; margin: .35rem 0 0; }
.lens-sentence { font-size: 1.05rem; margin: 0; min-height: 1.6rem; }
.lens-dense { font-size: .84rem; line-height: 1.28; }
.lens-sets { border-collapse: collapse; }
.lens-sets th, .lens-sets td { padding: .1rem .9rem .1rem 0; text-align: left; font-variant-numeric: tabular-nums; }
.lens-eyes { max-height: 330px; overflow-y: auto; }
.lens-eyes table { width: 100%; border-collapse: collapse; font-size: .85rem; font-variant-numeric: tabular-nums; }
.lens-eyes th, .lens-eyes td { padding: .15rem .6rem; text-align: right; font-weight: 400; white-space: nowrap;
  border-bottom: 1px solid color-mix(in srgb, currentColor 18%, transparent); }
.lens-eyes th:nth-child(-n + 2), .lens-eyes td:first-child { text-align: left; }
.lens-eyes td:first-child { width: 64px; }
.lens-eyes img { width: 52px; height: 52px; border-radius: .3rem; display: block; background: #0b0b0d; }
.lens-scroll { overflow-x: auto; position: relative; }
.lens-scroll tbody th[scope="row"], .lens-scroll thead tr:first-child > :first-child,
.lens-eyes tbody th { position: sticky; left: 0; z-index: 1; background: var(--lens-page); }
.lens-listing td { white-space: normal !important; text-align: left !important; }
.lens-listing thead th { text-align: left !important; }
.lens-scores { width: 100%; min-width: 1060px; table-layout: fixed; border-collapse: collapse; font-size: .8rem;
  font-variant-numeric: tabular-nums; line-height: 1.25; margin: 0 0 .4rem; }
.lens-scores th, .lens-scores td { padding: .18rem .25rem .18rem 0; text-align: right; font-weight: 400;
  white-space: nowrap; border-bottom: 1px solid color-mix(in srgb, currentColor 18%, transparent); }
.lens-scores thead th { font-size: .74rem; white-space: normal; overflow-wrap: anywhere; text-align: right;
  vertical-align: bottom; }
.lens-scores thead th[colspan] { text-align: center; font-weight: 650; font-size: .8rem; }
.lens-scores tbody th, .lens-scores tr:first-child th:first-child { text-align: left; font-weight: 650; }
.lens-scores td[colspan] { text-align: left; opacity: .85; }
.lens-scores small { font-size: .7rem; opacity: .85; margin-left: .2rem; }
.lens-scores .lens-best { font-weight: 700; }
.block-container:has(.st-key-lesions) { max-width: 1760px; }
.lens-scores .lens-best::before { content: "▲"; font-size: .6rem; margin-right: .15rem; }
.lens-scores .lens-used { font-weight: 700; }
.lens-scores .lens-used::before { content: "▼"; font-size: .6rem; margin-right: .15rem; }
.lens-falls { table-layout: auto; }
.lens-falls th:first-child { width: 6rem; }
.lens-falls .lens-done, .lens-falls thead th:nth-child(2)[rowspan] { text-align: left; white-space: nowrap; }
.lens-falls td, .lens-falls tbody th { vertical-align: top; }
.lens-falls td small { display: block; margin: 0; font-weight: 400; }
.lens-falls thead + tbody tr:first-child { background: none; }
.lens-falls .lens-removed > * { border-top: 1px solid color-mix(in srgb, currentColor 45%, transparent); }
.lens-scores th i { display: block; border-top: 3px var(--line) var(--hue); margin-bottom: 2px; }
.lens-scores tbody tr:first-child { background: color-mix(in srgb, currentColor 6%, transparent); }
[data-testid="stCaptionContainer"], [data-testid="stCaptionContainer"] p { color: inherit; opacity: .92; }
.lens-counts { font-size: 1.05rem; margin: .2rem 0; display: flex; gap: .4rem 1.1rem; flex-wrap: wrap; }
.lens-mark { white-space: nowrap; font-weight: 650; }
.lens-mark.lens-open { font-weight: 400; }
.lens-claims { width: 100%; min-width: 980px; border-collapse: collapse; font-size: .84rem; line-height: 1.35;
  font-variant-numeric: tabular-nums; }
.lens-claims th, .lens-claims td { padding: .35rem .7rem .35rem 0; text-align: left; vertical-align: top;
  font-weight: 400; border-bottom: 1px solid color-mix(in srgb, currentColor 18%, transparent); }
.lens-claims thead th { font-size: .76rem; font-weight: 650; position: sticky; top: 0; }
.lens-claims td:first-child { white-space: nowrap; } .lens-claims tbody th { width: 28%; }
.lens-claims td:nth-child(3) { width: 20%; } .lens-claims td:nth-child(4) { width: 22%; }
.lens-claims small { display: block; font-size: .74rem; opacity: .85; }
.lens-claims summary { cursor: pointer; min-height: 24px; }
.lens-claims details p { font-size: .76rem; margin: .3rem 0; }
.lens-claims ul { list-style: none; margin: 0; padding: 0; max-height: 16rem; overflow-y: auto; font-size: .76rem; }
.lens-claims .lens-about { display: inline; margin-right: .3rem; } .lens-claims td > div + div { margin-top: .2rem; }
@media (max-width: 640px) {  /* a claim with its verdict first, one under the other */
  .lens-claims { min-width: 0; display: block; } .lens-claims tbody { display: block; }
  .lens-claims thead { position: absolute; clip-path: inset(50%); }
  .lens-claims tbody tr { display: flex; flex-direction: column; padding: .5rem 0;
    border-bottom: 1px solid color-mix(in srgb, currentColor 35%, transparent); }
  .lens-claims tbody tr > * { border: 0; padding: .1rem 0; width: auto !important; order: 2; position: static; }
  .lens-claims tbody tr > :first-child, .lens-claims tbody tr > th { order: 0; font-weight: 650; }
  .lens-claims tbody tr > .lens-verdict { order: 1; }
  .lens-claims [data-head]::before { content: attr(data-head) ": "; opacity: .85; } }
.lens-claims li { padding: .1rem 0; } .lens-claims li span { display: block; opacity: .85; }
@media (max-width: 640px) {  /* as much of a table as fits; names wrap, the rest is scrolled */
  .lens-scores { table-layout: auto; min-width: 560px; }
  .lens-scores tbody th[scope="row"] { white-space: normal; max-width: 7.5rem; }
  .lens-scores caption { text-align: left; } }
[data-testid="stMain"] [aria-label^="Scroll tabs"] { min-width: 24px; }
[data-testid="stMain"] [data-testid="stCheckbox"] label { min-height: 24px; }
[data-testid="stMain"] [data-testid="stButtonGroup"] > [role="radiogroup"] { flex-wrap: wrap; }
@media (max-width: 1000px) {
  [data-testid="stMain"] [data-testid="stHorizontalBlock"] { flex-wrap: wrap; }
  [data-testid="stMain"] [data-testid="stColumn"] { min-width: min(100%, 14rem); flex-grow: 1; }
  [data-testid="stMain"] [data-testid="stColumn"]:has(.st-key-sample) { min-width: min(100%, 27rem); }
}
@media (max-width: 640px) { .block-container { padding: 4.2rem 1.1rem 1rem; } }
button:focus-visible, a:focus-visible, summary:focus-visible { outline: 3px solid currentColor !important;
  outline-offset: 2px; }
"""
