"""One language of color and line, on every page and in every exported figure."""

from dr_core.models.setups import SETUPS, Setup

_HUES = {"none": "#D55E00", "imagenet": "#0072B2"}
"""Initialization -> hue: orange without external data, blue from ImageNet (Okabe and Ito's color-blind-safe set)."""

GRADE_RAMP = ("#d9d9e8", "#b3b3d1", "#8a87ba", "#5f5a9e", "#332a75")
"""Grades 0..4, light to dark."""


def setup_color(setup: Setup) -> str:
    """Hue of a set-up: its initialization."""
    return _HUES[setup.initialization]


def setup_dash(setup: Setup) -> str:
    """SVG dash pattern of a set-up's line: dashed for supervised, solid for contrastive training."""
    return "6 4" if setup.training == "supervised" else "none"


def setup_variables() -> str:
    """CSS classes that give each set-up its color and line."""
    lines = {"supervised": "dashed", "contrastive": "solid"}
    return "\n".join(
        f".lens-{setup.name} {{ --hue: {setup_color(setup)}; --line: {lines[setup.training]}; }}"
        for setup in SETUPS.values()
    )


def page_css() -> str:
    """Style sheet of every page; colors that a theme must decide are taken from the theme."""
    return f"<style>{setup_variables()}{_CSS}</style>"


_CSS = """
section[data-testid="stSidebar"] { width: 168px !important; min-width: 168px !important; }
[data-testid="stSidebarNav"] li:first-child a p { font-size: 0; }
[data-testid="stSidebarNav"] li:first-child a p::after { content: "Home"; font-size: .875rem; }
.block-container { padding-top: 2.6rem; padding-bottom: 1rem; max-width: 1320px; }
.lens-head { display: flex; align-items: baseline; gap: 1rem; flex-wrap: wrap; margin-bottom: .2rem; }
.lens-head h1 { font-size: 1.65rem; line-height: 1.25; padding: 0; margin: 0; }
.lens-note { font-size: .8rem; opacity: .8; margin-left: auto; border: 1px solid currentColor; border-radius: 1rem;
  padding: .1rem .7rem; white-space: nowrap; }
.lens-cards { display: grid; grid-template-columns: repeat(4, minmax(0, 1fr)); gap: .8rem; }
.lens-card { border: 1px solid color-mix(in srgb, currentColor 22%, transparent);
  border-top: 4px var(--line) var(--hue);
  border-radius: .4rem; padding: .55rem .8rem .6rem; font-variant-numeric: tabular-nums; min-width: 0; }
.lens-card h2 { font-size: .95rem; margin: 0 0 .15rem; padding: 0; letter-spacing: .02em; }
.lens-card h2::before { content: ""; display: inline-block; width: .6rem; height: .6rem; border-radius: 50%;
  border: 2px solid var(--hue); margin-right: .45rem; background: transparent; }
.lens-iwne_cl h2::before, .lens-ifi_cl h2::before { background: var(--hue); }
.lens-card p { margin: .1rem 0; font-size: .82rem; line-height: 1.35; }
.lens-card .lens-answer { font-size: 1.18rem; font-weight: 650; line-height: 1.3; margin: .1rem 0 .35rem;
  white-space: nowrap; letter-spacing: -.01em; }
.lens-answer small { font-size: .9rem; font-weight: 400; opacity: .85; }
.lens-bars { display: grid; grid-template-columns: repeat(5, 1fr); gap: 4px; height: 74px; align-items: end; }
.lens-bars div { border-radius: 2px 2px 0 0; min-height: 2px;
  outline: 1px solid color-mix(in srgb, currentColor 35%, transparent); }
.lens-facts { display: grid; grid-template-columns: auto auto 1fr; column-gap: .6rem; font-size: .82rem;
  margin: .35rem 0 0 !important; padding: 0 !important; }
.lens-facts dt, .lens-facts dd { margin: 0; }
.lens-axis { display: grid; grid-template-columns: repeat(5, 1fr); gap: 4px; text-align: center; font-size: .72rem;
  opacity: .85; margin-bottom: .4rem; }
.lens-verdict { display: flex; justify-content: space-between; align-items: baseline; font-size: .85rem;
  border-top: 1px solid color-mix(in srgb, currentColor 15%, transparent); padding-top: .25rem; margin-top: .2rem; }
.lens-verdict b { font-size: 1.05rem; }
.lens-yes, .lens-no { white-space: nowrap; }
.lens-agree { font-size: 1.02rem; margin: .65rem 0 .2rem; }
.lens-photo { background: #0b0b0d; border-radius: .4rem; padding: 6px; display: flex;
  justify-content: center; align-items: center; height: 318px; }
.lens-photo img { max-width: 100%; max-height: 100%; object-fit: contain; }
.lens-quality { font-size: .82rem; margin: .35rem 0 0; opacity: .92; }
.lens-warning { font-size: .85rem; border-left: 4px solid #E69F00; padding: .15rem .6rem; margin: .35rem 0; }
.lens-small { font-size: .82rem; opacity: .9; }
.lens-drawing p { display: grid; grid-template-columns: 9.5rem 15rem 13rem 6.5rem; column-gap: 2.6rem; margin: .28rem 0;
  align-items: center; font-size: .84rem; }
.lens-drawing p:first-child { font-size: .76rem; opacity: .8; }
.lens-drawing p:not(:first-child) > * { border: 1px solid color-mix(in srgb, currentColor 40%, transparent);
  border-radius: .35rem; padding: .16rem .6rem; text-align: center; position: relative; white-space: nowrap; }
.lens-drawing p:not(:first-child) > b { border: 2.5px var(--line) var(--hue); }
.lens-drawing p:not(:first-child) > :not(:first-child)::before { content: ""; position: absolute; right: 100%; top: 50%;
  width: 2.3rem; margin-right: .15rem; border-top: 2px var(--line) var(--hue); }
.lens-drawing p:not(:first-child) > .lens-through { border: none; border-top: 2px var(--line) var(--hue); padding: 0;
  height: 0; border-radius: 0; margin: 0 -.4rem; }
"""
