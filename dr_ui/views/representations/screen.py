"""Parts of the Representations page: condition number by layer, densities, ranks, and the law of the first layer."""

import math
from html import escape

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st
from plotly.subplots import make_subplots

from dr_core.analysis.distribution import MEANINGS, top_share
from dr_core.analysis.spectrum import mirrored_density
from dr_core.models.setups import SETUPS
from dr_core.publish.paper.published import ALPHA
from dr_core.study.folder import Study
from dr_ui.parts import charts
from dr_ui.shell import result_tables

_MANY = 500
"""Eigenvalues from which a line has no markers."""

_TITLES = ("Without external data (IWNE)", "From ImageNet (IFI)")


def show_page(study: Study) -> None:
    """Everything of the page, or the command that computes it."""
    layers, values = result_tables.read_table(study, "spectrum"), result_tables.read_table(study, "eigenvalues")
    if layers is None or values is None or layers.empty:
        st.info(
            "This study has no spectra yet; "
            f"`python train_cli.py spectrum --study {study.path} --data STORE` computes them on prepared eyes."
        )
        return
    data = result_tables.choose_data(study, list(dict.fromkeys(layers["data"])))
    layers, values = layers[layers["data"] == data], values[values["data"] == data]
    left, right = st.columns([1.15, 1], gap="medium")
    with left:
        _show_conditions(layers, result_tables.data_title(study, data))
    with right:
        names = list(dict.fromkeys(layers["layer"]))
        singles = result_tables.read_table(study, "image_spectra")
        single = _choose_singles(singles is not None and bool((singles["data"] == data).any()))
        density, ranks, laws = st.tabs(["Densities", "Ranks", "Which law? (Table 2)"])
        with density:
            layer = st.selectbox("Layer", names, key="layer", bind="query-params", disabled=single) or names[0]
            if single and singles is not None:
                layer, shown = names[0], _pool(singles[singles["data"] == data])
            else:
                shown = values[values["layer"] == layer]
            _show_densities(shown)
        with ranks:
            _show_ranks(shown, layer)
        with laws:
            _show_laws(
                result_tables.read_table(study, "image_distributions" if single else "distributions"), data, names[0]
            )


_TOGETHER, _SINGLE = "over all eyes", "within each eye (first layer)"


def _choose_singles(known: bool) -> bool:
    """Let the user choose between a layer's one spectrum and the first layer's spectra of single eyes."""
    chosen = st.segmented_control(
        "Eigenvalues",
        [_TOGETHER, _SINGLE],
        default=_TOGETHER,
        required=True,
        key="values",
        bind="query-params",
        disabled=not known,
        label_visibility="collapsed",
        help="The first layer has only 64 channels, so only 64 eigenvalues over all eyes, but 64 in every single eye.",
    )
    return known and chosen == _SINGLE


def _pool(singles: pd.DataFrame) -> pd.DataFrame:
    """The eigenvalues of single eyes as one falling list for each set-up."""
    falling = singles.sort_values("eigenvalue", ascending=False, kind="stable")
    return falling.assign(rank=falling.groupby("setup").cumcount()).sort_values("setup", key=_order, kind="stable")


def _order(setups: pd.Series) -> pd.Series:
    return setups.map({setup: place for place, setup in enumerate(SETUPS)})


def _show_conditions(layers: pd.DataFrame, title: str) -> None:
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, vertical_spacing=0.1, subplot_titles=_TITLES)
    for setup, mine in layers.groupby("setup", sort=False):
        shown = mine.assign(condition=mine["condition"].replace([np.inf], np.nan))
        figure.add_scatter(
            x=shown["place"],
            y=shown["condition"],
            name=SETUPS[str(setup)].label,
            mode="lines+markers",
            line=charts.setup_line(str(setup)),
            marker=charts.setup_marker(str(setup), 5),
            customdata=shown[["layer", "channels", "samples", "rank"]],
            hovertemplate="%{customdata[0]}<br>condition number %{y:.3g}<br>%{customdata[2]:,} positions × "
            "%{customdata[1]} channels, rank %{customdata[3]}<extra>%{fullData.name}</extra>",
            row=1 if SETUPS[str(setup)].initialization == "none" else 2,
            col=1,
        )
    one = layers[layers["setup"] == layers["setup"].iloc[0]]
    for number, (stage, places) in enumerate(one.groupby("stage", sort=False)["place"]):
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
    figure.update_xaxes(title="layer, in the order of the forward pass", row=2, col=1)
    charts.show(figure, "conditions", 530, titled=True)
    text = (
        f"On {title}. Condition number: how much the strongest directions outweigh the rest (99.9th over 90th "
        "percentile, numpy's linear). Lower means that the layer uses many directions; 1 is the least."
    )
    thin = sorted(set(one[one["samples"] < one["channels"]]["layer"]))
    if thin:
        text += f" Fewer positions than channels, so that the rank is limited: {', '.join(thin)}."
    if (layers["rank"] == 0).any():
        text += f" Constant, rank 0, not drawn: {', '.join(sorted(set(layers[layers['rank'] == 0]['layer'])))}."
    st.caption(text)


def _show_densities(values: pd.DataFrame) -> None:
    figure = make_subplots(rows=2, cols=1, vertical_spacing=0.28, subplot_titles=("all", "the upper tail, enlarged"))
    largest = float(values["eigenvalue"].max())
    if largest <= 0:
        st.info("All activations of this layer are constant: there is no spectrum.")
        return
    edges = np.linspace(-largest, largest, 82)
    for setup, mine in values.groupby("setup", sort=False):
        found = mine["eigenvalue"].to_numpy()
        heights = mirrored_density(found, edges)
        for row in (1, 2):
            figure.add_scatter(
                x=(edges[1:] + edges[:-1]) / 2,
                y=np.where(heights > 0, heights, np.nan) if row == 2 else heights,
                name=SETUPS[str(setup)].label,
                showlegend=row == 1,
                line=charts.setup_line(str(setup)) | {"shape": "hvh"},
                mode="lines+markers" if row == 2 else "lines",
                hovertemplate="eigenvalue %{x:.3g}<br>density %{y:.3g}<extra>%{fullData.name}</extra>",
                marker=charts.setup_marker(str(setup), 5),
                row=row,
                col=1,
            )
    figure.update_yaxes(title="density")
    figure.update_yaxes(type="log", dtick=1, row=2, col=1)
    figure.update_xaxes(range=[0.1 * largest, 1.02 * largest], title="eigenvalue", row=2, col=1)
    charts.show(figure, "densities", 370, titled=True)
    st.caption("Mirrored at 0, as in the paper's Figure 3b. A long tail: a few directions carry most of the activity.")


def _show_ranks(values: pd.DataFrame, layer: str) -> None:
    figure = go.Figure()
    for setup, mine in values[values["eigenvalue"] > 0].groupby("setup", sort=False):
        figure.add_scatter(
            x=mine["rank"] + 1,
            y=mine["eigenvalue"],
            name=SETUPS[str(setup)].label,
            line=charts.setup_line(str(setup)),
            marker=charts.setup_marker(str(setup), 4),
            mode="lines+markers" if len(mine) < _MANY else "lines",
            hovertemplate="rank %{x}<br>eigenvalue %{y:.3g}<extra>%{fullData.name}</extra>",
        )
    figure.update_xaxes(type="log", title=f"rank of the eigenvalue in {layer}")
    smallest = max(float(values["eigenvalue"].max()) * 1e-8, 1e-30)
    highest = math.log10(max(2 * float(values["eigenvalue"].max()), 2 * smallest))
    figure.update_yaxes(type="log", title="eigenvalue", range=[math.log10(smallest), highest])
    charts.show(figure, "ranks", 400)
    st.caption("A straight line over all ranks would be a Pareto law; a line that bends down is not one.")


def _show_laws(laws: pd.DataFrame | None, data: str, layer: str) -> None:
    laws = laws[laws["data"] == data] if laws is not None else None
    if laws is None or laws.empty:
        st.info("There is no fit of laws on these eyes; the command `spectrum` makes it.")
        return
    st.caption(f"The eigenvalues of {layer}, the first layer: how its activity spreads over its directions.")
    for setup, mine in laws.groupby("setup", sort=False):
        first = mine.iloc[0]
        said = escape(f"{first['verdict']}{_say(mine)}")
        st.html(f"<p><b>{SETUPS[str(setup)].label}</b> · {said}</p>")
        if not math.isnan(first["alpha"]):
            share = top_share(float(first["alpha"]))
            held = "the sum has no bound" if first["alpha"] <= 1 else f"the top 20 % would hold {share:.0%}"
            st.caption(
                f"If Pareto: α {first['alpha']:.2f} ({first['alpha_low']:.2f} to {first['alpha_high']:.2f}); {held}. "
                f"By distfit, as the paper: α {first['alpha_distfit']:.2f}; the paper: {ALPHA[str(setup)]:.2f}."
            )
    _show_candidates(laws)


def _say(mine: pd.DataFrame) -> str:
    """What the nearest law would mean, for people."""
    fitted = mine.dropna(subset=["aic"])
    if fitted.empty:
        return ""
    nearest = str(fitted.sort_values("aic")["distribution"].iloc[0])
    return f" Nearest is {nearest}: {MEANINGS.get(nearest, 'another law')}."


def _show_candidates(laws: pd.DataFrame) -> None:
    shown = laws.assign(setup=[SETUPS[setup].label for setup in laws["setup"]])
    with st.expander("Every candidate"):
        st.dataframe(
            shown[["setup", "distribution", "rss", "aic", "bic", "ks", "vuong", "p"]], hide_index=True, height=220
        )
        st.caption(
            "rss: distfit on a histogram, as the paper. aic, bic, ks: maximum likelihood. In all four lower is "
            "better. vuong above 1.96: Pareto is better than this one; below -1.96: worse; between: cannot tell."
        )
    with st.expander("What each law would mean"):
        st.markdown("\n".join(f"- **{law}**: {meaning}." for law, meaning in MEANINGS.items()))
