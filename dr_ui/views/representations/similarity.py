"""How alike are the representations of the set-ups: blocks by pairs of set-ups, and blocks by blocks of two of them."""

from html import escape

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from dr_core.experiments.similarity import arrange_pairs
from dr_core.study.folder import Study
from dr_ui.parts import charts, reference
from dr_ui.shell import missing, result_tables
from dr_ui.shell.navigation import kept_input


def show(study: Study) -> None:
    """Show the section, or the command that measures it."""
    st.html('<h2 class="lens-h2">How similar are the representations of the set-ups?</h2>')
    table = result_tables.load_table(study, "similarity")
    if table is None or table.empty:
        missing.show_missing_table(study, "similarity", quietly=True)
        return
    table = result_tables.of_shown_data(table)
    measured = table[table["value"].notna()]
    silent = table[table["block"] == ""]
    labels = {name: setup.label for name, setup in study.setups.items() if name in set(measured["setup"])}
    if labels:
        st.html(f'<p class="lens-sentence">{_compare_pairs(measured, labels)}</p>')
        _show_maps(study, measured, labels)
        title = result_tables.data_title(study, str(measured["data"].iloc[0]))
        st.caption(
            f"Debiased linear CKA within minibatches, {int(measured['n'].max())} eyes of {title}. 1: equal up to "
            "rotation and scale; about 0: nothing shared. With few eyes it is noisy, and a few unusual eyes can "
            "determine it. It describes these checkpoints and is not a test."
        )
    for _, row in silent.iterrows():
        label = study.setups[row["setup"]].label if row["setup"] in study.setups else row["setup"]
        st.html(f'<p class="lens-small">{escape(label)}: no answer, because {escape(str(row["reason"]))}</p>')
    _show_starts(study, str(table["data"].iloc[0]))


def _pair_values(measured: pd.DataFrame, labels: dict[str, str]) -> pd.DataFrame:
    """Similarity of each block to the same block of the other set-up: a row for each pair, named for people."""
    pairs = arrange_pairs(measured, list(labels))
    return pairs.set_axis([f"{labels[first]} and {labels[second]}" for first, second in pairs.index])


def _values_with(measured: pd.DataFrame, labels: dict[str, str], chosen: str) -> pd.DataFrame:
    """Similarity of each block to the same block of the reference set-up: a row for each other set-up."""
    pairs = arrange_pairs(measured, [chosen, *(name for name in labels if name != chosen)])
    pairs = pairs[pairs.index.get_level_values("setup") == chosen]
    return pairs.set_axis([f"{labels[other]} and {labels[chosen]}" for _, other in pairs.index])


def _compare_pairs(measured: pd.DataFrame, labels: dict[str, str]) -> str:
    """The section's answer: the pairs that are the most and the least alike, and the block where they part."""
    pairs = _pair_values(measured, labels)
    if pairs.empty:
        return "No two set-ups have blocks of the same names; all blocks of two set-ups are compared."
    means = pairs.mean(axis=1)
    lowest = pairs.mean(axis=0).idxmin()
    least = "" if len(means) == 1 else f", {escape(str(means.idxmin()))} the least ({means.min():.2f})"
    return (
        f"<b>{escape(str(means.idxmax()))}</b> are the most similar: CKA <b>{means.max():.2f}</b> on average over "
        f"their blocks{least}. Over all pairs, the set-ups are least similar in block {escape(str(lowest))} "
        f"({pairs[lowest].mean():.2f})."
    )


_ALL_PAIRS = 4
"""Set-ups of which all pairs are drawn; of more, those with the reference."""


def _show_maps(study: Study, measured: pd.DataFrame, labels: dict[str, str]) -> None:
    if _pair_values(measured, labels).empty:  # of other architectures: their blocks bear other names
        _show_blocks(measured, labels)
        return
    left, right = st.columns([1, 1], gap="medium")
    with left:
        pairs = _pair_values(measured, labels)
        if len(labels) > _ALL_PAIRS:
            chosen = reference.choose_reference(study, labels)
            pairs = _values_with(measured, labels, chosen)
        if not pairs.empty:
            st.caption("The same block of two set-ups.")
            charts.show(_draw(pairs, "block", ""), "similarity_setups", max(260, 120 + 38 * len(pairs)))
    with right:
        _show_blocks(measured, labels)


def _show_blocks(measured: pd.DataFrame, labels: dict[str, str]) -> None:
    """Each block of one set-up with each of another, which the user chooses."""
    names = list(labels)
    first = st.selectbox("Blocks of", names, **kept_input("similarity_of"), format_func=labels.__getitem__)
    second = st.selectbox(
        "with those of",
        names,
        index=min(1, len(names) - 1),
        **kept_input("similarity_with"),
        format_func=labels.__getitem__,
    )
    first, second = first or names[0], second or names[0]
    rows = measured[(measured["setup"] == first) & (measured["other"] == second)]
    if rows.empty:
        st.info("These two set-ups have no blocks that could be compared.")
        return
    grid = rows.pivot_table(index="block", columns="other_block", values="value", sort=False)
    grid = grid.reindex(index=list(dict.fromkeys(rows["block"])), columns=list(dict.fromkeys(rows["other_block"])))
    figure = _draw(grid, f"block of {labels[second]}", f"block of {labels[first]}")
    charts.show(figure, "similarity_blocks", 420)


def _draw(grid: pd.DataFrame, across: str, down: str) -> go.Figure:
    figure = go.Figure()
    figure.add_heatmap(
        x=[charts.chart_text(str(name)) for name in grid.columns],
        y=[charts.chart_text(str(name)) for name in grid.index],
        z=grid.to_numpy(),
        zmin=0,
        zmax=1,
        colorscale="Viridis",
        colorbar={"title": "CKA"},
        hovertemplate="%{y}<br>%{x}<br>CKA %{z:.3f}<extra></extra>",
    )
    figure.update_xaxes(title=charts.chart_text(across), type="category")
    figure.update_yaxes(title=charts.chart_text(down), type="category", autorange="reversed")
    return figure


def _show_starts(study: Study, data: str) -> None:
    """Each set-up against the weights that it started from, or why there is no answer."""
    table = result_tables.load_table(study, "similarity_starts")
    if table is None:
        return
    table = table[table["data"] == data]
    measured = table[table["value"].notna()]
    if not measured.empty:
        grid = measured.pivot_table(index="setup", columns="block", values="value", sort=False)
        grid.index = [study.setups[str(name)].label for name in grid.index]
        st.caption(
            "Each set-up compared with the weights from which its finetuning started. Low: finetuning changed the "
            "block."
        )
        charts.show(_draw(grid, "block", ""), "similarity_starts", max(240, 120 + 38 * len(grid)))
    reasons = table[table["block"] == ""].groupby("reason", sort=False)["setup"].agg(list)
    for reason, names in reasons.items():
        labels = ", ".join(study.setups[str(name)].label for name in names)
        sentence = f"{labels} against the start: no answer. {reason}"
        st.html(f'<p class="lens-small">{escape(sentence)}</p>')
