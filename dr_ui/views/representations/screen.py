"""Parts of the Representations page: condition number by layer, density, rank plot, distribution fits."""

import math
from collections.abc import Iterator
from html import escape

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st
from plotly.subplots import make_subplots

from dr_core.analysis.distribution import MEANINGS, top_share
from dr_core.analysis.spectrum import log_density
from dr_core.models.setups import Setup
from dr_core.publish.paper.published import ALPHA
from dr_core.study.folder import Study
from dr_ui.parts import charts, tables
from dr_ui.parts.style import initialization_title
from dr_ui.shell import missing, result_tables
from dr_ui.shell.navigation import kept_input
from dr_ui.views.representations import concepts, pretrainings, similarity

_MARKED = 500
"""Eigenvalues from which a line has no markers."""


def show_page(study: Study) -> None:
    """Everything of the page, or the command that computes it."""
    layers, values = result_tables.load_table(study, "spectrum"), result_tables.load_table(study, "eigenvalues")
    if layers is None or values is None or layers.empty:
        missing.show_missing_table(study, "spectrum")
        similarity.show(study)
        pretrainings.show(study)
        concepts.show(study)
        return
    data = result_tables.choose_data(study, list(dict.fromkeys(layers["data"])))
    layers, values = layers[layers["data"] == data], values[values["data"] == data]
    st.html(f'<p class="lens-sentence" role="status">{_compare_conditions(study, layers)}</p>')
    left, right = st.columns([1.15, 1], gap="medium")
    with left:
        _show_conditions(study, layers, result_tables.data_title(study, data))
    with right:
        names = list(dict.fromkeys(layers["layer"]))
        singles = result_tables.load_table(study, "image_spectra")
        single = _choose_singles(singles is not None and bool((singles["data"] == data).any()))
        density, ranks, fits = st.tabs(["Density", "Rank plot", "Distribution fit (Table 2)"])
        with density:
            layer = st.selectbox("Layer", names, **kept_input("layer"), disabled=single) or names[0]
            if single and singles is not None:
                layer, shown = names[0], _pool(singles[singles["data"] == data])
            else:
                shown = values[values["layer"] == layer]
            _show_densities(study, shown)
        with ranks:
            _show_ranks(study, shown, layer)
        with fits:
            _show_fits(
                study,
                result_tables.load_table(study, "image_distributions" if single else "distributions"),
                data,
                " or ".join(dict.fromkeys(layers.groupby("setup", sort=False)["layer"].first())),
            )
    similarity.show(study)
    pretrainings.show(study)
    concepts.show(study)


def _compare_conditions(study: Study, layers: pd.DataFrame) -> str:
    """The page's answer: how often each set-up uses more directions than the one that it is compared with."""
    wide = layers.pivot_table(index="layer", columns="setup", values="condition", aggfunc="first", sort=False)
    wide = wide.replace([np.inf], np.nan)
    sentences = []
    for setup, _ in _by_setup(study, layers):
        if setup.partner not in wide:
            continue
        pair = wide[[setup.name, setup.partner]].dropna()
        fewer = int((pair[setup.name] < pair[setup.partner]).sum())
        sentences.append(
            f"{escape(setup.label)} has a lower condition number than {escape(study.setups[setup.partner].label)} in "
            f"<b>{fewer} of {len(pair)} layers</b>"
        )
    if not sentences:
        return "No two set-ups of this study are declared to be compared; lower means that more directions are used."
    return (
        f"{'; '.join(sentences)}. Lower means that a layer spreads its activity over more directions; layers of one "
        "network depend on each other, so the count describes these checkpoints and is not a test."
    )


_TOGETHER, _SINGLE = "over all eyes", "within each eye (first layer)"


def _choose_singles(known: bool) -> bool:
    """Let the user choose between a layer's one spectrum and the first layer's spectra of single eyes."""
    chosen = st.segmented_control(
        "Eigenvalues",
        [_TOGETHER, _SINGLE],
        default=_TOGETHER,
        required=True,
        **kept_input("values"),
        disabled=not known,
        label_visibility="collapsed",
        help="The first layer has only 64 channels, so only 64 eigenvalues over all eyes, but 64 in every single eye.",
    )
    return known and chosen == _SINGLE


def _pool(singles: pd.DataFrame) -> pd.DataFrame:
    """The eigenvalues of single eyes as one falling list for each set-up."""
    falling = singles.sort_values("eigenvalue", ascending=False, kind="stable")
    return falling.assign(rank=falling.groupby("setup").cumcount())


def _by_setup(study: Study, table: pd.DataFrame) -> Iterator[tuple[Setup, pd.DataFrame]]:
    """The rows of each set-up that has some, in the study's order."""
    for name, setup in study.setups.items():
        rows = table[table["setup"] == name]
        if not rows.empty:
            yield setup, rows


def _show_conditions(study: Study, layers: pd.DataFrame, title: str) -> None:
    panels = list(dict.fromkeys(setup.initialization for setup, _ in _by_setup(study, layers)))
    figure = _condition_figure(study, layers, panels)
    charts.show(figure, "conditions", max(530, 200 * len(panels)), titled=True)
    _explain_conditions(study, layers, title)


def _condition_figure(study: Study, layers: pd.DataFrame, panels: list[str]) -> go.Figure:
    figure = make_subplots(
        rows=len(panels),
        cols=1,
        shared_xaxes=True,
        vertical_spacing=0.2 / len(panels),
        subplot_titles=[f"Initialization: {charts.chart_text(initialization_title(panel))}" for panel in panels],
    )
    for setup, mine in _by_setup(study, layers):
        shown = mine.assign(condition=mine["condition"].replace([np.inf], np.nan))
        figure.add_scatter(
            x=shown["place"],
            y=shown["condition"],
            name=charts.chart_text(setup.label),
            mode="lines+markers",
            line=charts.setup_line(setup),
            marker=charts.setup_marker(setup, 5),
            customdata=shown[["layer", "channels", "samples", "rank"]],
            hovertemplate="%{customdata[0]}<br>condition number %{y:.3g}<br>%{customdata[2]:,} positions × "
            "%{customdata[1]} channels, rank %{customdata[3]}<extra>%{fullData.name}</extra>",
            row=panels.index(setup.initialization) + 1,
            col=1,
        )
    alike = layers.groupby("setup")["layer"].agg(tuple).nunique() == 1
    stages = _one_setup(layers).groupby("stage", sort=False)["place"] if alike else ()
    for number, (stage, places) in enumerate(stages):
        figure.add_vrect(
            x0=places.min() - 0.5,
            x1=places.max() + 0.5,
            fillcolor="gray",
            opacity=0.12 if number % 2 else 0.02,
            line_width=0,
            annotation_text="" if stage == "stem" else stage,
            annotation_position="bottom left",
            row="all",
            col=1,
        )
    figure.update_yaxes(type="log", title="condition number", matches="y")
    figure.update_xaxes(title="layer, in the order of the forward pass", row=len(panels), col=1)
    return figure


def _one_setup(layers: pd.DataFrame) -> pd.DataFrame:
    result: pd.DataFrame = layers[layers["setup"] == layers["setup"].iloc[0]]
    return result


def _explain_conditions(study: Study, layers: pd.DataFrame, title: str) -> None:
    text = (
        f"On {title}. Condition number: how much the strongest directions outweigh the rest (99.9th over 90th "
        "percentile, numpy's linear). Lower means that the layer uses many directions; 1 is the minimum."
    )
    if thin := _list_layers(study, layers[layers["samples"] < layers["channels"]]):
        text += f" Fewer positions than channels, so that the rank is limited: {thin}."
    if constant := _list_layers(study, layers[layers["rank"] == 0]):
        text += f" Constant, rank 0, not drawn: {constant}."
    st.caption(text)


def _list_layers(study: Study, layers: pd.DataFrame) -> str:
    """Layers by their names, or how many of each set-up where there are many."""
    names = sorted(set(layers["layer"]))
    if len(names) <= _NAMED:
        return ", ".join(names)
    return ", ".join(f"{rows['layer'].nunique()} layers of {setup.label}" for setup, rows in _by_setup(study, layers))


_NAMED = 8
"""Layers that are named one by one."""


def _show_densities(study: Study, values: pd.DataFrame) -> None:
    positive = values.loc[values["eigenvalue"] > 0, "eigenvalue"]
    if positive.empty:
        st.info("All activations of this layer are constant: there is no spectrum.")
        return
    figure = go.Figure()
    ends = math.log10(positive.min()) - 0.5, math.log10(positive.max()) + 0.5
    decades = np.linspace(max(ends[0], ends[1] - _DECADES), ends[1], 240)
    for setup, mine in _by_setup(study, values):
        figure.add_scatter(
            x=10**decades,
            y=log_density(mine["eigenvalue"].to_numpy(), decades),
            name=charts.chart_text(setup.label),
            line=charts.setup_line(setup),
            mode="lines",
            hovertemplate="eigenvalue %{x:.3g}<br>%{y:.2f} of directions in a decade<extra>%{fullData.name}</extra>",
        )
    figure.update_xaxes(type="log", title="eigenvalue", dtick=1, exponentformat="power")
    figure.update_yaxes(title="share of the directions in a decade", rangemode="tozero")
    charts.show(figure, "densities", 370)
    st.caption(
        "Density of the eigenvalues on a logarithmic axis. A hump far left of the largest values means that many "
        "directions carry almost no activity. The rank plot shows the largest values, the tail of the paper's Figure "
        "3b." + _name_absent(study, values)
    )


def _name_absent(study: Study, values: pd.DataFrame) -> str:
    """The set-ups that have no curve, such as those of an architecture whose layers bear other names."""
    absent = [setup.label for name, setup in study.setups.items() if name not in set(values["setup"])]
    return f" No layer of this name was measured in {', '.join(absent)}." if absent else ""


_DECADES = 12
"""Orders of magnitude below the largest eigenvalue that are drawn; below lies rounding."""


def _show_ranks(study: Study, values: pd.DataFrame, layer: str) -> None:
    figure = go.Figure()
    for setup, mine in _by_setup(study, values[values["eigenvalue"] > 0]):
        figure.add_scatter(
            x=mine["rank"] + 1,
            y=mine["eigenvalue"],
            name=charts.chart_text(setup.label),
            line=charts.setup_line(setup),
            marker=charts.setup_marker(setup, 4),
            mode="lines+markers" if len(mine) < _MARKED else "lines",
            hovertemplate="rank %{x}<br>eigenvalue %{y:.3g}<extra>%{fullData.name}</extra>",
        )
    figure.update_xaxes(type="log", title=f"rank of the eigenvalue in {layer}")
    smallest = max(float(values["eigenvalue"].max()) * 1e-8, 1e-30)
    highest = math.log10(max(2 * float(values["eigenvalue"].max()), 2 * smallest))
    figure.update_yaxes(type="log", title="eigenvalue", range=[math.log10(smallest), highest])
    charts.show(figure, "ranks", 400)
    st.caption("A straight line over all ranks would be a Pareto distribution; a line that bends down is not one.")


def _show_fits(study: Study, fits: pd.DataFrame | None, data: str, layer: str) -> None:
    fits = fits[fits["data"] == data] if fits is not None else None
    if fits is None or fits.empty:
        missing.show_missing_table(study, "distributions")
        return
    st.caption(f"The eigenvalues of {layer}, the first layer: how its activity spreads over its directions.")
    for setup, mine in _by_setup(study, fits):
        first = mine.iloc[0]
        sentence = escape(f"{first['verdict']}{_describe_nearest(mine)}")
        st.html(f"<p><b>{escape(setup.label)}</b> · {sentence}</p>")
        if not math.isnan(first["alpha"]):
            share = top_share(float(first["alpha"]))
            held = "the sum has no bound" if first["alpha"] <= 1 else f"the top 20 % would hold {share:.0%}"
            st.caption(
                f"If Pareto: α {first['alpha']:.2f} ({first['alpha_low']:.2f} to {first['alpha_high']:.2f}); {held}. "
                f"By distfit, as in the paper: α {first['alpha_distfit']:.2f}{_published_alpha(setup)}."
            )
    _show_candidates(study, fits)


def _describe_nearest(mine: pd.DataFrame) -> str:
    """What the nearest distribution would mean, for people."""
    fitted = mine.dropna(subset=["aic"])
    if fitted.empty:
        return ""
    nearest = str(fitted.sort_values("aic")["distribution"].iloc[0])
    return f" Nearest is {nearest}: {MEANINGS.get(nearest, 'another distribution')}."


def _published_alpha(setup: Setup) -> str:
    return f"; the paper: {ALPHA[setup.name]:.2f}" if setup.name in ALPHA else ""


def _show_candidates(study: Study, fits: pd.DataFrame) -> None:
    shown = pd.concat([rows.assign(setup=setup.label) for setup, rows in _by_setup(study, fits)])
    with st.expander("Every candidate"):
        columns = ["setup", "distribution", "rss", "aic", "bic", "ks", "vuong", "p"]
        tables.show(shown[columns], "candidates", height=220)
        st.caption(
            "rss: distfit on a histogram, as in the paper. aic, bic, ks: maximum likelihood. In all of these lower is "
            "better. vuong above 1.96: Pareto is better than this one; below -1.96: worse; between: cannot tell."
        )
    with st.expander("What each distribution would mean"):
        st.markdown("\n".join(f"- **{name}**: {meaning}." for name, meaning in MEANINGS.items()))
