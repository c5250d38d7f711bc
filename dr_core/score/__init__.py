"""Answers about any photographs, as one table: resumable, in parts on many machines, the same bytes in the end.

Beside `results.csv` stand `results.json` (which models and software, what the columns mean), `results.heatmaps/` where
asked for, and `results.parts/` with a journal of each part, by which a stopped run goes on and a later one asks only
about photographs that are new, have changed or could not be read. A batch is always filled up, since a network adds up
in another order in a smaller one: so an answer has the same bits whichever photographs are asked about together.
"""
